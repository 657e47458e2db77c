/*
 * drop.c: pages that the kernel does not move, out of a client
 *
 *	pick (reclaim.c)
 *	  --> write-protected, read from the client: slots are clean, their
 *	      blocks STAGED
 *	  --> stored (parcel.c)
 *	  --> DROP: the agent remaps what is clean into its area
 *	  --> DONE: what is clean and not there any more is OUT
 *
 * A clean page may vanish at any moment: its block has its bytes, and its next
 * fault brings them back.  So nothing depends on when the agent drops a page:
 * a fork in the middle gives the child clean slots, whichever of its pages are
 * there; what the program throws away is forgotten as ever; and when the agent
 * dies, what it has not dropped is still there.
 *
 * Only what makes a page dirty must wait until it is certain that it will not
 * be dropped any more: faults in pages that are being dropped (drop_has).
 *
 * Remapping causes an event that is read like all others (the agent waits for
 * that) and recognised by where the pages go.
 *
 * The agent takes what is mapped at an address, whatever that is by then.  In
 * the arena nothing comes to be mapped but with our consent, and we give none
 * meanwhile; pages of clones that were remapped out of it stay.
 *
 * Pages that are pinned for I/O are not told apart: who reads into a clone with
 * O_DIRECT has to pin it (PAGERD_PIN), as with shared memory.
 */
#include "drop.h"

#include <errno.h>

#include "assert.h"
#include "budget.h"
#include "client.h"
#include "evict.h"
#include "peer.h"
#include "uffd.h"

#define RETRY_US 50 /* mappings are changing */

static bool
is_dropping(const struct client *c)
{
	return c->batch.state == BATCH_DROPPING;
}

bool
drop_has(const struct client *c, uint64_t addr)
{
	const struct batch *b = &c->batch;

	if (!is_dropping(c))
		return false;
	for (uint32_t i = 0; i < b->npages; i++)
		if (b->addr[i] == addr)
			return true;
	return false;
}

/* => the region of a page that can be dropped, or NULL */
static struct region *
region_of(struct client *c, uint64_t addr)
{
	struct region *r = space_find(c->space, addr);

	if (r == NULL || r->memtype->way != WAY_DROP || addr < c->arena_start ||
	    addr >= c->arena_end)
		return NULL;
	return r;
}

/* => page i of the batch in *r; its slot, 0: it is not to go (any more) */
static uint64_t
slot_of(struct pager *p, struct client *c, uint32_t i, struct region **r)
{
	uint64_t addr = c->batch.addr[i];

	*r = region_of(c, addr);
	return *r != NULL ? region_slot(&p->vm, *r, region_page(*r, addr)) : 0;
}

/* => n pages from i on lie side by side */
static uint32_t
side_by_side(const struct batch *b, uint32_t i)
{
	uint32_t n = 1;

	while (i + n < b->npages &&
	       b->addr[i + n] == b->addr[i] + n * PAGE_BYTES)
		n++;
	return n;
}

/* => the pages of a run that can be dropped are in the batch */
static void
add_run(struct pager *p, struct client *c, uint64_t run)
{
	struct batch *b = &c->batch;
	uint64_t addr = PAGERD_RUN_ADDR(run), n = PAGERD_RUN_PAGES(run);

	for (; n > 0; n--, addr += PAGE_BYTES) {
		struct region *r = region_of(c, addr);

		if (r == NULL)
			continue;
		b->copied[b->npages] =
		    !slot_clean(region_slot(&p->vm, r, region_page(r, addr)));
		b->addr[b->npages++] = addr;
	}
}

/* => from page i on, those side by side that have no copy yet */
static uint32_t
dirty_run(const struct batch *b, uint32_t i)
{
	uint32_t n = 0, end = side_by_side(b, i);

	while (n < end && b->copied[i + n])
		n++;
	return n;
}

/* => nobody writes to pages [i, i + n) of the batch from now on */
static int
protect(struct pager *p, struct client *c, uint32_t i, uint32_t n)
{
	struct batch *b = &c->batch;
	int rc = uffd_protect(c->uffd, b->addr[i], n * PAGE_BYTES, true);

	for (; rc == 0 && n > 0; i++, n--) {
		struct region *r;

		if (slot_of(p, c, i, &r) != 0)
			region_protect_page(&p->vm, r,
			    region_page(r, b->addr[i]));
	}
	return rc;
}

/* => their bytes are in the parcel; copied is false of one that is not there */
static int
read_pages(struct client *c, uint32_t i, uint32_t n)
{
	struct batch *b = &c->batch;
	int rc = peer_read(c->mem, b->addr[i], parcel_page(b->parcel, i),
	    n * PAGE_BYTES);

	for (; rc == -EIO && n > 0; i++, n--) {
		int one = peer_read(c->mem, b->addr[i],
		    parcel_page(b->parcel, i), PAGE_BYTES);

		if (one < 0 && one != -EIO)
			return one;
		b->copied[i] = one == 0;
	}
	return rc == -EIO ? 0 : rc;
}

/* => what has no copy is in the parcel, and will not be written; or -errno */
static int
capture(struct pager *p, struct client *c)
{
	uint32_t i = 0;
	int rc = 0;

	while (rc == 0 && i < c->batch.npages) {
		uint32_t n = dirty_run(&c->batch, i);

		if (n > 0)
			rc = protect(p, c, i, n);
		if (n > 0 && rc == 0)
			rc = read_pages(c, i, n);
		i += n > 0 ? n : 1;
	}
	return rc == 0 && client_settled(c) != 0 ? -EAGAIN : rc;
}

/* Of a page that turned out not to be there, the object's is what it reads. */
static void
keep(struct pager *p, struct client *c, uint32_t i)
{
	struct batch *b = &c->batch;
	struct region *r;
	uint64_t slot = slot_of(p, c, i, &r);
	uint32_t block;

	if (slot_clean(slot) || slot_state(slot) != SLOT_RESIDENT)
		return;
	if (!b->copied[i]) {
		region_forget(&p->vm, r, region_page(r, b->addr[i]));
		return;
	}
	if (physblock_new(&p->vm, parcel_where(p, b->parcel, i), &block) < 0)
		ASSERT(!"blocks were left when the batch was begun");
	parcel_add(b->parcel, i, b->addr[i], block);
	region_kept(&p->vm, r, region_page(r, b->addr[i]), block);
}

/* => pages that are in the batch now; 0: none, and there is no batch */
static uint32_t
fill_batch(struct pager *p, struct client *c, const uint64_t *runs,
    uint32_t nruns)
{
	struct batch *b = &c->batch;
	uint32_t n;
	int rc;

	b->npages = 0;
	for (uint32_t i = 0; i < nruns; i++)
		add_run(p, c, runs[i]);
	n = b->npages;
	rc = n > 0 ? capture(p, c) : -ENOENT;
	if (rc < 0 && rc != -EAGAIN)
		return 0;
	/* Mappings are changing: nothing is wrong with these, only not now. */
	if (rc == -EAGAIN)
		b->npages = 0;
	for (uint32_t i = 0; i < b->npages; i++)
		keep(p, c, i);
	return n;
}

/* What is clean by now, and has its bytes in the store, may go. */
static void
drop_kept(struct pager *p, struct client *c)
{
	struct batch *b = &c->batch;
	uint64_t runs[BATCH_PAGES];
	uint32_t n = 0;

	b->state = BATCH_IDLE;
	for (uint32_t i = 0; i < b->npages; i++) {
		struct region *r;

		if (slot_clean(slot_of(p, c, i, &r)))
			n = evict_add_page(runs, n, BATCH_PAGES, b->addr[i]);
	}
	if (n == 0 || !client_has_agent(c) || p->stop != NULL ||
	    evict_send_runs(p, c, PAGERD_MSG_DROP, runs, n) < 0)
		return;
	count(p, C_drops, 1);
	b->answered = false;
	b->state = BATCH_DROPPING;
}

uint32_t
drop_start(struct pager *p, struct client *c, const uint64_t *runs,
    uint32_t nruns)
{
	struct batch *b = &c->batch;
	uint32_t n;

	b->parcel = parcel_new(p, c);
	if (b->parcel == NULL)
		return 0;
	n = fill_batch(p, c, runs, nruns);
	if (n == 0) {
		parcel_free(p, b->parcel);
		b->parcel = NULL;
		return 0;
	}
	b->sent_us = now_us(p);
	b->state = BATCH_KEEPING;
	client_set_busy(p, c);
	if (!parcel_send(p, b->parcel, NULL))
		b->parcel = NULL;
	return n;
}

void
drop_done(struct pager *p, struct client *c)
{
	c->batch.answered = true;
	client_set_busy(p, c);
	(void)drop_step(p, c);
}

static int
look(struct client *c, uint8_t *flags)
{
	const struct batch *b = &c->batch;
	int rc = 0;

	for (uint32_t i = 0, n; rc == 0 && i < b->npages; i += n) {
		n = side_by_side(b, i);
		rc = peer_pages(c->pagemap, b->addr[i], n, flags + i);
	}
	return rc;
}

static void
page_gone(struct pager *p, struct client *c, struct region *r, uint32_t i)
{
	struct budget *g = budget_of(p, c->space->group);

	region_out(&p->vm, r, region_page(r, c->batch.addr[i]), 0);
	if (!c->batch.copied[i])
		habit_left(&r->habit);
	count(p, c->batch.copied[i] ? C_evictions_dirty : C_evictions_clean, 1);
	g->stuck_gap_us = 0;
	g->futile = 0;
	g->evicted++;
	c->evicted++;
}

/* Faults that waited are resolved now, at the latest when they are due. */
static void
drop_end(struct pager *p, struct client *c, const uint8_t *flags)
{
	struct batch *b = &c->batch;
	uint32_t gone = 0;

	for (uint32_t i = 0; i < b->npages; i++) {
		struct region *r;
		uint64_t slot = slot_of(p, c, i, &r);

		if (!slot_clean(slot))
			continue;
		if (flags[i] & (PEER_PRESENT | PEER_SWAPPED)) {
			region_restamp(&p->vm, r, region_page(r, b->addr[i]));
			continue;
		}
		page_gone(p, c, r, i);
		gone++;
	}
	if (gone == 0)
		budget_futile(p, c->space->group, b->npages);
	b->state = BATCH_IDLE;
	c->retry_us = now_us(p);
	client_publish(p, c);
}

/*
 * What is looked at is what the model has, unless a change of the mappings was
 * under way.
 */
static uint64_t
look_and_end(struct pager *p, struct client *c)
{
	uint8_t flags[BATCH_PAGES];

	if (!c->batch.answered)
		return UINT64_MAX;
	if (look(c, flags) < 0) {
		/* The process is gone; or what is clean stays so. */
		c->batch.state = BATCH_IDLE;
		c->retry_us = now_us(p);
		return 0;
	}
	if (client_settled(c) != 0)
		return now_us(p) + RETRY_US;
	drop_end(p, c, flags);
	return 0;
}

uint64_t
drop_step(struct pager *p, struct client *c)
{
	if (is_dropping(c))
		return look_and_end(p, c);
	if (c->batch.state != BATCH_KEEPING || c->batch.parcel != NULL)
		return UINT64_MAX;
	drop_kept(p, c);
	return 0;
}
