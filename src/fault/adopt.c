/*
 * adopt.c: populated memory of a running program comes under management
 *
 * The order makes it exact.  Register first: from then on every page that
 * appears is announced by a fault, which waits until we are done here.  Then
 * write-protect the zero pages, so that a write to one is announced too.  Then
 * make sure that no change of the mappings is under way: an unmap that the
 * model has not heard of would take away what is added now.  Then look which
 * pages are there, and make sure of that again: pages that are remapped while
 * one looks would be nobody's where they have come to be.
 */
#include "adopt.h"

#include <errno.h>

#include "client.h"
#include "evict.h"
#include "peer.h"
#include "planes.h"
#include "uffd.h"

#define RETRY_US 200
#define STEP_RANGES 4
#define RUNS 64

/*
 * Memory that the agent touches must never fault; what is in the arena its
 * client tells us of (library.c).
 */
static bool
is_ours(const struct client *c, uint64_t start, uint64_t end)
{
	const struct space_record *rec = c->space->rec;

	return (start < rec->area_start + rec->area_len &&
		   rec->area_start < end) ||
	       (start < rec->anchor + PAGE_BYTES && rec->anchor < end) ||
	       (start < c->arena_end && c->arena_start < end);
}

/* Of a kind that may be managed at all? */
static bool
is_private(const struct peer_vma *v)
{
	return !v->shared && !v->file && !v->stack;
}

/* Worth managing: writable, or reserved and about to become so. */
static bool
is_wanted(const struct peer_vma *v)
{
	return is_private(v) && v->read == v->write && !v->exec;
}

/* The part of [*start, *end) from *start on that the model does not have. */
static bool
first_gap(struct space *sp, uint64_t *start, uint64_t *end)
{
	struct region *r;

	while (*start < *end) {
		r = space_find_from(sp, *start);
		if (r == NULL || r->rec->start >= *end)
			return true;
		if (r->rec->start > *start) {
			*end = r->rec->start;
			return true;
		}
		*start = region_end(r);
	}
	return false;
}

static void
add_run(struct pager *p, struct client *c, const struct peer_run *run)
{
	struct region *r = space_find(c->space, run->addr);
	uint64_t page = region_page(r, run->addr);

	for (uint64_t i = 0; i < run->npages; i++) {
		region_found(&p->vm, r, page + i);
		if (run->protected)
			region_protect_page(&p->vm, r, page + i);
	}
}

/*
 * What was seen is true if no change has begun before one has looked; of one
 * that begins later the event finds it in the model.
 *
 * => what could not be looked at is not in the model any more, unless it has no
 *    room for another region
 */
static int
add_present(struct pager *p, struct client *c, uint64_t start, uint64_t end,
    uint64_t *npages)
{
	struct peer_run runs[RUNS];
	uint64_t at = start;

	while (start < end) {
		ssize_t n =
		    peer_scan(c->pagemap, PEER_CONTENT, &at, end, runs, RUNS);
		int r = n < 0 ? (int)n : client_settled(c);

		if (r < 0) {
			(void)space_unmap(&p->vm, c->space, start, end);
			return r;
		}
		for (ssize_t i = 0; i < n; i++) {
			add_run(p, c, &runs[i]);
			*npages += runs[i].npages;
		}
		start = at;
	}
	return 0;
}

/*
 * The kernel's zero page is what a program gets that reads before it writes.
 * It takes no memory, so the model does not know it; but the write that makes
 * it a page must be announced, or memory would grow without a fault.  What was
 * written in between is found write-protected.
 */
static int
protect_zero(struct client *c, uint64_t start, uint64_t end)
{
	struct peer_run runs[RUNS];
	int r = 0;

	while (r == 0 && start < end) {
		ssize_t n =
		    peer_scan(c->pagemap, PEER_ZERO, &start, end, runs, RUNS);

		if (n < 0)
			return (int)n;
		for (ssize_t i = 0; r == 0 && i < n; i++)
			r = uffd_protect(c->uffd, runs[i].addr,
			    runs[i].npages * PAGE_BYTES, true);
	}
	return r;
}

static int
add_range(struct pager *p, struct client *c, uint64_t start, uint64_t end)
{
	int r = c->pagemap < 0 ? 0 : protect_zero(c, start, end);

	if (r == 0)
		r = client_settled(c);
	if (r == 0)
		r = space_add(&p->vm, c->space, start, end, MEMTYPE_ANON);
	return r;
}

/*
 * What turns out to be something else stays registered: while one looked, a
 * mapping of ours may have been remapped there, with pages that are out, and
 * nobody has read of that yet.  stranger_fault() answers for it.
 *
 * => [start, end) is registered with us, all of it one mapping of a kind that
 *    may be managed; it may have been registered before
 */
static int
register_range(struct client *c, uint64_t start, uint64_t end)
{
	struct peer_vma v;
	int r = uffd_register(c->uffd, start, end - start, UFFD_MODE_WP);

	if (r < 0 || c->maps < 0)
		return r;
	r = peer_vma(c->maps, start, &v);
	if (r < 0)
		return r;
	return v.start <= start && v.end >= end && is_private(&v) ? 0 : -ENOENT;
}

/*
 * What was foreign a moment ago is the model's now: counted once.  The watch
 * will say so exactly at its next look.
 */
static void
no_longer_foreign(struct pager *p, struct client *c, uint64_t npages)
{
	struct gauge *all = &budget_of(p, c->space->group)->gauge;

	atomic_fetch_add(&all->adoptions, 1);
	client_publish(p, c);
	atomic_fetch_sub(&c->gauge->foreign_pages, (int64_t)npages);
	atomic_fetch_sub(&all->foreign_pages, (int64_t)npages);
	atomic_fetch_add(&all->adoptions, 1);
}

/* => 0 or positive: *start is behind what was dealt with; -EAGAIN; -ESRCH */
static int
adopt_gap(struct pager *p, struct client *c, uint64_t *start, uint64_t end,
    struct mail_adopt *m)
{
	struct peer_vma v;
	uint64_t at = *start, npages = 0;
	int r = peer_vma(c->maps, at, &v);

	*start = end;
	if (r < 0)
		return r == -ESRCH ? r : 0;
	if (v.end < end)
		*start = end = v.end;
	if (!is_wanted(&v) || is_ours(c, at, end))
		return 0;
	r = register_range(c, at, end);
	if (r < 0)
		return r == -ESRCH ? r : 0;
	r = add_range(p, c, at, end);
	if (r == -EAGAIN)
		*start = at;
	if (r == 0)
		r = add_present(p, c, at, end, &npages);
	no_longer_foreign(p, c, npages);
	m->nadopted += r == 0;
	m->adopted_pages += npages;
	count(p, C_adopted, npages);
	return r == -EAGAIN || r == -ESRCH ? r : 0;
}

static int
adopt_range(struct pager *p, struct client *c, const struct mail_range *range,
    struct mail_adopt *m)
{
	uint64_t start = range->start, end = range->end;
	int r = 0;

	while (r == 0 && first_gap(c->space, &start, &end)) {
		r = adopt_gap(p, c, &start, end, m);
		end = range->end;
	}
	return r;
}

void
adopt_begin(struct pager *p, struct client *c, struct mail_adopt *m)
{
	if (c->adopt != NULL || p->stop != NULL) {
		planes_answer(p->planes, &m->m, -EBUSY);
		return;
	}
	m->nadopted = 0;
	m->adopted_pages = 0;
	evict_alert(p, c);
	c->adopt = m;
	c->adopt_next = 0;
	client_set_busy(p, c);
}

static void
adopt_end(struct pager *p, struct client *c, int result)
{
	struct mail_adopt *m = c->adopt;

	c->adopt = NULL;
	planes_answer(p->planes, &m->m, result);
}

uint64_t
adopt_step(struct pager *p, struct client *c)
{
	struct mail_adopt *m = c->adopt;
	int r = 0;

	if (c->batch.state == BATCH_MOVING)
		c->waited_for = c->waited_for || m != NULL;
	else
		c->waited_for = false;
	if (m == NULL || c->batch.state == BATCH_MOVING)
		return UINT64_MAX;
	for (int i = 0; i < STEP_RANGES && c->adopt_next < m->nranges; i++) {
		r = adopt_range(p, c, &m->ranges[c->adopt_next], m);
		if (r == -EAGAIN)
			return now_us(p) + RETRY_US;
		if (r < 0)
			break;
		c->adopt_next++;
	}
	if (r == 0 && c->adopt_next < m->nranges)
		return 0;
	adopt_end(p, c, r);
	return UINT64_MAX;
}

/* Of a child without an agent nothing more is known than that a page faults. */
static int
mapping_of(const struct client *c, uint64_t addr, struct peer_vma *v)
{
	if (c->maps >= 0)
		return peer_vma(c->maps, addr, v);
	*v = (struct peer_vma){ .start = addr, .end = addr + PAGE_BYTES };
	return 0;
}

static int
add_present_of(struct pager *p, struct client *c, uint64_t start, uint64_t end)
{
	uint64_t npages = 0;
	int r;

	if (c->pagemap < 0)
		return 0;
	r = add_present(p, c, start, end, &npages);
	no_longer_foreign(p, c, npages);
	count(p, C_adopted, npages);
	return r;
}

/*
 * A mapping that is not to be managed was registered in passing.  What is
 * missing of it the kernel would fill with zeros, too.
 *
 * => -ENOENT: its fault is over; -EAGAIN; -ESRCH
 */
static int
stranger_fault(struct pager *p, struct client *c, uint64_t addr)
{
	int r = uffd_protect(c->uffd, addr, PAGE_BYTES, false);

	if (r == 0)
		r = (int)uffd_copy(c->uffd, addr, p->zeros, PAGE_BYTES, 0);
	return r == -EAGAIN || r == -ESRCH ? r : -ENOENT;
}

int
adopt_around(struct pager *p, struct client *c, uint64_t addr)
{
	struct peer_vma v;
	uint64_t start, end;
	int r;

	/* What is there the model has, or it is not there any more. */
	if (addr >= c->arena_start && addr < c->arena_end)
		return -ENOENT;
	r = mapping_of(c, addr, &v);
	if (r < 0)
		return r;
	if (!is_private(&v))
		return stranger_fault(p, c, addr);
	start = v.start;
	end = v.end;
	while (first_gap(c->space, &start, &end) && end <= addr) {
		start = end;
		end = v.end;
	}
	if (start > addr || end <= addr)
		return -ENOENT;
	if (is_ours(c, start, end)) {
		start = addr;
		end = addr + PAGE_BYTES;
	}
	/* The fault may be an old one, and the mapping a new one: register. */
	r = register_range(c, start, end);
	if (r < 0)
		return r;
	r = add_range(p, c, start, end);
	return r == 0 ? add_present_of(p, c, start, end) : r;
}

void
adopt_inherited(struct pager *p, struct client *c,
    const struct mail_range *wiped, size_t nwiped)
{
	const struct space_record *rec = c->space->rec;
	uint64_t at = 0, last = 0;
	struct peer_vma v;
	struct region *r;

	/* It may lie where memory of the parent was that is not inherited. */
	(void)space_unmap(&p->vm, c->space, rec->area_start,
	    rec->area_start + rec->area_len);
	for (size_t i = 0; i < nwiped; i++)
		space_remove(&p->vm, c->space, wiped[i].start, wiped[i].end);
	RB_FOREACH(r, region_tree, &c->space->regions)
		last = region_end(r);
	while (at < last && peer_vma_from(c->maps, at, &v) == 0) {
		if (v.start > at)
			(void)space_unmap(&p->vm, c->space, at, v.start);
		at = v.end;
	}
	if (at < last)
		(void)space_unmap(&p->vm, c->space, at, last);
	client_publish(p, c);
}
