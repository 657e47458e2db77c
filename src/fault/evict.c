/*
 * evict.c: out of a client, into the store
 *
 *	pick (reclaim.c)
 *	  --> MOVE: the agent takes the pages out, one atomic step each
 *	  --> MOVED: slots are OUT, their blocks STAGED in a parcel
 *	  --> read from staging, packed, stored (parcel.c): blocks are STORED,
 *or give way to one that is and has the same bytes (dedup.c)
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
#define UNSHARE_PAGES 32u
/*
 * A thread changes mappings: it must run, to be done with that, and needs the
 * CPU on which its agent would try in vain.
 */
#define AGAIN_MIN_US 50
#define AGAIN_MAX_US 400

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

static void
set_staged(struct pager *p, struct client *c, uint32_t n)
{
	struct budget *b = budget_of(p, c->space->group);

	b->staged = b->staged - c->batch.staged + n;
	c->batch.staged = n;
}

int
evict_stage_fault(struct pager *p, struct client *c, uint64_t addr)
{
	ssize_t n = uffd_copy(c->uffd, addr, p->zeros, PAGE_BYTES, 0);

	c->batch.dirty = true;
	if (n == -EAGAIN || n == -ESRCH)
		return (int)n;
	return n < 0 ? uffd_wake(c->uffd, addr, PAGE_BYTES) : 0;
}

/* => from now on, or not any longer: when is the agent's to say */
static void
set_emptying(struct client *c, bool on)
{
	uint32_t n =
	    atomic_load_explicit(&c->gauge->emptying, memory_order_relaxed);

	if ((n & 1) != on)
		atomic_store(&c->gauge->emptying, n + 1);
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
		set_emptying(c, true);
		set_staged(p, c, 0);
		client_publish(p, c);
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
	struct parcel *pc = parcel_new(p, c);

	if (pc == NULL)
		return 0;
	if (evict_send_runs(p, c, PAGERD_MSG_MOVE, runs, nruns) < 0) {
		parcel_free(p, pc);
		return 0;
	}
	b->parcel = pc;
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
	set_emptying(c, true);
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

/* What is in staging must have been read before it is filled again. */
static bool
evict_is_idle(const struct client *c)
{
	const struct batch *b = &c->batch;

	return b->state == BATCH_IDLE &&
	       (b->parcel == NULL || parcel_is_read(b->parcel));
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

	if (!client_has_agent(c) || !evict_is_idle(c) || want == 0 ||
	    c->batch.given_up || c->waited_for || c->unverified ||
	    c->hold != NULL ||
	    stores_full_until(p, c->space->group->rec->stack) != 0 ||
	    now_us(p) < c->batch.again_us || !blocks_left(p) ||
	    !parcels_left(p))
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

void
evict_put_back(struct pager *p, struct client *c, uint64_t addr,
    const uint8_t *bytes)
{
	struct region *r = space_find(c->space, addr);
	int rc;

	if (slot_clean(region_slot(&p->vm, r, region_page(r, addr))))
		rc = uffd_protect(c->uffd, addr, PAGE_BYTES, false);
	else
		rc = (int)uffd_copy(c->uffd, addr, bytes, PAGE_BYTES, 0);
	if (rc >= 0)
		region_resident(&p->vm, r, region_page(r, addr));
}

static void
captured_dirty(struct pager *p, struct client *c, struct region *r,
    uint64_t page, uint32_t i)
{
	struct parcel *pc = c->batch.parcel;
	uint32_t block;

	if (physblock_new(&p->vm, parcel_where(p, pc, i), &block) < 0)
		ASSERT(!"blocks were left when the batch was sent");
	parcel_add(pc, i, c->batch.addr[i], block);
	region_out(&p->vm, r, page, block);
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
		habit_left(&r->habit);
		count(p, C_evictions_clean, 1);
	} else {
		captured_dirty(p, c, r, page, i);
	}
	budget_of(p, c->space->group)->stuck_gap_us = 0;
	budget_of(p, c->space->group)->futile = 0;
	c->evicted++;
	budget_of(p, c->space->group)->evicted++;
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

/*
 * It was if it is in staging and not where it came from: what was in staging
 * before is not this page.
 */
static bool
was_moved(const struct client *c, uint32_t i)
{
	const uint8_t there = PEER_PRESENT | PEER_SWAPPED;
	uint64_t stage = c->space->rec->stage_start + i * PAGE_BYTES;
	uint8_t staged, left;

	return peer_pages(c->pagemap, stage, 1, &staged) == 0 &&
	       staged & there &&
	       peer_pages(c->pagemap, c->batch.addr[i], 1, &left) == 0 &&
	       !(left & there);
}

/*
 * Linux 6.18 moves pages and says EEXIST: once an attempt within the call has
 * met an entry that just changed (EAGAIN), it takes what it moves next for not
 * moved, tries it once more, and finds it in the way.  Seen with threads that
 * touch pages on another CPU.
 *
 * => page i was captured
 */
static bool
is_captured(struct pager *p, const struct client *c, uint32_t i, uint8_t status)
{
	if (status != EEXIST || !was_moved(c, i))
		return status == 0;
	count(p, C_moves_unsaid, 1);
	return true;
}

static void
back_off(struct pager *p, struct batch *b, bool vain)
{
	if (!vain)
		b->again_gap_us = 0;
	else if (b->again_gap_us == 0)
		b->again_gap_us = AGAIN_MIN_US;
	else if (b->again_gap_us < AGAIN_MAX_US)
		b->again_gap_us *= 2;
	b->again_us = vain ? now_us(p) + b->again_gap_us : 0;
}

/* => the outcome of a batch, from the agent's status of each page */
static void
apply_moved(struct pager *p, struct client *c, const uint8_t *status)
{
	struct batch *b = &c->batch;
	uint32_t n = 0, again = 0;

	p->moving -= b->npages;
	b->nshared = 0;
	for (uint32_t i = 0; i < b->npages; i++) {
		if (is_captured(p, c, i, status[i]))
			captured(p, c, i);
		else
			refused(p, c, i, status[i]);
		n += status[i] == 0 || status[i] == EEXIST;
		again += status[i] == EAGAIN;
	}
	set_staged(p, c, n);
	back_off(p, b, n == 0 && again > 0);
	if (n == 0 && b->nshared == 0)
		budget_futile(p, c->space->group, b->npages - again);
	if (!parcel_send(p, b->parcel, c))
		b->parcel = NULL;
	b->state = BATCH_IDLE;
	c->follow.done_us = now_us(p);
	client_publish(p, c);
	set_emptying(c, false);
}

/* => the batch is over; what its parcel has been given goes on by itself */
static void
batch_end(struct pager *p, struct client *c)
{
	struct batch *b = &c->batch;

	set_emptying(c, false);
	if (b->state == BATCH_MOVING) {
		p->moving -= b->npages;
		parcel_free(p, b->parcel);
		b->parcel = NULL;
	}
	b->state = BATCH_IDLE;
}

void
evict_lose_agent(struct pager *p, struct client *c)
{
	struct batch *b = &c->batch;
	uint8_t status[BATCH_PAGES], flags;

	b->nshared = 0;
	/* Nobody says which pages were moved. */
	if (b->state == BATCH_MOVING &&
	    peer_pages(c->pagemap, c->space->rec->stage_start, 1, &flags) ==
		0) {
		for (uint32_t i = 0; i < b->npages; i++)
			status[i] = was_moved(c, i) ? 0 : EAGAIN;
		apply_moved(p, c, status);
		b->nshared = 0;
	} else if (b->state == BATCH_DROPPING) {
		drop_done(p, c);
	} else if (b->state != BATCH_KEEPING) {
		batch_end(p, c);
	}
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
		client_publish(p, c);
		set_emptying(c, false);
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
	    m->npages == c->batch.npages) {
		apply_moved(p, c, m->status);
		return 0;
	}
	if (hdr->type == PAGERD_MSG_DONE && n == sizeof(*d) &&
	    d->seq == c->batch.seq)
		return done(p, c, d->result);
	return -EPROTO;
}

uint64_t
evict_step(struct pager *p, struct client *c)
{
	uint64_t at;

	if (evict_is_idle(c) && c->batch.staged > 0 && client_has_agent(c) &&
	    !c->batch.given_up)
		send_empty(p, c);
	at = drop_step(p, c);
	if (c->batch.again_us > now_us(p) && c->batch.again_us < at)
		at = c->batch.again_us;
	return at;
}

void
evict_abandon(struct pager *p, struct client *c, struct group *g)
{
	struct batch *b = &c->batch;

	budget_of(p, g)->staged -= b->staged;
	b->staged = 0;
	batch_end(p, c);
	b->parcel = NULL;
}
