/*
 * store.c: the real store, watched and made to fail
 */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "contents.h"
#include "sim.h"

#define BUCKETS 4096u
#define NARROW 15u /* mask of the hashes that are left */

struct entry {
	struct entry *next;
	uint64_t handle;
	uint32_t times; /* given out; more than once only if same-filled */
	bool bad;
	uint8_t page[PAGE_SIZE];
};

static struct entry *buckets[BUCKETS];
static struct entry *bad_pages;
static uint64_t nhandles;
struct store_plan store_plan;
struct store_counts store_counts;

int __wrap_backend_store(struct backend *, const void *, uint64_t *);
int __real_backend_store(struct backend *, const void *, uint64_t *);
int __wrap_backend_load(struct backend *, uint64_t, void *);
int __real_backend_load(struct backend *, uint64_t, void *);
int __wrap_backend_same(struct backend *, uint64_t, const void *);
int __real_backend_same(struct backend *, uint64_t, const void *);
void __wrap_backend_free(struct backend *, uint64_t);
void __real_backend_free(struct backend *, uint64_t);
uint32_t __wrap_contents_tag(const struct contents *, const void *, uint32_t);
uint32_t __real_contents_tag(const struct contents *, const void *, uint32_t);

/*
 * A page that the store has refused, and whose client ends before it is taken,
 * is lost to the forks that share it; --strict does not forgive that.
 */
static int
refuse(const void *page, int error)
{
	struct entry *e;

	if (sim.opt.strict)
		return error;
	e = calloc(1, sizeof(*e));
	memcpy(e->page, page, PAGE_SIZE);
	e->bad = true;
	e->next = bad_pages;
	bad_pages = e;
	return error;
}

static bool
chance(uint32_t n)
{
	return n > 0 && !sim.settling && sim_one_in(n);
}

static struct entry **
find(uint64_t handle)
{
	struct entry **e = &buckets[handle * 2654435761u % BUCKETS];

	while (*e != NULL && (*e)->handle != handle)
		e = &(*e)->next;
	return e;
}

/* Its bytes are in the handle. */
static bool
same_filled(const uint8_t *page)
{
	return memcmp(page, page + 1, PAGE_SIZE - 1) == 0;
}

static void
remember(uint64_t handle, const void *page)
{
	struct entry **at = find(handle), *e = *at;

	nhandles++;
	if (e != NULL) {
		e->times++;
		if (!same_filled(page) || memcmp(e->page, page, PAGE_SIZE) != 0)
			sim_fail("the store gives out handle %#llx twice",
			    (unsigned long long)handle);
		return;
	}
	e = calloc(1, sizeof(*e));
	e->handle = handle;
	e->times = 1;
	memcpy(e->page, page, PAGE_SIZE);
	e->bad = !same_filled(page) && chance(store_plan.bad);
	store_counts.bad += e->bad;
	*at = e;
}

int
__wrap_backend_store(struct backend *b, const void *page, uint64_t *handle)
{
	int r;

	if ((store_plan.shut && !sim.settling) || chance(store_plan.full)) {
		store_counts.full++;
		return refuse(page, -ENOSPC);
	}
	if (chance(store_plan.error)) {
		store_counts.errors++;
		return refuse(page, -EIO);
	}
	r = __real_backend_store(b, page, handle);
	if (r == 0) {
		remember(*handle, page);
		store_counts.stores++;
	}
	return r;
}

int
__wrap_backend_load(struct backend *b, uint64_t handle, void *page)
{
	struct entry *e = *find(handle);
	int r;

	if (e == NULL)
		sim_fail("load of handle %#llx, which is not stored",
		    (unsigned long long)handle);
	if (e->bad)
		return -EIO;
	r = __real_backend_load(b, handle, page);
	if (r != 0 || memcmp(page, e->page, PAGE_SIZE) != 0)
		sim_fail("the store gives back something else");
	store_counts.loads++;
	if (sim.opt.breaks == BREAK_STORE_BYTE && sim_one_in(64))
		((uint8_t *)page)[sim_below(PAGE_SIZE)] ^= 1;
	return 0;
}

int
__wrap_backend_same(struct backend *b, uint64_t handle, const void *page)
{
	struct entry *e = *find(handle);
	int r;

	if (e == NULL)
		sim_fail("comparison with handle %#llx, which is not stored",
		    (unsigned long long)handle);
	if (e->bad)
		return -EIO;
	if (sim.opt.breaks == BREAK_DEDUP_BLIND)
		return 1;
	r = __real_backend_same(b, handle, page);
	if (r != (memcmp(page, e->page, PAGE_SIZE) == 0))
		sim_fail("the store compares wrongly");
	store_counts.same += r > 0;
	store_counts.different += r == 0;
	return r;
}

/* Users stay apart, as they do with the real one, if few hashes are left. */
uint32_t
__wrap_contents_tag(const struct contents *c, const void *page, uint32_t uid)
{
	uint32_t hash = __real_contents_tag(c, page, 0);

	if (store_plan.narrow || sim.opt.breaks == BREAK_DEDUP_BLIND)
		hash &= NARROW;
	return sim.opt.breaks == BREAK_DEDUP_UID ? hash : hash ^ uid;
}

void
__wrap_backend_free(struct backend *b, uint64_t handle)
{
	struct entry **at = find(handle), *e = *at;

	if (e == NULL)
		sim_fail("free of handle %#llx, which is not stored",
		    (unsigned long long)handle);
	nhandles--;
	store_counts.frees++;
	__real_backend_free(b, handle);
	if (--e->times > 0)
		return;
	*at = e->next;
	if (e->bad) {
		e->next = bad_pages;
		bad_pages = e;
	} else {
		free(e);
	}
}

static bool
list_has(const struct entry *e, const uint8_t *page)
{
	for (; e != NULL; e = e->next) {
		if (e->bad && memcmp(e->page, page, PAGE_SIZE) == 0)
			return true;
	}
	return false;
}

bool
store_is_bad(const uint8_t *page)
{
	for (uint32_t i = 0; i < BUCKETS; i++) {
		if (list_has(buckets[i], page))
			return true;
	}
	return list_has(bad_pages, page);
}

uint64_t
store_handles(void)
{
	return nhandles;
}

static void
free_list(struct entry **list)
{
	struct entry *e;

	while ((e = *list) != NULL) {
		*list = e->next;
		free(e);
	}
}

void
store_reset(void)
{
	for (uint32_t i = 0; i < BUCKETS; i++)
		free_list(&buckets[i]);
	free_list(&bad_pages);
	nhandles = 0;
	memset(&store_plan, 0, sizeof(store_plan));
}
