/*
 * event.c: userfaultfd messages to the model
 *
 * Faults are queued and resolved after the events that were read with them:
 * the kernel hands out all pending faults before any event.
 *
 * From the moment an event starts until its waiter has run again, the kernel
 * refuses every fill and every MOVE with EAGAIN, so what is applied here is
 * what was true when the event happened.  No event is read while an agent
 * moves pages (evict.c), so a captured page was captured before it.
 */
#include "event.h"

#include <errno.h>
#include <unistd.h>

#include "assert.h"
#include "budget.h"
#include "client.h"
#include "drop.h"
#include "fault.h"
#include "install.h"
#include "loose.h"
#include "outbox.h"
#include "uffd.h"

static void
event_fault(struct pager *p, struct client *c, const struct uffd_message *m)
{
	struct fault *f = fault_new(p);

	*f = (struct fault){
		.addr = m->addr,
		.asked_ns = c->asked_ns,
		.read_ns = c->read_ns,
		.tid = m->tid,
		.access = m->kind == UFFD_WP ? ACCESS_PROTECTED
			  : m->write         ? ACCESS_WRITE
					     : ACCESS_READ,
	};
	TAILQ_INSERT_TAIL(&c->faults, f, entry);
	c->faults_total++;
	budget_of(p, c->space->group)->faults++;
	count(p, m->kind == UFFD_WP ? C_faults_wp : C_faults_missing, 1);
}

/*
 * The model has no room for the child.  What its parent has out must not read
 * zero in it: those pages are poisoned.
 */
static void
fork_poison(const struct client *parent, int uffd)
{
	struct region *r;

	RB_FOREACH(r, region_tree, &parent->space->regions)
		if (r->counts.out > 0)
			(void)uffd_poison(uffd, r->rec->start,
			    region_end(r) - r->rec->start);
}

static void
event_fork(struct pager *p, struct client *c, int uffd)
{
	struct space_record rec = {
		.group = c->space->rec->group,
		.uid = c->space->rec->uid,
		.anchor = c->space->rec->anchor,
	};
	struct client *child;

	count(p, C_events_fork, 1);
	/* The child shares what only the parent's staging area may hold yet. */
	if (c->batch.parcel != NULL)
		parcel_finish(c->batch.parcel);
	if (token_random(rec.token) < 0 ||
	    client_new(p, &rec, uffd, &child) < 0) {
		fork_poison(c, uffd);
		return;
	}
	if (space_fork(&p->vm, c->space, child->space) < 0)
		fork_poison(c, child->uffd);
	c->relatives = true;
	child->relatives = true;
	child->loose = c->loose;
	child->arena_start = c->arena_start;
	child->arena_end = c->arena_end;
	child->depends = c->depends;
	if (budget_is_near(p, c->space->group)) {
		c->protect = true;
		child->protect = true;
		install_protect(p, child);
		client_set_busy(p, c);
	}
	child->probe_us = now_us(p);
	client_set_busy(p, child);
	client_publish(p, child);
	outbox_space_new(p, child->space);
	/* Before it asks, which it does first of all; it may still ask. */
	(void)install_anchor(p, child);
}

void
event_apply(struct pager *p, struct client *c, const struct uffd_message *m)
{
	int r = 0;

	switch (m->kind) {
	case UFFD_MISSING:
	case UFFD_MINOR:
	case UFFD_WP:
		event_fault(p, c, m);
		break;
	case UFFD_FORK:
		event_fork(p, c, m->fd);
		break;
	case UFFD_REMAP:
		/* Its agent drops something. */
		if (client_in_area(c, m->to))
			break;
		count(p, C_events_remap, 1);
		r = space_remap(&p->vm, c->space, m->addr, m->to, m->len);
		if (c->loose.all.to > 0)
			loose_note(p, c, m->to, m->to + m->len);
		break;
	case UFFD_REMOVE:
		count(p, C_events_remove, 1);
		space_remove(&p->vm, c->space, m->addr, m->end);
		loose_note(p, c, m->addr, m->end);
		break;
	case UFFD_UNMAP:
		count(p, C_events_unmap, 1);
		r = space_unmap(&p->vm, c->space, m->addr, m->end);
		break;
	}
	ASSERT(r != -ENOSPC);
}
