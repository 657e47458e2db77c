/*
 * punch.c: frames of objects, on their way out
 *
 *	pick (reclaim.c)
 *	  --> dirty: write-protected wherever it is mapped, read, stored
 *	  --> a hole, which takes it from everybody at once
 *
 * A write in between waits for its fault.  What the source of the object has,
 * or the store has still, is not read.
 */
#include "punch.h"

#include <errno.h>
#include <string.h>

#include "assert.h"
#include "budget.h"
#include "client.h"
#include "frames.h"
#include "objects.h"
#include "reclaim.h"
#include "uffd.h"
#include "zero.h"

#define EVICT_PAGES 64u /* of one object, in one go */

static int
protect_pages(const struct client *c, const struct region *r, uint64_t page,
    uint64_t n)
{
	return uffd_protect(c->uffd, region_addr(r, page), n * PAGE_BYTES,
	    true);
}

/* What r shows of the object's pages [page, page + n). */
static int
protect_in(struct pager *p, const struct region *r, uint64_t page, uint64_t n)
{
	const struct client *c = client_of(p, r->space);
	uint64_t first = r->rec->offset, end = first + r->rec->npages;
	uint64_t from = page > first ? page : first;
	uint64_t to = page + n < end ? page + n : end;
	int rc = 0;

	/* A snapshot without a holder maps nothing. */
	if (from >= to || c->space != r->space)
		return 0;
	rc = protect_pages(c, r, from - first, to - from);
	/* Behind a page that is not mapped the others are not protected. */
	for (; rc == -ENOENT && from < to; from++)
		rc = protect_pages(c, r, from - first, 1);
	return rc == -ENOENT || rc == -ESRCH ? 0 : rc;
}

/* => nobody writes to these pages until his fault has been resolved */
static int
protect_all(struct pager *p, const struct object *o, uint64_t page, uint64_t n)
{
	const struct region *r;
	int rc;

	LIST_FOREACH(r, &o->regions, of_object) {
		rc = protect_in(p, r, page, n);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* => p->fill is what the new block is; 0 or -errno */
static int
store(struct pager *p, const struct group *g, uint32_t *block)
{
	uint8_t room[PACK_MAX];
	struct packed packed;
	int rc = physblock_new(&p->vm, where_make(WHERE_LOST, 0, 0), block);

	if (rc < 0)
		return rc;
	pack_page(p->fill, room, &packed);
	rc = stores_put(p, g->rec->stack, &packed, *block);
	if (rc < 0)
		physblock_unref(&p->vm, *block);
	return rc;
}

/* => the bytes are in the store, or need not be; 0 or -errno */
static int
capture(struct pager *p, struct object *o, uint64_t page)
{
	uint64_t before = stores_bytes(p);
	uint32_t block;
	int rc = frames_read(p->frames[o->index], page, p->fill);

	if (rc < 0)
		return rc;
	if (o->rec->source == SOURCE_ZERO && all_zero(p->fill, PAGE_BYTES)) {
		object_forget(&p->vm, o, page);
		count(p, C_evictions_zero, 1);
		return 0;
	}
	rc = store(p, o->group, &block);
	if (rc < 0)
		return rc;
	object_out(&p->vm, o, page, block);
	budget_put(p, o->group, before);
	count(p, C_evictions_dirty, 1);
	return 0;
}

/* => the page may be punched out */
static bool
leave_page(struct pager *p, struct object *o, uint64_t page)
{
	switch (object_leave(&p->vm, o, page)) {
	case LEAVE_STAY:
		return false;
	case LEAVE_DROP:
		object_forget(&p->vm, o, page);
		count(p, C_evictions_clean, 1);
		return true;
	case LEAVE_KEPT:
		object_out(&p->vm, o, page, 0);
		count(p, C_evictions_clean, 1);
		return true;
	case LEAVE_CAPTURE:
		return capture(p, o, page) == 0;
	}
	return false;
}

/*
 * What was captured must not be written any more where it is: only a hole
 * makes sure of that, and the kernel has no reason to refuse one.
 */
static void
punch(struct pager *p, const struct object *o, uint64_t from, uint64_t to)
{
	if (from < to)
		ASSERT(frames_punch(p->frames[o->index], from, to - from) == 0);
}

/* => of the pages that leave some can be written until they are protected */
static bool
has_writable(struct pager *p, const struct object *o, uint64_t page, uint32_t n)
{
	/* Whoever writes pages of its own never writes the object's. */
	if (o->memtype->own_pages)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (object_leave(&p->vm, o, page + i) == LEAVE_CAPTURE)
			return true;
	return false;
}

/* => pages that have left of a run */
static uint32_t
evict_run(struct pager *p, struct object *o, uint64_t page, uint32_t n)
{
	uint64_t from = page, end = page + n;
	uint32_t left = 0;

	if (has_writable(p, o, page, n) && protect_all(p, o, page, n) < 0) {
		for (; page < end; page++)
			object_restamp(&p->vm, o, page);
		return 0;
	}
	for (; page < end; page++) {
		if (leave_page(p, o, page)) {
			left++;
		} else {
			punch(p, o, from, page);
			object_restamp(&p->vm, o, page);
			from = page + 1;
		}
	}
	punch(p, o, from, end);
	return left;
}

/* => the same, but for what was brought in a moment ago */
static uint32_t
evict_settled(struct pager *p, struct object *o, uint64_t page, uint32_t n)
{
	uint64_t from = page, end = page + n;
	uint32_t left = 0;

	for (; page < end; page++) {
		if (!objects_recent(p, o, page))
			continue;
		left += evict_run(p, o, from, (uint32_t)(page - from));
		object_restamp(&p->vm, o, page);
		from = page + 1;
	}
	return left + evict_run(p, o, from, (uint32_t)(end - from));
}

static uint32_t
evict_object(struct pager *p, struct object *o, uint32_t want)
{
	struct victim victims[EVICT_PAGES];
	uint32_t n, npages, left = 0;

	n = reclaim_pick_object(&p->vm, o,
	    want < EVICT_PAGES ? want : EVICT_PAGES, victims, EVICT_PAGES,
	    &npages);
	for (uint32_t i = 0; i < n; i++)
		left += evict_settled(p, o, victims[i].addr >> PAGE_SHIFT,
		    victims[i].npages);
	return left;
}

uint32_t
punch_evict(struct pager *p, struct group *g, uint32_t want)
{
	struct object *o;
	uint32_t left = 0;

	/* Clients that were let go read what is in the memfd, or zeros. */
	if (p->homing || stores_full_until(p, g->rec->stack) != 0 ||
	    stores_later(p, g->rec->stack))
		return 0;
	TAILQ_FOREACH(o, &g->objects, in_group) {
		if (left >= want)
			break;
		if (o->counts.resident > 0)
			left += evict_object(p, o, want - left);
	}
	/* Another one goes first the next time. */
	o = TAILQ_FIRST(&g->objects);
	if (o != NULL) {
		TAILQ_REMOVE(&g->objects, o, in_group);
		TAILQ_INSERT_TAIL(&g->objects, o, in_group);
	}
	budget_of(p, g)->evicted += left;
	return left;
}
