/*
 * ram.c: pages compressed in memory, the default store
 *
 * What becomes of a page, in this order:
 *
 *	one 32-bit word over and over	nothing: the word is in the handle
 *	LZ4 makes it 7/8 or less	an object of that length
 *	neither				a whole page
 *
 * A handle is an object's position, or HANDLE_SAME and the word.
 */
#include <errno.h>
#include <lz4.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "assert.h"
#include "builtin.h"
#include "segments.h"
#include "size.h"

#define HANDLE_SAME (UINT64_C(1) << (BACKEND_HANDLE_BITS - 1))
#define ACCELERATION 1

_Static_assert(SEGMENT_PAGE == BACKEND_PAGE, "a whole page is an object");

struct ram { /* fault thread after open */
	struct segments segments;
	uint64_t capacity; /* bytes, 0: no limit */
	uint64_t pages;
	uint64_t same_filled;
	uint64_t incompressible;
	LZ4_stream_t lz4;
	char packed[SEGMENT_OBJECT_MAX];
};

static size_t
ram_state_size(void)
{
	return sizeof(struct ram);
}

static int
ram_open(void *state, const char *args, char *err, size_t errlen)
{
	struct ram *m = state;
	int r;

	if (args != NULL && *args != '\0' &&
	    (size_parse(args, &m->capacity) < 0 || m->capacity == 0)) {
		snprintf(err, errlen,
		    "ram: '%s' is not a size such as 512M or 2G", args);
		return -EINVAL;
	}
	r = segments_open(&m->segments, "pagerd-ram",
	    m->capacity != 0 ? m->capacity : UINT64_MAX);
	if (r < 0)
		snprintf(err, errlen, "ram: reserving memory: %s",
		    strerror(-r));
	return r;
}

static void
ram_close(void *state)
{
	struct ram *m = state;

	segments_close(&m->segments);
}

static bool
is_same_filled(const char *page)
{
	const size_t word = sizeof(uint32_t);

	return memcmp(page, page + word, BACKEND_PAGE - word) == 0;
}

static void
fill_same(char *page, uint32_t word)
{
	size_t n;

	memcpy(page, &word, sizeof(word));
	for (n = sizeof(word); n < BACKEND_PAGE; n *= 2)
		memcpy(page + n, page, n);
}

static int
ram_store(void *state, const void *page, uint64_t *handle)
{
	struct ram *m = state;
	uint32_t word, len;
	int r;

	if (is_same_filled(page)) {
		memcpy(&word, page, sizeof(word));
		*handle = HANDLE_SAME | word;
		m->same_filled++;
		m->pages++;
		return 0;
	}
	len = (uint32_t)LZ4_compress_fast_extState(&m->lz4, page, m->packed,
	    BACKEND_PAGE, sizeof(m->packed), ACCELERATION);
	/* 0: longer than an object may be. */
	if (len != 0)
		r = segments_put(&m->segments, m->packed, len, handle);
	else
		r = segments_put(&m->segments, page, BACKEND_PAGE, handle);
	if (r < 0)
		return r;
	m->incompressible += len == 0;
	m->pages++;
	return 0;
}

static int
ram_load(void *state, uint64_t handle, void *page)
{
	struct ram *m = state;
	const void *object;
	uint32_t len;
	int n;

	if ((handle & HANDLE_SAME) != 0) {
		fill_same(page, (uint32_t)handle);
		return 0;
	}
	object = segments_get(&m->segments, handle, &len);
	if (object == NULL)
		return -EIO;
	if (len == BACKEND_PAGE) {
		memcpy(page, object, BACKEND_PAGE);
		return 0;
	}
	n = LZ4_decompress_safe(object, page, (int)len, BACKEND_PAGE);
	return n == BACKEND_PAGE ? 0 : -EIO;
}

static void
ram_free(void *state, uint64_t handle)
{
	struct ram *m = state;

	ASSERT(m->pages > 0);
	m->pages--;
	if ((handle & HANDLE_SAME) != 0)
		m->same_filled--;
	else if (segments_free(&m->segments, handle) == BACKEND_PAGE)
		m->incompressible--;
}

static void
ram_stats(const void *state, struct backend_stats *st)
{
	const struct ram *m = state;

	st->pages = m->pages;
	st->same_filled = m->same_filled;
	st->incompressible = m->incompressible;
	st->stored_bytes = m->segments.stored;
	st->used_bytes = m->segments.used;
	st->capacity_bytes = m->capacity;
}

const struct backend_ops ram_backend = {
	.name = "ram",
	.help = "compressed in memory; ARGS: SIZE (none: no limit)",
	.state_size = ram_state_size,
	.open = ram_open,
	.close = ram_close,
	.store = ram_store,
	.load = ram_load,
	.free = ram_free,
	.stats = ram_stats,
};
