/*
 * table.c: fixed-size records in shared memory, addressed by index
 *
 *	memfd:	| header page | record 0 (unused) | record 1 | ... | capacity
 *	aux:	              | -                 | word 1   | ...
 *
 * The header's high-water mark is truth: no index at or above it was ever
 * handed out, so its memory was never touched.  Below it, the owner's
 * predicate tells used records from free ones, and the aux words of the free
 * ones are a list, index 0 at its end.
 */
#include "table.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"
#include "reserve.h"

#define TABLE_MAGIC UINT64_C(0x656c626174676170) /* "pagtable" */
#define TABLE_VERSION 1
#define TABLE_PAGE 4096u

struct table_header {
	uint64_t magic;
	uint32_t version;
	uint32_t capacity;
	uint64_t record_size;
	_Atomic uint32_t high;
};

static size_t
round_page(size_t n)
{
	return (n + TABLE_PAGE - 1) / TABLE_PAGE * TABLE_PAGE;
}

static size_t
truth_bytes(const struct table *t)
{
	return round_page(TABLE_PAGE + t->record_size * t->capacity);
}

static size_t
index_bytes(const struct table *t)
{
	return round_page(sizeof(*t->aux) * t->capacity);
}

static bool
header_plausible(const struct table *t)
{
	const struct table_header *h = t->header;
	uint32_t high = table_high(t);

	return h->magic == TABLE_MAGIC && h->version == TABLE_VERSION &&
	       h->record_size == t->record_size && h->capacity == t->capacity &&
	       high >= 1 && high <= t->capacity;
}

static int
truth_create(struct table *t, const char *name)
{
	void *map;
	int r;

	r = reserve_shared(name, truth_bytes(t), &t->fd, &map);
	if (r < 0)
		return r;
	t->header = map;
	t->header->magic = TABLE_MAGIC;
	t->header->version = TABLE_VERSION;
	t->header->capacity = t->capacity;
	t->header->record_size = t->record_size;
	atomic_store(&t->header->high, 1);
	return 0;
}

static int
truth_take_over(struct table *t)
{
	struct stat st;
	void *map;
	int r;

	if (fstat(t->fd, &st) < 0)
		return -errno;
	/* A file that is too short would raise SIGBUS instead of an error. */
	if ((uint64_t)st.st_size != truth_bytes(t))
		return -EPROTO;
	r = reserve_map(t->fd, truth_bytes(t), &map);
	if (r < 0)
		return r;
	t->header = map;
	return header_plausible(t) ? 0 : -EPROTO;
}

/*
 * index_rebuild: tell used from free, and thread the free list
 *
 * => walks downwards, so that the lowest indices are handed out first
 * => zeroes the free ones: the last owner may have died inside table_free()
 */
static void
index_rebuild(struct table *t, bool (*in_use)(const void *))
{
	uint32_t i;

	for (i = table_high(t) - 1; i > 0; i--) {
		if (in_use(table_at(t, i))) {
			t->used++;
			continue;
		}
		memset(table_at(t, i), 0, t->record_size);
		t->aux[i] = t->free_head;
		t->free_head = i;
	}
}

int
table_open(struct table *t, const char *name, int fd, size_t record_size,
    uint32_t capacity, bool (*in_use)(const void *record))
{
	void *aux;
	int r;

	ASSERT(record_size > 0 && record_size % 8 == 0);
	ASSERT(capacity > 1 && record_size <= SIZE_MAX / 2 / capacity);
	ASSERT(fd < 0 || in_use != NULL);
	*t = (struct table){
		.fd = fd,
		.record_size = record_size,
		.capacity = capacity,
	};
	r = fd < 0 ? truth_create(t, name) : truth_take_over(t);
	if (r == 0)
		r = reserve_private(index_bytes(t), &aux);
	if (r < 0) {
		table_close(t);
		return r;
	}
	t->records = (char *)t->header + TABLE_PAGE;
	t->aux = aux;
	if (fd >= 0)
		index_rebuild(t, in_use);
	return 0;
}

void
table_close(struct table *t)
{
	/* Before the first open, fd 0 is nobody's: a zeroed table has none. */
	if (t->record_size == 0)
		return;
	reserve_release(t->aux, index_bytes(t));
	reserve_release(t->header, truth_bytes(t));
	if (t->fd >= 0)
		close(t->fd);
	*t = (struct table){ .fd = -1 };
}

int
table_alloc(struct table *t, uint32_t *index)
{
	uint32_t i = t->free_head;

	if (i != 0) {
		ASSERT(i < table_high(t));
		t->free_head = t->aux[i];
	} else {
		i = table_high(t);
		if (i == t->capacity)
			return -ENOSPC;
		/* Before anybody can write to the record. */
		atomic_store(&t->header->high, i + 1);
	}
	t->aux[i] = 0;
	t->used++;
	*index = i;
	return 0;
}

void
table_free(struct table *t, uint32_t index)
{
	ASSERT(index > 0 && index < table_high(t));
	ASSERT(t->used > 0);
	memset(table_at(t, index), 0, t->record_size);
	t->aux[index] = t->free_head;
	t->free_head = index;
	t->used--;
}

uint32_t
table_high(const struct table *t)
{
	return atomic_load_explicit(&t->header->high, memory_order_relaxed);
}

uint64_t
table_bytes(const struct table *t)
{
	size_t high = table_high(t);

	if (high == 1)
		return TABLE_PAGE;
	return round_page(TABLE_PAGE + high * t->record_size) +
	       round_page(high * sizeof(*t->aux));
}
