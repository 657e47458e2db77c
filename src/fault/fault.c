/*
 * fault.c: from a faulting address to a page that is there
 *
 *	fault --> anchor? ------------------------------> install_anchor
 *	      --> agent's area? ------------------------> evict_stage_fault
 *	      --> region? --no--> adopt_around, else wake
 *	      --> plan --ZERO, FILL--> room? --no--> wait for eviction
 *	                                 |yes
 *	                                 +----------> install_zero, _fill
 *	           +--UNPROTECT, BREAK------------> install_unprotect
 *	           +--FILL_OBJECT, then again-----> objects_fill
 *	           +--CONTINUE, COPY--------------> objects_continue, _copy
 *
 * A fault that cannot be resolved now stays queued: because mappings are
 * changing (the kernel says EAGAIN until an event's waiter has run), because
 * its group is at its limit and pages are on their way out, or because a file
 * is being read.
 *
 * Nothing is installed while the client's agent moves pages: a page that the
 * model holds resident may be gone, and an old message about it would fill it
 * with zeros.  Of pages that it drops (drop.c) only their own faults wait.
 *
 * Two times are kept of each fault that is resolved (base/hist.h):
 *
 *	      client->asked_ns  read_ns
 *	             |             |
 *	-------------+--- unread --+--- others ---+--- work ---+ done
 *	             |                            |<--service->|
 *	             |<------------- wait -------------------->|
 *
 * service is what we worked on it, failed attempts too.  wait is what its
 * thread waited.  When that began the kernel does not tell.  It is when we
 * were woken by it; or, if we were busy with something else, when we last
 * looked and there was nothing (pager_looked(), client_service()), which is
 * too early by what we were busy with at most.  Neither wake-up is in it,
 * ours and the thread's.
 */
#include "fault.h"

#include <errno.h>

#include "adopt.h"
#include "assert.h"
#include "budget.h"
#include "client.h"
#include "drop.h"
#include "evict.h"
#include "follow.h"
#include "hist.h"
#include "install.h"
#include "objects.h"
#include "readahead.h"
#include "uffd.h"

#define RETRY_CHANGING_US 50
#define RETRY_THROTTLED_US 1000
#define RETRY_READING_US 10000 /* whoever reads says when it is done */

uint32_t
fault_room(const struct pager *p)
{
	return p->config.max_faults - p->faults_used;
}

struct fault *
fault_new(struct pager *p)
{
	struct fault *f = TAILQ_FIRST(&p->fault_pool);

	ASSERT(fault_room(p) > 0);
	p->faults_used++;
	if (f == NULL)
		return &p->fault_memory[p->faults_high++];
	TAILQ_REMOVE(&p->fault_pool, f, entry);
	return f;
}

void
fault_delete(struct pager *p, struct fault *f)
{
	TAILQ_INSERT_HEAD(&p->fault_pool, f, entry);
	p->faults_used--;
}

/*
 * Positive outcomes of resolving: LOAD_WAIT; wait until eviction has made room;
 * the model says something else now.
 */
#define FAULT_THROTTLED 2
#define FAULT_AGAIN 3

/* => pages that one call may install, as far as the budget goes */
static uint32_t
fill_room(struct pager *p, const struct client *c)
{
	uint64_t room = budget_room(p, c->space->group);

	return room < FILL_PAGES ? (uint32_t)room : FILL_PAGES;
}

static int
resolve_zero(struct pager *p, struct client *c, struct region *r,
    const struct fault *f)
{
	uint64_t page = region_page(r, f->addr);
	uint32_t n = 1;

	if (slot_state(region_slot(&p->vm, r, page)) == SLOT_UNKNOWN)
		n = readahead_first(&p->vm, r, page, fill_room(p, c));
	return install_zero(p, c, r, page, n);
}

static int
resolve_fill(struct pager *p, struct client *c, struct region *r,
    struct fault *f)
{
	uint64_t page = region_page(r, f->addr);
	bool out = slot_state(region_slot(&p->vm, r, page)) == SLOT_OUT;
	bool keep = r->memtype->keep_copy(&p->vm, r, page, f->access);
	uint32_t n = 1;

	if (out && f->window == 0)
		f->window = n =
		    readahead_window(&p->vm, r, page, fill_room(p, c));
	else if (out)
		n = readahead_run(&p->vm, r, page,
		    (uint32_t)earlier(f->window, fill_room(p, c)));
	if (f->access == ACCESS_WRITE)
		r->readahead.write = true;
	return install_fill(p, c, r, page, n, keep);
}

/*
 * A write to a page that a fork shares makes it two; a write to the kernel's
 * zero page, which the model does not know, makes it one.
 */
static bool
unprotect_takes_room(uint64_t slot)
{
	return slot_forked(slot) || slot_state(slot) == SLOT_UNKNOWN;
}

/* Whose budget a plan takes room of; NULL: nobody's */
static struct group *
pays(struct pager *p, const struct client *c, const struct region *r,
    uint64_t page, enum plan plan)
{
	switch (plan) {
	case PLAN_ZERO:
	case PLAN_FILL:
	case PLAN_COPY:
	case PLAN_BREAK:
		return c->space->group;
	case PLAN_FILL_OBJECT:
		return r->object->group;
	case PLAN_UNPROTECT:
		return r->memtype->own_pages &&
			       unprotect_takes_room(region_slot(&p->vm, r,
				   page))
			   ? c->space->group
			   : NULL;
	case PLAN_CONTINUE:
	case PLAN_CONTINUE_PROTECTED:
	case PLAN_DENY:
		break;
	}
	return NULL;
}

static int
resolve_unprotect(struct pager *p, struct client *c, struct region *r,
    struct fault *f)
{
	if (!unprotect_takes_room(region_slot(&p->vm, r,
		region_page(r, f->addr))))
		r->readahead.write = true;
	return install_unprotect(p, c, r, region_page(r, f->addr));
}

static int
resolve_object(struct pager *p, struct client *c, struct region *r,
    struct fault *f)
{
	uint64_t page = region_page(r, f->addr);
	int rc = objects_fill(p, r, page,
	    r->memtype->keep_copy(&p->vm, r, page, f->access));

	if (rc == -EIO)
		return install_poison(p, c, r, page);
	return rc == 0 ? FAULT_AGAIN : rc;
}

static int
resolve_deny(struct pager *p, struct client *c, struct region *r,
    struct fault *f)
{
	if (f->access == ACCESS_PROTECTED)
		return -EPERM;
	return install_poison(p, c, r, region_page(r, f->addr));
}

static int
resolve_copy(struct pager *p, struct client *c, struct region *r,
    struct fault *f)
{
	uint64_t page = region_page(r, f->addr);
	int rc = objects_copy(p, c, r, page);

	return rc == -EIO ? install_poison(p, c, r, page) : rc;
}

static int
resolve_plan(struct pager *p, struct client *c, struct region *r,
    struct fault *f, enum plan plan)
{
	uint64_t page = region_page(r, f->addr);

	switch (plan) {
	case PLAN_ZERO:
		return resolve_zero(p, c, r, f);
	case PLAN_FILL:
		return resolve_fill(p, c, r, f);
	case PLAN_UNPROTECT:
	case PLAN_BREAK:
		return resolve_unprotect(p, c, r, f);
	case PLAN_FILL_OBJECT:
		return resolve_object(p, c, r, f);
	case PLAN_CONTINUE:
	case PLAN_CONTINUE_PROTECTED:
		return objects_continue(p, c, r, page, plan, f->access);
	case PLAN_COPY:
		return resolve_copy(p, c, r, f);
	case PLAN_DENY:
		return resolve_deny(p, c, r, f);
	}
	ASSERT(!"a plan");
}

static int
resolve_in(struct pager *p, struct client *c, struct region *r, struct fault *f)
{
	uint64_t page = region_page(r, f->addr);
	int rc;

	do {
		enum plan plan = r->memtype->plan(&p->vm, r, page, f->access);
		struct group *g = pays(p, c, r, page, plan);

		if (g != NULL && !budget_admit(p, g))
			return FAULT_THROTTLED;
		rc = resolve_plan(p, c, r, f, plan);
	} while (rc == FAULT_AGAIN);
	return rc;
}

static int
resolve(struct pager *p, struct client *c, struct fault *f)
{
	struct region *r;
	int rc;

	if (f->addr == c->space->rec->anchor)
		return install_anchor(p, c);
	if (client_in_area(c, f->addr))
		return evict_stage_fault(p, c, f->addr);
	r = space_find(c->space, f->addr);
	if (r == NULL) {
		rc = adopt_around(p, c, f->addr);
		if (rc == -EAGAIN || rc == -ESRCH)
			return rc;
		r = space_find(c->space, f->addr);
		if (r == NULL)
			return uffd_wake(c->uffd, f->addr, PAGE_BYTES);
	}
	rc = resolve_in(p, c, r, f);
	if (rc == -ENOENT)
		return uffd_wake(c->uffd, f->addr, PAGE_BYTES);
	return rc;
}

static void
fault_done(struct pager *p, struct client *c, struct fault *f, uint64_t now)
{
	uint64_t waited = (now - f->read_ns) / 1000;

	hist_add(&p->service, f->work_ns);
	hist_add(&p->wait, now - f->asked_ns);
	count(p, C_fault_us, waited);
	budget_of(p, c->space->group)->wait_us += waited;
	TAILQ_REMOVE(&c->faults, f, entry);
	fault_delete(p, f);
}

static uint64_t
retry_after(int why)
{
	if (why == LOAD_WAIT)
		return RETRY_READING_US;
	return why == FAULT_THROTTLED ? RETRY_THROTTLED_US : RETRY_CHANGING_US;
}

static void
fault_wait(struct pager *p, struct client *c, struct fault *f, int why,
    uint64_t now)
{
	uint64_t at = now / 1000 + retry_after(why);

	if (at < c->retry_us)
		c->retry_us = at;
	if (why == LOAD_WAIT)
		return;
	if (why != FAULT_THROTTLED)
		count(p, C_retries, 1);
	else if (!f->throttled)
		count(p, C_throttled, 1);
	f->throttled = f->throttled || why == FAULT_THROTTLED;
}

int
faults_resolve(struct pager *p, struct client *c)
{
	uint64_t begun = c->read_ns, now;
	struct fault *f, *next;

	c->retry_us = UINT64_MAX;
	TAILQ_FOREACH_SAFE(f, &c->faults, entry, next) {
		struct place place;
		int rc;

		/* Making room may have set its own agent to work. */
		if (c->batch.state == BATCH_MOVING)
			break;
		if (drop_has(c, f->addr))
			continue;
		follow_begin(p, c, f, &place);
		rc = resolve(p, c, f);
		now = follow_end(p, c, &place);
		f->work_ns += now - begun;
		begun = now;
		if (rc == -ESRCH || rc == -EPERM)
			return rc;
		if (rc == -EAGAIN || rc == -ENOMEM || rc == FAULT_THROTTLED ||
		    rc == LOAD_WAIT)
			fault_wait(p, c, f, rc, now);
		else
			fault_done(p, c, f, now);
	}
	return 0;
}
