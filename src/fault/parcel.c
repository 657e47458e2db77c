#include "parcel.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "assert.h"
#include "budget.h"
#include "client.h"
#include "dedup.h"
#include "evict.h"
#include "peer.h"
#include "planes.h"
#include "reserve.h"

#define SLICE 16
#define CLEAR_US 1000000 /* not used for so long: give the memory back */

#define PAGES_BYTES ((size_t)BATCH_PAGES * PAGE_BYTES)
#define ROOM_BYTES ((size_t)BATCH_PAGES * PACK_MAX)

int
parcels_open(struct pager *p, uint32_t max)
{
	struct parcels *ps = &p->parcels;

	TAILQ_INIT(&ps->unused);
	TAILQ_INIT(&ps->ready);
	ps->max = max;
	ps->clear_us = UINT64_MAX;
	if (reserve_private(max * sizeof(*ps->all), (void **)&ps->all) < 0 ||
	    reserve_private(max * PAGES_BYTES, (void **)&ps->pages) < 0 ||
	    reserve_private(max * ROOM_BYTES, (void **)&ps->room) < 0)
		return -ENOMEM;
	return 0;
}

void
parcels_close(struct pager *p)
{
	struct parcels *ps = &p->parcels;

	reserve_release(ps->all, ps->max * sizeof(*ps->all));
	reserve_release(ps->pages, ps->max * PAGES_BYTES);
	reserve_release(ps->room, ps->max * ROOM_BYTES);
}

/* => the one used last, whose memory is there */
static struct parcel *
parcel_take(struct parcels *ps)
{
	struct parcel *pc = TAILQ_FIRST(&ps->unused);

	if (pc != NULL) {
		TAILQ_REMOVE(&ps->unused, pc, entry);
		return pc;
	}
	ASSERT(ps->high < ps->max);
	pc = &ps->all[ps->high];
	pc->pages = ps->pages + ps->high * PAGES_BYTES;
	pc->room = ps->room + ps->high * ROOM_BYTES;
	ps->high++;
	return pc;
}

bool
parcels_left(const struct pager *p)
{
	return p->parcels.nmoving < PARCELS_MOVING;
}

struct parcel *
parcel_new(struct pager *p, const struct client *c)
{
	struct parcel *pc;

	if (!parcels_left(p))
		return NULL;
	pc = parcel_take(&p->parcels);
	pc->state = PARCEL_FILLING;
	pc->space = c->space->rec->id;
	pc->uid = c->space->rec->uid;
	pc->group = c->space->group;
	pc->stack = pc->group->rec->stack;
	pc->index = p->config.dedup ? &p->contents : NULL;
	pc->npages = pc->next = 0;
	pc->mem = pc->pagemap = -1;
	return pc;
}

uint8_t *
parcel_page(const struct parcel *pc, uint32_t i)
{
	return pc->pages + i * PAGE_BYTES;
}

void
parcel_add(struct parcel *pc, uint32_t i, uint64_t addr, uint32_t block)
{
	ASSERT(pc->state == PARCEL_FILLING && i < BATCH_PAGES);
	while (pc->npages <= i) {
		pc->block[pc->npages] = 0;
		pc->full[pc->npages++] = false;
	}
	pc->addr[i] = addr;
	pc->block[i] = block;
	pc->full[i] = true;
}

uint64_t
parcel_where(const struct pager *p, const struct parcel *pc, uint32_t i)
{
	return where_make(WHERE_STAGED, 0,
	    (uint64_t)(pc - p->parcels.all) << 16 | i);
}

static struct parcel *
parcel_at(const struct pager *p, uint64_t where, uint32_t *i)
{
	*i = (uint32_t)where_data(where) & 0xffff;
	return &p->parcels.all[where_data(where) >> 16];
}

/*
 * A page that is not there was let go of by its program (MADV_FREE) before it
 * was captured: it reads zero.
 *
 * => 0 or -EIO
 */
static int
read_page(const struct parcel *pc, uint32_t i, uint8_t *to)
{
	uint64_t addr = pc->stage + i * PAGE_BYTES;
	uint8_t flags;
	int rc = peer_read(pc->mem, addr, to, PAGE_BYTES);

	if (rc == -EIO && peer_pages(pc->pagemap, addr, 1, &flags) == 0 &&
	    !(flags & (PEER_PRESENT | PEER_SWAPPED))) {
		memset(to, 0, PAGE_BYTES);
		return 0;
	}
	return rc == 0 ? 0 : -EIO;
}

/* => pages from i on, before end, that are in the parcel side by side */
static uint32_t
full_run(const struct parcel *pc, uint32_t i, uint32_t end)
{
	uint32_t n = 0;

	while (i + n < end && pc->full[i + n])
		n++;
	return n;
}

static void
read_chunk(struct parcel *pc, uint32_t i, uint32_t end)
{
	while (i < end) {
		uint32_t n = full_run(pc, i, end);

		if (n > 0 && peer_read(pc->mem, pc->stage + i * PAGE_BYTES,
				 parcel_page(pc, i), n * PAGE_BYTES) < 0)
			for (uint32_t k = i; k < i + n; k++)
				pc->lost[k] =
				    read_page(pc, k, parcel_page(pc, k)) < 0;
		i += n + 1;
	}
}

static uint32_t
chunks_of(const struct parcel *pc)
{
	return (pc->npages + PARCEL_CHUNK - 1) / PARCEL_CHUNK;
}

bool
parcel_read(struct parcel *pc)
{
	uint32_t k = atomic_fetch_add(&pc->taken, 1), end;

	if (k >= chunks_of(pc))
		return false;
	end = (k + 1) * PARCEL_CHUNK;
	read_chunk(pc, k * PARCEL_CHUNK, end < pc->npages ? end : pc->npages);
	atomic_store(&pc->read[k], true);
	atomic_fetch_add(&pc->nread, 1);
	return true;
}

bool
parcel_is_read(const struct parcel *pc)
{
	return atomic_load(&pc->nread) == chunks_of(pc);
}

/* Another thread may be in the middle of one chunk. */
void
parcel_finish(struct parcel *pc)
{
	const struct timespec moment = { .tv_nsec = 20000 };

	while (parcel_read(pc))
		;
	while (!parcel_is_read(pc))
		(void)nanosleep(&moment, NULL);
}

bool
parcel_has(const struct pager *p, uint64_t where)
{
	uint32_t i;
	const struct parcel *pc = parcel_at(p, where, &i);

	return atomic_load(&pc->read[i / PARCEL_CHUNK]);
}

int
parcel_load(const struct pager *p, uint64_t where, uint8_t *to)
{
	uint32_t i;
	const struct parcel *pc = parcel_at(p, where, &i);

	if (!parcel_has(p, where))
		return read_page(pc, i, to);
	if (pc->lost[i])
		return -EIO;
	memcpy(to, parcel_page(pc, i), PAGE_BYTES);
	return 0;
}

void
parcel_unstage(struct pager *p, uint64_t where)
{
	uint32_t i;
	struct parcel *pc = parcel_at(p, where, &i);

	ASSERT(pc->block[i] != 0);
	pc->block[i] = 0;
}

/* => its bytes are here */
static void
source_none(struct parcel *pc)
{
	for (uint32_t k = 0; k < chunks_of(pc); k++)
		atomic_store(&pc->read[k], true);
	atomic_store(&pc->taken, chunks_of(pc));
	atomic_store(&pc->nread, chunks_of(pc));
}

static void
source_close(struct parcel *pc)
{
	if (pc->mem >= 0)
		(void)close(pc->mem);
	if (pc->pagemap >= 0)
		(void)close(pc->pagemap);
	pc->mem = pc->pagemap = -1;
}

/* => its bytes are in staging; out of descriptors, they are here at once */
static void
source_staging(struct parcel *pc, const struct client *c)
{
	for (uint32_t k = 0; k < chunks_of(pc); k++)
		atomic_store(&pc->read[k], false);
	atomic_store(&pc->taken, 0);
	atomic_store(&pc->nread, 0);
	pc->stage = c->space->rec->stage_start;
	pc->mem = dup(c->mem);
	pc->pagemap = dup(c->pagemap);
	if (pc->mem >= 0 && pc->pagemap >= 0)
		return;
	source_close(pc);
	pc->mem = c->mem;
	pc->pagemap = c->pagemap;
	parcel_finish(pc);
	pc->mem = pc->pagemap = -1;
}

struct parcel *
parcel_of(struct work *w)
{
	return (struct parcel *)((char *)w - offsetof(struct parcel, work));
}

void
parcel_pack(struct work *w)
{
	struct parcel *pc = parcel_of(w);
	uint8_t *room = pc->room;

	parcel_finish(pc);
	for (uint32_t i = 0; i < pc->npages; i++) {
		const uint8_t *page = parcel_page(pc, i);

		if (!pc->full[i] || pc->lost[i])
			continue;
		pack_page(page, room, &pc->packed[i]);
		if (pc->packed[i].bytes == room)
			room += pc->packed[i].len;
		/* What is kept in no room need not be shared. */
		pc->tag[i] = pc->index != NULL && pc->packed[i].len > 0
				 ? contents_tag(pc->index, page, pc->uid)
				 : 0;
	}
}

bool
parcel_send(struct pager *p, struct parcel *pc, const struct client *from)
{
	ASSERT(pc->state == PARCEL_FILLING);
	if (pc->npages == 0) {
		parcel_free(p, pc);
		return false;
	}
	memset(pc->lost, 0, sizeof(pc->lost));
	if (from != NULL)
		source_staging(pc, from);
	else
		source_none(pc);
	pc->state = PARCEL_PACKING;
	pc->work.run = parcel_pack;
	p->parcels.nmoving++;
	p->parcels.clear_us = UINT64_MAX;
	p->host.pack(p->host.ctx, pc);
	return true;
}

void
parcel_free(struct pager *p, struct parcel *pc)
{
	pc->state = PARCEL_FREE;
	pc->group = NULL;
	TAILQ_INSERT_HEAD(&p->parcels.unused, pc, entry);
}

void
parcel_packed(struct pager *p, struct parcel *pc)
{
	ASSERT(pc->state == PARCEL_PACKING);
	source_close(pc);
	pc->state = PARCEL_STORING;
	TAILQ_INSERT_TAIL(&p->parcels.ready, pc, entry);
}

/* Of its own memory that is out: then a client reads zeros without a block. */
static bool
forget_zero(struct pager *p, struct parcel *pc, uint32_t i)
{
	struct region *r = dedup_only_slot(p, pc, i);
	uint64_t page;

	if (r == NULL || !region_forgets_to_zero(r))
		return false;
	page = region_page(r, pc->addr[i]);
	if (slot_state(region_slot(&p->vm, r, page)) != SLOT_OUT)
		return false;
	region_forget(&p->vm, r, page);
	ASSERT(pc->block[i] == 0);
	count(p, C_evictions_zero, 1);
	return true;
}

static int
store_packed(struct pager *p, struct parcel *pc, uint32_t i)
{
	uint32_t block = pc->block[i];
	int r = stores_put(p, pc->stack, &pc->packed[i], block);

	if (r < 0)
		return r;
	dedup_stored(p, block, pc->tag[i]);
	pc->block[i] = 0;
	return 0;
}

/* => 0, or why the store refuses it */
static int
store_one(struct pager *p, struct parcel *pc, uint32_t i)
{
	uint64_t before = stores_bytes(p);
	int r = 0;

	if (pc->lost[i]) {
		physblock_move(&p->vm, pc->block[i],
		    where_make(WHERE_LOST, 0, 0));
		pc->block[i] = 0;
		return 0;
	}
	if (packed_is_zero(&pc->packed[i]) && forget_zero(p, pc, i))
		return 0;
	if (!dedup_share(p, pc, i))
		r = store_packed(p, pc, i);
	if (r < 0)
		return r;
	count(p, C_evictions_dirty, 1);
	if (pc->group != NULL)
		budget_put(p, pc->group, before);
	return 0;
}

static void
store_full(struct pager *p, const struct parcel *pc)
{
	struct notice *n;

	if (p->stores.stacks[pc->stack].full_us == 0 && pc->group != NULL) {
		n = planes_notice(p->planes, NOTICE_STORE_FULL);
		if (n != NULL) {
			n->group = pc->group->index;
			planes_notify(p->planes, n);
		}
	}
	stores_set_full(p, pc->stack);
}

/* => the page may have gone to where it came from: then it has no block */
static void
put_back(struct pager *p, struct parcel *pc, uint32_t i)
{
	struct client *c = client_get(p, pc->space);
	struct region *r = c != NULL ? space_find(c->space, pc->addr[i]) : NULL;

	if (r != NULL && slot_block(region_slot(&p->vm, r,
			     region_page(r, pc->addr[i]))) == pc->block[i])
		evict_put_back(p, c, pc->addr[i], parcel_page(pc, i));
}

/* => false: page i can neither be stored nor go back now */
static bool
settle_one(struct pager *p, struct parcel *pc, uint32_t i)
{
	int r = store_one(p, pc, i);

	if (r == 0 || r == -EAGAIN)
		return r == 0;
	store_full(p, pc);
	put_back(p, pc, i);
	return pc->block[i] == 0;
}

/* => whoever waits for it goes on */
static void
parcel_done(struct pager *p, struct parcel *pc)
{
	struct client *c = client_get(p, pc->space);

	TAILQ_REMOVE(&p->parcels.ready, pc, entry);
	parcel_free(p, pc);
	if (--p->parcels.nmoving == 0)
		p->parcels.clear_us = now_us(p) + CLEAR_US;
	if (c == NULL)
		return;
	if (c->batch.parcel == pc)
		c->batch.parcel = NULL;
	client_set_busy(p, c);
	client_publish(p, c);
}

static void
store_slice(struct pager *p, struct parcel *pc)
{
	for (uint32_t n = 0; pc->next < pc->npages && n < SLICE; pc->next++) {
		if (pc->block[pc->next] == 0)
			continue;
		if (!settle_one(p, pc, pc->next))
			return;
		n++;
	}
	if (pc->next == pc->npages)
		parcel_done(p, pc);
}

static void
clear(struct pager *p)
{
	struct parcels *ps = &p->parcels;

	/* The fault thread has locked all that it uses. */
	(void)madvise(ps->pages, ps->high * PAGES_BYTES, MADV_DONTNEED_LOCKED);
	(void)madvise(ps->room, ps->high * ROOM_BYTES, MADV_DONTNEED_LOCKED);
	ps->clear_us = UINT64_MAX;
}

/* => the first that its stack takes something of; or NULL, and *at: when */
static struct parcel *
next_ready(struct pager *p, uint64_t *at)
{
	struct parcel *pc;

	*at = UINT64_MAX;
	TAILQ_FOREACH(pc, &p->parcels.ready, entry) {
		uint64_t until = stores_full_until(p, pc->stack);

		if (until == 0 && !stores_later(p, pc->stack))
			return pc;
		if (until != 0)
			*at = earlier(*at, until);
	}
	return NULL;
}

uint64_t
parcels_step(struct pager *p)
{
	struct parcels *ps = &p->parcels;
	uint64_t at;
	struct parcel *pc = next_ready(p, &at);

	if (pc != NULL) {
		store_slice(p, pc);
		return now_us(p);
	}
	if (ps->clear_us <= now_us(p))
		clear(p);
	return earlier(at, ps->clear_us);
}

bool
parcels_moving(struct pager *p, const struct group *g)
{
	return p->parcels.nmoving > 0 &&
	       stores_full_until(p, g->rec->stack) == 0;
}

void
parcels_forget_group(struct pager *p, const struct group *g)
{
	for (uint32_t i = 0; i < p->parcels.high; i++)
		if (p->parcels.all[i].group == g)
			p->parcels.all[i].group = NULL;
}
