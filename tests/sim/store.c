/*
 * store.c: the real store, watched, made to fail, and made slow
 *
 * What a slow store has is in memory for a while, or has to be read: COLD until
 * somebody wants it, then WANTED until store_step() has read it.  Now and then
 * it moves what it has, and may have too much to take more.
 */
#include "store.h"

#include <sys/queue.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "contents.h"
#include "host.h"
#include "sim.h"

#define BUCKETS 4096u
#define NARROW 15u /* mask of the hashes that are left */

enum warmth {
	HERE,
	COLD,
	WANTED,
	READ, /* until it is asked for */
};

struct entry {
	struct entry *next;
	TAILQ_ENTRY(entry) wanted; /* WANTED */
	enum warmth warmth;
	struct backend *in;
	uint32_t owner;
	uint64_t handle;
	uint32_t times; /* given out; more than once only if same-filled */
	bool bad;
	uint8_t page[PAGE_SIZE];
};

static struct entry *buckets[BUCKETS];
static struct entry *bad_pages;
static TAILQ_HEAD(entries, entry) wanted = TAILQ_HEAD_INITIALIZER(wanted);
static struct tier { /* of one stack */
	struct backend *backend;
	struct backend_host host;
	bool later; /* it said so */
} tiers[SIM_TIERS];
static uint32_t ntiers;
static uint64_t nhandles;
struct store_plan store_plan;
struct store_counts store_counts;

int __wrap_backend_store(struct backend *, const struct packed *, uint32_t,
    uint64_t *);
int __real_backend_store(struct backend *, const struct packed *, uint32_t,
    uint64_t *);
void __wrap_backend_attach(struct backend *, const struct backend_host *);
void __real_backend_attach(struct backend *, const struct backend_host *);
void __wrap_backend_want(struct backend *, const uint64_t *, uint32_t);
int __wrap_backend_peek(struct backend *, uint64_t, struct packed *);
int __real_backend_peek(struct backend *, uint64_t, struct packed *);
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
find(const struct backend *b, uint64_t handle)
{
	struct entry **e = &buckets[handle * 2654435761u % BUCKETS];

	while (*e != NULL && ((*e)->handle != handle || (*e)->in != b))
		e = &(*e)->next;
	return e;
}

static struct tier *
tier_of(const struct backend *b)
{
	uint32_t i = 0;

	while (tiers[i].backend != b)
		i++;
	SIM_CHECK(i < ntiers);
	return &tiers[i];
}

/* Its bytes are in the handle. */
static bool
same_filled(const uint8_t *page)
{
	return memcmp(page, page + 1, PAGE_SIZE - 1) == 0;
}

static struct entry *
remember(struct backend *b, uint64_t handle, const void *page, uint32_t owner)
{
	struct entry **at = find(b, handle), *e = *at;

	nhandles++;
	if (e != NULL) {
		e->times++;
		if (!same_filled(page) || memcmp(e->page, page, PAGE_SIZE) != 0)
			sim_fail("the store gives out handle %#llx twice",
			    (unsigned long long)handle);
		return e;
	}
	e = calloc(1, sizeof(*e));
	e->in = b;
	e->handle = handle;
	e->owner = owner;
	e->times = 1;
	if (store_plan.slow && !same_filled(page) && sim_one_in(2))
		e->warmth = COLD;
	memcpy(e->page, page, PAGE_SIZE);
	*at = e;
	return e;
}

/* => one has to wait for it */
static bool
is_away(const struct entry *e)
{
	return e->warmth == COLD || e->warmth == WANTED;
}

static void
entry_want(struct entry *e)
{
	if (e->warmth != COLD)
		return;
	e->warmth = WANTED;
	TAILQ_INSERT_TAIL(&wanted, e, wanted);
}

static void
entry_warm(struct entry *e, enum warmth warmth)
{
	if (e->warmth == WANTED)
		TAILQ_REMOVE(&wanted, e, wanted);
	e->warmth = warmth;
}

void
__wrap_backend_attach(struct backend *b, const struct backend_host *h)
{
	SIM_CHECK(ntiers < SIM_TIERS);
	tiers[ntiers++] = (struct tier){ .backend = b, .host = *h };
	__real_backend_attach(b, h);
}

static void
forget(struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	entry_warm(e, HERE);
	nhandles--;
}

/* As if the place were needed for something else. */
static void
move(struct entry *e)
{
	const struct backend_host *h = &tier_of(e->in)->host;
	uint8_t room[PACK_MAX];
	uint64_t from = e->handle, to;
	struct packed p;

	if (!h->names(h->ctx, e->owner, from))
		sim_fail("block %u has forgotten handle %#llx", e->owner,
		    (unsigned long long)from);
	pack_page(e->page, room, &p);
	if (__real_backend_store(e->in, &p, e->owner, &to) != 0)
		return;
	(void)remember(e->in, to, e->page, e->owner);
	h->moved(h->ctx, e->owner, from, to);
	__real_backend_free(e->in, from);
	forget(find(e->in, from));
	free(e);
	store_counts.moves++;
}

static void
move_some(void)
{
	struct entry *e = buckets[sim_below(BUCKETS)];

	/* Equal pages that are in their handles have many owners. */
	if (e != NULL && !e->bad && !same_filled(e->page))
		move(e);
}

static bool
some_later(void)
{
	bool any = false;

	for (uint32_t i = 0; i < ntiers; i++)
		any = any || tiers[i].later;
	return any;
}

bool
store_step(void)
{
	struct entry *e = TAILQ_FIRST(&wanted);
	uint32_t i = sim_below(ntiers);

	if (!store_plan.slow)
		return false;
	if (!sim.settling)
		move_some();
	if (e == NULL && !some_later() && (sim.settling || !sim_one_in(20)))
		return false;
	if (e != NULL && sim_one_in(2))
		e = TAILQ_LAST(&wanted, entries);
	if (e != NULL) {
		entry_warm(e, READ);
		store_counts.reads++;
	}
	tiers[i].later = false;
	pager_store_ready(host.pager, i);
	host_tick();
	return true;
}

int
__wrap_backend_store(struct backend *b, const struct packed *p, uint32_t owner,
    uint64_t *handle)
{
	uint8_t page[PAGE_SIZE];
	struct tier *t = tier_of(b);
	struct entry *e;
	int r;

	if (unpack_page(p, page) != 0)
		sim_fail("what was packed cannot be unpacked");
	if ((store_plan.shut && !sim.settling) || chance(store_plan.full)) {
		store_counts.full++;
		return refuse(page, -ENOSPC);
	}
	if (t->later)
		sim_fail("a store is asked that said later");
	if (store_plan.slow && chance(20)) {
		store_counts.later++;
		t->later = true;
		return -EAGAIN;
	}
	if (chance(store_plan.error)) {
		store_counts.errors++;
		return refuse(page, -EIO);
	}
	r = __real_backend_store(b, p, owner, handle);
	if (r == 0) {
		e = remember(b, *handle, page, owner);
		e->bad = e->times == 1 && !same_filled(page) &&
			 chance(store_plan.bad);
		store_counts.bad += e->bad;
		store_counts.stores++;
	}
	return r;
}

/* => one byte of it is another one */
static void
damage(const struct entry *e, struct packed *p)
{
	static uint8_t page[PAGE_SIZE];

	memcpy(page, e->page, PAGE_SIZE);
	page[sim_below(PAGE_SIZE)] ^= 1;
	*p = (struct packed){ .bytes = page, .len = PACK_PAGE };
}

int
__wrap_backend_peek(struct backend *b, uint64_t handle, struct packed *p)
{
	struct entry *e = *find(b, handle);
	uint8_t page[PAGE_SIZE];

	if (e == NULL)
		sim_fail("load of handle %#llx, which is not stored",
		    (unsigned long long)handle);
	if (is_away(e)) {
		store_counts.waits++;
		return BACKEND_WAIT;
	}
	if (e->warmth == READ && sim_one_in(2))
		entry_warm(e, COLD);
	if (e->bad)
		return -EIO;
	if (__real_backend_peek(b, handle, p) != 0 ||
	    unpack_page(p, page) != 0 || memcmp(page, e->page, PAGE_SIZE) != 0)
		sim_fail("the store gives back something else");
	store_counts.loads++;
	if (sim.opt.breaks == BREAK_STORE_BYTE && sim_one_in(64))
		damage(e, p);
	return 0;
}

/* As far as there is room. */
void
__wrap_backend_want(struct backend *b, const uint64_t *handles, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct entry *e = *find(b, handles[i]);

		if (e == NULL)
			sim_fail("handle %#llx is wanted, and not stored",
			    (unsigned long long)handles[i]);
		if (!sim_one_in(4))
			entry_want(e);
	}
}

int
__wrap_backend_same(struct backend *b, uint64_t handle, const void *page)
{
	struct entry *e = *find(b, handle);
	int r;

	if (e == NULL)
		sim_fail("comparison with handle %#llx, which is not stored",
		    (unsigned long long)handle);
	if (is_away(e))
		return 0;
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
	struct entry **at = find(b, handle), *e = *at;

	if (e == NULL)
		sim_fail("free of handle %#llx, which is not stored",
		    (unsigned long long)handle);
	store_counts.frees++;
	__real_backend_free(b, handle);
	if (--e->times > 0) {
		nhandles--;
		return;
	}
	forget(at);
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
	TAILQ_INIT(&wanted);
	ntiers = 0;
	memset(&store_plan, 0, sizeof(store_plan));
}
