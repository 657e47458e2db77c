#include "loose.h"

#include <errno.h>

#include "client.h"
#include "peer.h"
#include "uffd.h"

#define STEP_PAGES 8192u
#define RUNS 64

static void
span_cover(struct span *s, uint64_t start, uint64_t end)
{
	if (s->to == 0)
		*s = (struct span){ start, end };
	if (start < s->from)
		s->from = start;
	if (end > s->to)
		s->to = end;
}

/* => the part of r that s covers, in pages */
static struct span
span_of(const struct region *r, const struct span *s)
{
	uint64_t start = r->rec->start, end = region_end(r);

	return (struct span){
		.from = region_page(r, s->from > start ? s->from : start),
		.to = ((s->to < end ? s->to : end) - start) >> PAGE_SHIFT,
	};
}

void
loose_note(struct pager *p, struct client *c, uint64_t start, uint64_t end)
{
	span_cover(&c->loose.all, start, end);
	span_cover(&c->loose.bare, start, end);
	client_set_busy(p, c);
}

/* => 0 or -EAGAIN; all else is unregistered memory, or a dead process */
static int
protect_in(struct pager *p, struct client *c, const struct region *r)
{
	struct span s = span_of(r, &c->loose.bare);

	while (s.from < s.to) {
		uint64_t known = region_next(&p->vm, r, s.from, s.to);

		if (known > s.from &&
		    uffd_protect(c->uffd, region_addr(r, s.from),
			(known - s.from) * PAGE_BYTES, true) == -EAGAIN)
			return -EAGAIN;
		s.from = known + 1;
	}
	return 0;
}

void
loose_protect(struct pager *p, struct client *c)
{
	struct span *bare = &c->loose.bare;
	struct region *r = space_find_from(c->space, bare->from);

	for (; r != NULL && r->rec->start < bare->to;
	     r = RB_NEXT(region_tree, &c->space->regions, r))
		if (r->memtype->own_pages && protect_in(p, c, r) < 0)
			return;
	*bare = (struct span){ 0, 0 };
}

/*
 * A page that was clean when it was let go of is still write-protected; now
 * it is an old page like any other.
 */
static int
find_page(struct pager *p, struct client *c, struct region *r, uint64_t addr,
    uint64_t *npages)
{
	uint64_t page = region_page(r, addr);
	int rc;

	if (r->object != NULL ||
	    slot_state(region_slot(&p->vm, r, page)) != SLOT_UNKNOWN)
		return 0;
	rc = uffd_protect(c->uffd, addr, PAGE_BYTES, false);
	if (rc < 0)
		return rc;
	region_found(&p->vm, r, page);
	++*npages;
	return 0;
}

/* [*at, end) lies in r; => *at is behind what was dealt with */
static int
find_in(struct pager *p, struct client *c, struct region *r, uint64_t *at,
    uint64_t end, uint64_t *npages)
{
	struct peer_run runs[RUNS];
	uint64_t next = *at;
	ssize_t n = peer_scan(c->pagemap, PEER_CONTENT, &next, end, runs, RUNS);
	int rc;

	if (n < 0)
		return (int)n;
	for (ssize_t i = 0; i < n; i++)
		for (uint64_t k = 0; k < runs[i].npages; k++) {
			rc = find_page(p, c, r, runs[i].addr + k * PAGE_BYTES,
			    npages);
			if (rc < 0)
				return rc;
		}
	*at = next;
	return 0;
}

int
loose_find(struct pager *p, struct client *c, uint64_t *npages)
{
	struct span *all = &c->loose.all;
	struct region *r = space_find_from(c->space, all->from);
	uint64_t end;
	int rc;

	if (r == NULL || r->rec->start >= all->to || all->from >= all->to) {
		*all = (struct span){ 0, 0 };
		return 0;
	}
	if (all->from < r->rec->start)
		all->from = r->rec->start;
	end = all->from + STEP_PAGES * PAGE_BYTES;
	end = end < region_end(r) ? end : region_end(r);
	end = end < all->to ? end : all->to;
	rc = find_in(p, c, r, &all->from, end, npages);
	return rc < 0 ? rc : 1;
}
