#include "refind.h"

#include "client.h"
#include "peer.h"
#include "uffd.h"

#define STEP_PAGES 8192u
#define RUNS 64

void
refind_note(struct client *c, uint64_t start, uint64_t end)
{
	struct refind *f = &c->refind;

	if (f->to == 0)
		*f = (struct refind){ start, end };
	if (start < f->from)
		f->from = start;
	if (end > f->to)
		f->to = end;
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

	if (slot_state(region_slot(&p->vm, r, page)) != SLOT_UNKNOWN)
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
refind_step(struct pager *p, struct client *c, uint64_t *npages)
{
	struct refind *f = &c->refind;
	struct region *r = space_find_from(c->space, f->from);
	uint64_t end;
	int rc;

	if (r == NULL || r->rec->start >= f->to || f->from >= f->to) {
		*f = (struct refind){ 0, 0 };
		return 0;
	}
	if (f->from < r->rec->start)
		f->from = r->rec->start;
	end = f->from + STEP_PAGES * PAGE_BYTES;
	end = end < region_end(r) ? end : region_end(r);
	end = end < f->to ? end : f->to;
	rc = find_in(p, c, r, &f->from, end, npages);
	return rc < 0 ? rc : 1;
}
