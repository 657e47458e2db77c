#include "follow.h"

#define CLOSE_US 100 /* between a wake-up and the next fault, on average */
#define GAP_MAX_US 1000
#define RUN_MIN 8 /* faults of one thread in a row */

/* => faults of this thread come one closely after the other */
static bool
is_dominant(struct follow *w, const struct fault *f)
{
	uint64_t gap = f->since_us - w->done_us;

	if (gap > GAP_MAX_US)
		gap = GAP_MAX_US;
	w->gap_us = (uint32_t)((7 * (uint64_t)w->gap_us + gap) / 8);
	if (f->tid != w->tid) {
		w->tid = f->tid;
		w->run = 0;
		return false;
	}
	if (w->run < RUN_MIN)
		w->run++;
	return w->run == RUN_MIN && w->gap_us < CLOSE_US;
}

/* The number that the kernel gives is that of the client's pid namespace. */
static bool
is_known(struct client *c, uint32_t tid)
{
	struct follow *w = &c->follow;

	if (w->checked != tid) {
		w->checked = tid;
		w->known =
		    c->space->rec->pid != 0 &&
		    place_is_thread_of((pid_t)tid, (pid_t)c->space->rec->pid);
	}
	return w->known;
}

void
follow_begin(struct client *c, const struct fault *f, struct place *pl)
{
	pl->tid = 0;
	if (f->tid == 0 || !is_dominant(&c->follow, f) ||
	    TAILQ_FIRST(&c->faults) != f || TAILQ_NEXT(f, entry) != NULL ||
	    !is_known(c, f->tid))
		return;
	(void)place_hold(pl, (pid_t)f->tid, place_here());
}

void
follow_end(const struct pager *p, struct client *c, struct place *pl)
{
	place_release(pl);
	c->follow.done_us = now_us(p);
}
