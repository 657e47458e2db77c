/*
 * evict.c: out of a client, into the store
 *
 *	pick (reclaim.c)
 *	  --> MOVE: the agent takes the pages out, one atomic step each
 *	  --> MOVED: the bytes are read from its staging area; slots are OUT,
 *	      their blocks STAGED
 *	  --> stored in slices: blocks are STORED, or give way to one that is
 *	      and has the same bytes (dedup.c)
 *	  --> EMPTY: the staging area is dropped (with the next MOVE, or alone)
 *
 * While the agent moves pages the client's userfaultfd is not read.  An event
 * that starts meanwhile makes MOVE fail with EAGAIN, and stays unread; so
 * whatever was captured was captured before any event that is still to come,
 * and MOVED can be applied to the model as it stands.
 *
 * Pages that MOVE refuses as busy are shared after a fork, or pinned for I/O.
 * Only in a space that has relatives is the first likely: then the agent makes
 * them its own (UNSHARE) and they are moved again.  A pinned page stays.
 *
 * When the store is full, captured pages go back to where they were.
 *
 * What the kernel does not move, drop.c has dropped.
 */
#include "evict.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "agent.h"
#include "assert.h"
#include "backend.h"
#include "budget.h"
#include "client.h"
#include "dedup.h"
#include "drop.h"
#include "hold.h"
#include "peer.h"
#include "planes.h"
#include "reclaim.h"
#include "uffd.h"
#include "zero.h"

#define STORE_SLICE 16
#define FULL_US 100000 /* the store is full: try again after */
#define UNSHARE_PAGES 32u

uint64_t
evict_where(const struct pager *p, const struct client *c, uint32_t i)
{
	return where_make(WHERE_STAGED, 0,
	    (uint64_t)(c - p->clients) << 16 | i);
}

static struct client *
staged_client(struct pager *p, uint64_t where, uint32_t *i)
{
	*i = (uint32_t)where_data(where) & 0xffff;
	return &p->clients[where_data(where) >> 16];
}

const uint8_t *
evict_staged(struct pager *p, uint64_t where)
{
	uint32_t i;
	struct client *c = staged_client(p, where, &i);

	return batch_page(p, c, i);
}

void
evict_unstage(struct pager *p, uint64_t where)
{
	uint32_t i;
	struct client *c = staged_client(p, where, &i);

	ASSERT(c->batch.block[i] != 0);
	c->batch.block[i] = 0;
}

uint32_t
evict_add_page(uint64_t *runs, uint32_t n, uint32_t max, uint64_t addr)
{
	uint64_t *last = n > 0 ? &runs[n - 1] : NULL;

	if (last != NULL &&
	    PAGERD_RUN_ADDR(*last) + PAGERD_RUN_PAGES(*last) * PAGE_BYTES ==
		addr)
		++*last;
	else if (n < max)
		runs[n++] = PAGERD_RUN(addr, 1);
	return n;
}

int
evict_send_runs(struct pager *p, struct client *c, enum pagerd_msg_type type,
    const uint64_t *runs, uint32_t nruns)
{
	struct batch *b = &c->batch;
	struct pagerd_msg_move m = {
		.hdr = { .version = PAGERD_PROTOCOL_VERSION,
		    .type = (uint16_t)type,
		    .size = (uint32_t)PAGERD_MOVE_SIZE(nruns) },
		.seq = ++b->seq,
		.nruns = nruns,
	};

	if (type == PAGERD_MSG_MOVE && (b->staged > 0 || b->dirty)) {
		m.flags = PAGERD_MOVE_EMPTY_FIRST;
		b->dirty = false;
	}
	for (uint32_t i = 0; i < nruns; i++)
		m.npages += PAGERD_RUN_PAGES(runs[i]);
	memcpy(m.runs, runs, nruns * sizeof(runs[0]));
	b->sent_us = now_us(p);
	return agent_send(c->sock, &m, m.hdr.size, -1);
}

static uint32_t
send_move(struct pager *p, struct client *c, const uint64_t *runs,
    uint32_t nruns)
{
	struct batch *b = &c->batch;

	if (evict_send_runs(p, c, PAGERD_MSG_MOVE, runs, nruns) < 0)
		return 0;
	b->npages = 0;
	for (uint32_t i = 0; i < nruns; i++)
		for (uint32_t k = 0; k < PAGERD_RUN_PAGES(runs[i]); k++)
			b->addr[b->npages++] =
			    PAGERD_RUN_ADDR(runs[i]) + k * PAGE_BYTES;
	b->state = BATCH_MOVING;
	p->moving += b->npages;
	b->unshared = false;
	count(p, C_moves, 1);
	client_set_busy(p, c);
	return b->npages;
}

/*
 * What was refused as busy, as far as it is still there: mappings change while
 * other things than MOVE are under way.
 *
 * => number of runs
 */
static uint32_t
shared_runs(struct pager *p, struct client *c, uint64_t *runs)
{
	struct batch *b = &c->batch;
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->nshared; i++)
		for (uint32_t k = 0; k < PAGERD_RUN_PAGES(b->shared[i]); k++) {
			uint64_t addr =
			    PAGERD_RUN_ADDR(b->shared[i]) + k * PAGE_BYTES;
			struct region *r = space_find(c->space, addr);

			if (r != NULL &&
			    slot_state(region_slot(&p->vm, r,
				region_page(r, addr))) == SLOT_RESIDENT)
				n = evict_add_page(runs, n, UNSHARE_PAGES,
				    addr);
		}
	return n;
}

/*
 * The agent is about to write to these pages, so to speak: it must not fault,
 * for it would wait for room that only it can make.
 */
static int
unprotect_run(struct pager *p, struct client *c, uint64_t run)
{
	uint64_t addr = PAGERD_RUN_ADDR(run), n = PAGERD_RUN_PAGES(run);
	int rc = uffd_protect(c->uffd, addr, n * PAGE_BYTES, false);

	if (rc < 0)
		return rc;
	for (uint64_t i = 0; i < n; i++, addr += PAGE_BYTES) {
		struct region *r = space_find(c->space, addr);

		region_resident(&p->vm, r, region_page(r, addr));
	}
	return 0;
}

/* => pages sent for, each of which will become two */
static uint32_t
send_unshare(struct pager *p, struct client *c)
{
	struct batch *b = &c->batch;
	uint64_t runs[UNSHARE_PAGES];

	b->nshared = shared_runs(p, c, runs);
	memcpy(b->shared, runs, b->nshared * sizeof(runs[0]));
	b->npages = 0;
	for (uint32_t i = 0; i < b->nshared; i++) {
		if (unprotect_run(p, c, runs[i]) < 0)
			return 0;
		b->npages += PAGERD_RUN_PAGES(runs[i]);
	}
	if (b->nshared == 0 || evict_send_runs(p, c, PAGERD_MSG_UNSHARE,
				   b->shared, b->nshared) < 0)
		return 0;
	b->state = BATCH_UNSHARING;
	atomic_fetch_add(&budget_of(p, c->space->group)->gauge.parted_pages,
	    b->npages);
	count(p, C_unshares, b->npages);
	client_set_busy(p, c);
	return b->npages;
}

static void
send_empty(struct pager *p, struct client *c)
{
	struct batch *b = &c->batch;
	struct pagerd_msg_empty m = {
		.hdr = { .version = PAGERD_PROTOCOL_VERSION,
		    .type = PAGERD_MSG_EMPTY,
		    .size = sizeof(m) },
		.seq = ++b->seq,
	};

	b->sent_us = now_us(p);
	if (agent_send(c->sock, &m, sizeof(m), -1) == 0)
		b->state = BATCH_EMPTYING;
}

/* Any request would do; EMPTY does nothing else as long as there was none. */
void
evict_alert(struct pager *p, struct client *c)
{
	if (client_has_agent(c) && c->batch.state == BATCH_IDLE &&
	    c->batch.seq == 0)
		send_empty(p, c);
}

/* Whatever is captured must find a block. */
static bool
blocks_left(const struct pager *p)
{
	const struct table *t = &p->vm.blocks;

	return t->capacity - t->used > p->moving + BATCH_PAGES;
}

uint32_t
evict_start(struct pager *p, struct client *c, uint32_t want)
{
	struct victim victims[BATCH_PAGES];
	uint64_t runs[BATCH_PAGES];
	uint32_t n, npages;
	enum way way;

	if (!client_has_agent(c) || c->batch.state != BATCH_IDLE || want == 0 ||
	    c->batch.given_up || c->waited_for || c->unverified ||
	    c->hold != NULL || now_us(p) < p->full_us || !blocks_left(p))
		return 0;
	if (c->batch.nshared > 0)
		return send_unshare(p, c);
	n = reclaim_pick(&p->vm, c->space, want, victims, BATCH_PAGES, &npages,
	    &way);
	if (n == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		runs[i] = PAGERD_RUN(victims[i].addr, victims[i].npages);
	return way == WAY_DROP ? drop_start(p, c, runs, n)
			       : send_move(p, c, runs, n);
}

/* => false: the page could not be put back now */
static bool
put_back(struct pager *p, struct client *c, uint32_t i)
{
	uint64_t addr = c->batch.addr[i];
	struct region *r = space_find(c->space, addr);
	int rc;

	if (r == NULL)
		return false;
	if (slot_clean(region_slot(&p->vm, r, region_page(r, addr))))
		rc = uffd_protect(c->uffd, addr, PAGE_BYTES, false);
	else
		rc = (int)uffd_copy(c->uffd, addr, batch_page(p, c, i),
		    PAGE_BYTES, 0);
	if (rc < 0)
		return false;
	region_resident(&p->vm, r, region_page(r, addr));
	return true;
}

static void
captured_dirty(struct pager *p, struct client *c, struct region *r,
    uint64_t page, uint32_t i)
{
	struct batch *b = &c->batch;
	uint32_t block;

	if (all_zero(batch_page(p, c, i), PAGE_BYTES)) {
		region_forget(&p->vm, r, page);
		count(p, C_evictions_zero, 1);
		return;
	}
	if (physblock_new(&p->vm, evict_where(p, c, i), &block) < 0)
		ASSERT(!"blocks were left when the batch was sent");
	b->block[i] = block;
	region_out(&p->vm, r, page, block);
	count(p, C_evictions_dirty, 1);
}

static void
captured(struct pager *p, struct client *c, uint32_t i)
{
	uint64_t addr = c->batch.addr[i];
	struct region *r = space_find(c->space, addr);
	uint64_t page;

	ASSERT(r != NULL);
	page = region_page(r, addr);
	if (slot_clean(region_slot(&p->vm, r, page))) {
		region_out(&p->vm, r, page, 0);
		count(p, C_evictions_clean, 1);
	} else {
		captured_dirty(p, c, r, page, i);
	}
	budget_of(p, c->space->group)->stuck_gap_us = 0;
	budget_of(p, c->space->group)->futile = 0;
	c->evicted++;
	budget_of(p, c->space->group)->evicted++;
}

/* The page was not there: the program let go of it (MADV_FREE). */
static void
captured_hole(struct pager *p, struct client *c, uint32_t i)
{
	uint64_t addr = c->batch.addr[i];
	struct region *r = space_find(c->space, addr);

	if (r != NULL)
		region_forget(&p->vm, r, region_page(r, addr));
}

static void
refused(struct pager *p, struct client *c, uint32_t i, uint8_t error)
{
	uint64_t addr = c->batch.addr[i];
	struct region *r = space_find(c->space, addr);

	if (error == EAGAIN) {
		count(p, C_moves_again, 1);
		return;
	}
	if (error == EBUSY)
		count(p, C_moves_busy, 1);
	if (error == EBUSY && c->relatives && !c->batch.unshared)
		c->batch.nshared = evict_add_page(c->batch.shared,
		    c->batch.nshared, UNSHARE_PAGES, addr);
	if (r != NULL)
		region_restamp(&p->vm, r, region_page(r, addr));
}

/* => which of the first n pages of the staging area hold something */
static int
staging_read(struct pager *p, struct client *c, uint32_t n, uint8_t *flags)
{
	uint64_t stage = c->space->rec->stage_start;
	uint32_t i = 0, end;
	int r;

	r = peer_pages(c->pagemap, stage, n, flags);
	for (; r == 0 && i < n; i = end + 1) {
		while (i < n && !(flags[i] & (PEER_PRESENT | PEER_SWAPPED)))
			i++;
		for (end = i;
		     end < n && flags[end] & (PEER_PRESENT | PEER_SWAPPED);
		     end++)
			;
		if (end > i)
			r = peer_read(c->mem, stage + i * PAGE_BYTES,
			    batch_page(p, c, i), (end - i) * PAGE_BYTES);
	}
	return r;
}

static void
set_staged(struct pager *p, struct client *c, uint32_t n)
{
	struct budget *b = budget_of(p, c->space->group);

	b->staged = b->staged - c->batch.staged + n;
	c->batch.staged = n;
}

/*
 * => the outcome of a batch, from the agent's status of each page (0, or why
 *    it was not moved) and from what its staging area holds
 */
static int
apply_moved(struct pager *p, struct client *c, const uint8_t *status)
{
	struct batch *b = &c->batch;
	uint8_t flags[BATCH_PAGES];
	uint32_t n = 0;

	if (staging_read(p, c, b->npages, flags) < 0)
		return -ESRCH;
	p->moving -= b->npages;
	b->nshared = 0;
	for (uint32_t i = 0; i < b->npages; i++) {
		bool there = flags[i] & (PEER_PRESENT | PEER_SWAPPED);

		b->block[i] = 0;
		/* Something else may stand in its place (EEXIST). */
		if (status[i] == 0 && there)
			captured(p, c, i);
		else if (status[i] == 0)
			captured_hole(p, c, i);
		else
			refused(p, c, i, status[i]);
		n += there;
	}
	set_staged(p, c, n);
	if (n == 0 && b->nshared == 0)
		budget_futile(p, c->space->group, b->npages);
	b->next = 0;
	b->state = BATCH_STORING;
	client_publish(p, c);
	return 0;
}

/*
 * Nobody says: it was if it is in staging and not where it came from (what the
 * batch before has left in staging is not this page).
 */
static bool
was_moved(const struct client *c, uint32_t i, uint8_t staged)
{
	const uint8_t there = PEER_PRESENT | PEER_SWAPPED;
	uint8_t left;

	return staged & there &&
	       peer_pages(c->pagemap, c->batch.addr[i], 1, &left) == 0 &&
	       !(left & there);
}

void
evict_lose_agent(struct pager *p, struct client *c)
{
	struct batch *b = &c->batch;
	uint8_t flags[BATCH_PAGES], status[BATCH_PAGES];

	b->nshared = 0;
	if (b->state == BATCH_MOVING &&
	    staging_read(p, c, b->npages, flags) == 0) {
		for (uint32_t i = 0; i < b->npages; i++)
			status[i] = was_moved(c, i, flags[i]) ? 0 : EAGAIN;
		(void)apply_moved(p, c, status);
		b->nshared = 0;
	} else if (b->state == BATCH_DROPPING) {
		drop_done(p, c);
	} else if (b->state != BATCH_STORING && b->state != BATCH_KEEPING) {
		if (b->state == BATCH_MOVING)
			p->moving -= b->npages;
		b->state = BATCH_IDLE;
	}
}

void
evict_clear_buffer(struct pager *p, const struct client *c)
{
	(void)madvise(batch_page(p, c, 0), BATCH_PAGES * PAGE_BYTES,
	    MADV_DONTNEED);
}

static int
done(struct pager *p, struct client *c, int result)
{
	struct batch *b = &c->batch;
	enum batch_state was = b->state;
	uint64_t runs[UNSHARE_PAGES];
	uint32_t n;

	if (was == BATCH_DROPPING) {
		drop_done(p, c);
		return 0;
	}
	b->state = BATCH_IDLE;
	if (was == BATCH_EMPTYING) {
		set_staged(p, c, 0);
		evict_clear_buffer(p, c);
		return 0;
	}
	if (was == BATCH_HOLDING) {
		hold_done(p, c, result);
		return 0;
	}
	if (was != BATCH_UNSHARING)
		return -EPROTO;
	n = shared_runs(p, c, runs);
	b->nshared = 0;
	if (n > 0 && send_move(p, c, runs, n) > 0)
		b->unshared = true;
	return 0;
}

int
evict_reply(struct pager *p, struct client *c, const void *packet, size_t n)
{
	const struct pagerd_msg *hdr = packet;
	const struct pagerd_msg_moved *m = packet;
	const struct pagerd_msg_done *d = packet;

	if (n < sizeof(*hdr) || hdr->size != n ||
	    hdr->version != PAGERD_PROTOCOL_VERSION)
		return -EPROTO;
	if (c->batch.given_up)
		return 0;
	if (hdr->type == PAGERD_MSG_MOVED && n == sizeof(*m) &&
	    c->batch.state == BATCH_MOVING && m->seq == c->batch.seq &&
	    m->npages == c->batch.npages)
		return apply_moved(p, c, m->status);
	if (hdr->type == PAGERD_MSG_DONE && n == sizeof(*d) &&
	    d->seq == c->batch.seq)
		return done(p, c, d->result);
	return -EPROTO;
}

static void
store_full(struct pager *p, const struct client *c)
{
	struct notice *n;

	count(p, C_store_full, 1);
	if (p->full_us == 0) {
		n = planes_notice(p->planes, NOTICE_STORE_FULL);
		if (n != NULL) {
			n->group = c->space->group->index;
			planes_notify(p->planes, n);
		}
	}
	p->full_us = now_us(p) + FULL_US;
}

static int
store_one(struct pager *p, struct client *c, struct group *g, uint32_t i)
{
	uint32_t block = c->batch.block[i], tag = dedup_tag(p, c, i);
	uint64_t handle, before = budget_stored(p);
	int r;

	if (dedup_share(p, c, i, tag)) {
		budget_put(p, g, before);
		return 0;
	}
	r = backend_store(p->store, batch_page(p, c, i), &handle);
	if (r == 0) {
		physblock_move(&p->vm, block,
		    where_make(WHERE_STORED, 0, handle));
		dedup_stored(p, block, tag);
		budget_put(p, g, before);
		c->batch.block[i] = 0;
	} else {
		count(p, r == -ENOSPC ? C_store_full : C_store_errors, 1);
	}
	return r;
}

/*
 * What the store refuses goes back to the client.  A page that cannot (its
 * mapping moved, or a fork shares it) stays STAGED, readable from the buffer,
 * until the store takes it.
 */
static int
store_or_put_back(struct pager *p, struct client *c, uint32_t i)
{
	struct region *r = space_find(c->space, c->batch.addr[i]);
	uint32_t block = c->batch.block[i];
	int rc = store_one(p, c, c->space->group, i);

	if (rc == 0)
		return 0;
	store_full(p, c);
	if (r != NULL && slot_block(region_slot(&p->vm, r,
			     region_page(r, c->batch.addr[i]))) == block)
		(void)put_back(p, c, i);
	return c->batch.block[i] == 0 ? 0 : rc;
}

static uint64_t
store_slice(struct pager *p, struct client *c)
{
	struct batch *b = &c->batch;
	uint32_t stored = 0;

	for (; b->next < b->npages && stored < STORE_SLICE; b->next++) {
		if (b->block[b->next] == 0)
			continue;
		if (store_or_put_back(p, c, b->next) < 0)
			return now_us(p) + FULL_US;
		stored++;
	}
	if (b->next == b->npages && b->state == BATCH_KEEPING)
		drop_kept(p, c);
	else if (b->next == b->npages)
		b->state = BATCH_IDLE;
	client_publish(p, c);
	return 0;
}

uint64_t
evict_step(struct pager *p, struct client *c)
{
	if (c->batch.state == BATCH_STORING || c->batch.state == BATCH_KEEPING)
		return store_slice(p, c);
	if (c->batch.state == BATCH_DROPPING)
		return drop_step(p, c);
	if (c->batch.state == BATCH_IDLE && c->batch.staged > 0 &&
	    client_has_agent(c) && !c->batch.given_up)
		send_empty(p, c);
	return UINT64_MAX;
}

void
evict_abandon(struct pager *p, struct client *c, struct group *g)
{
	struct batch *b = &c->batch;

	budget_of(p, g)->staged -= b->staged;
	b->staged = 0;
	if (b->state == BATCH_MOVING)
		p->moving -= b->npages;
	if (b->state != BATCH_STORING && b->state != BATCH_KEEPING)
		return;
	for (uint32_t i = b->next; i < b->npages; i++)
		if (b->block[i] != 0 && store_one(p, c, g, i) < 0)
			physblock_move(&p->vm, b->block[i],
			    where_make(WHERE_LOST, 0, 0));
	b->state = BATCH_IDLE;
}
