#include "follow.h"

#include "client.h"

#define CLOSE_US 100 /* between a wake-up and the next fault, on average */
#define GAP_MAX_US 1000
#define FORGET_US 100000
#define CLOSE_RUN 8u  /* faults that came closely, in a row */
#define ALONE_RUN 8u  /* faults of one thread in a row */
#define STRAYED_US 25 /* no fault before that: it may run elsewhere */
#define LATE_NS 15000 /* it has waited for so long when it is read */
#define PATIENCE_MAX 1024u
#define WARM 96u       /* at first a phase shows what was before it */
#define TRIAL 128u     /* faults for which a way is tried */
#define TRIAL_MIN 16u  /* the least, if it is much worse */
#define STAY_MIN 2048u /* faults until the other way is tried again */
#define STAY_MAX (1u << 20)

/* => its faults come one closely after the other */
static bool
is_close(struct follow *w, const struct fault *f, uint64_t gap)
{
	if (gap > GAP_MAX_US)
		gap = GAP_MAX_US;
	w->gap_us = (uint32_t)((7 * (uint64_t)w->gap_us + gap) / 8);
	if (f->tid != w->tid) {
		w->tid = f->tid;
		w->alone = 0;
	}
	if (w->alone < ALONE_RUN)
		w->alone++;
	if (w->gap_us >= CLOSE_US)
		w->close = 0;
	else if (w->close < CLOSE_RUN)
		w->close++;
	return w->close == CLOSE_RUN;
}

/*
 * The number that the kernel gives is that of the client's pid namespace; if
 * it is ours for one thread, it is for all.
 */
static bool
is_known(struct client *c, uint32_t tid)
{
	struct follow *w = &c->follow;

	if (!w->known && w->checked != tid) {
		w->checked = tid;
		w->known =
		    c->space->rec->pid != 0 &&
		    place_is_thread_of((pid_t)tid, (pid_t)c->space->rec->pid);
	}
	return w->known;
}

static void
phase_begin(struct follow *w, bool together, uint64_t now)
{
	w->together = together;
	w->warm = WARM;
	w->faults = 0;
	w->begun_us = now;
}

/* => microseconds that a fault took in this phase, times 16 */
static uint32_t
phase_cost(const struct follow *w, uint64_t now)
{
	return (uint32_t)(16 * (now - w->begun_us) / w->faults);
}

/* It is over; the better way is taken, until it is time to look again. */
static void
trial_end(struct follow *w, uint64_t now)
{
	uint32_t cost = phase_cost(w, now);
	bool better = cost < w->cost;

	w->trial = false;
	if (better)
		w->stay = STAY_MIN;
	else if (w->stay < STAY_MAX)
		w->stay *= 2;
	phase_begin(w, better ? w->together : !w->together, now);
}

/*
 * Whether threads that fault are better off on our CPU or where they like
 * depends on the machine, and on what they do besides.  So both ways are tried:
 * the one that loses the more rarely and shortly, the more often it has lost.
 *
 * => true: on ours
 */
static bool
choose(struct follow *w, uint64_t now)
{
	if (w->warm > 0) {
		w->warm--;
		w->begun_us = now;
		return w->together;
	}
	w->faults++;
	if (w->trial) {
		if (w->faults == TRIAL || (w->faults >= TRIAL_MIN &&
					      phase_cost(w, now) > 2 * w->cost))
			trial_end(w, now);
	} else if (w->faults >= w->stay) {
		w->cost = phase_cost(w, now);
		w->trial = true;
		phase_begin(w, !w->together, now);
	}
	return w->together;
}

/* What was measured before a pause says nothing. */
static void
start_anew(struct follow *w, uint64_t now)
{
	if (w->trial)
		w->together = !w->together;
	w->trial = false;
	if (w->stay == 0) {
		w->stay = STAY_MIN;
		w->together = true;
	}
	phase_begin(w, w->together, now);
}

static void
leave(struct pager *p, struct client *c)
{
	struct together *t = &p->together;

	if (!c->follow.joined)
		return;
	c->follow.joined = false;
	TAILQ_REMOVE(&t->clients, c, together);
	place_release(&c->follow.agent);
	if (!TAILQ_EMPTY(&t->clients))
		return;
	place_roam(&t->own);
	p->host.stays(p->host.ctx, -1);
}

/*
 * An agent on another CPU would interrupt this one for each page that it takes
 * from a thread that runs here.
 */
static void
join(struct pager *p, struct client *c)
{
	struct together *t = &p->together;
	pid_t pid = (pid_t)c->space->rec->pid;
	int cpu = place_here();

	if (TAILQ_EMPTY(&t->clients)) {
		place_stay(&t->own, cpu);
		p->host.stays(p->host.ctx, t->own.stays ? cpu : -1);
	}
	c->follow.joined = true;
	TAILQ_INSERT_TAIL(&t->clients, c, together);
	if (client_has_agent(c) && place_is_thread_of(c->agent, pid))
		(void)place_hold(&c->follow.agent, c->agent, cpu);
}

/* => c is together with us, and the last to have faulted */
static void
come(struct pager *p, struct client *c)
{
	struct together *t = &p->together;

	if (!c->follow.joined) {
		join(p, c);
	} else if (TAILQ_NEXT(c, together) != NULL) {
		TAILQ_REMOVE(&t->clients, c, together);
		TAILQ_INSERT_TAIL(&t->clients, c, together);
	}
}

/* => whoever has not faulted for long is on his own again */
static void
part(struct pager *p, uint64_t now)
{
	struct client *c = TAILQ_FIRST(&p->together.clients);

	if (c != NULL && c->follow.done_us + FORGET_US < now)
		leave(p, c);
}

/*
 * Who was not held and did not fault again soon may have been woken elsewhere.
 * The more often that happens, the longer he is held each time.  Of one among
 * several that cannot be seen.
 */
static bool
must_hold(struct follow *w, const struct fault *f, uint64_t gap)
{
	bool strayed = gap >= STRAYED_US;

	/* Who sleeps for long has left the run queue. */
	if (w->alone < ALONE_RUN || f->read_ns - f->asked_ns > LATE_NS)
		return true;
	if (w->loose && strayed) {
		w->patience = w->patience == 0             ? 1
			      : w->patience < PATIENCE_MAX ? 2 * w->patience
							   : PATIENCE_MAX;
		w->holds = w->patience;
	} else if (w->loose) {
		w->patience -= (w->patience + 15) / 16;
	}
	if (w->holds == 0)
		return strayed;
	w->holds--;
	return true;
}

/* => its thread is to be woken here */
static bool
is_ours(struct client *c, const struct fault *f, uint64_t gap)
{
	struct follow *w = &c->follow;
	uint64_t now = f->read_ns / 1000;
	bool was_close = w->close == CLOSE_RUN;

	if (f->tid == 0 || !is_close(w, f, gap) || !is_known(c, f->tid))
		return false;
	if (!was_close)
		start_anew(w, now);
	return choose(w, now);
}

void
follow_begin(struct pager *p, struct client *c, const struct fault *f,
    struct place *pl)
{
	struct follow *w = &c->follow;
	uint64_t read_us = f->read_ns / 1000;
	/* Several were read at once: nobody was idle. */
	uint64_t gap = read_us > w->done_us ? read_us - w->done_us : 0;

	pl->tid = 0;
	part(p, read_us);
	if (!is_ours(c, f, gap)) {
		leave(p, c);
		w->loose = false;
		w->patience = 0;
		return;
	}
	come(p, c);
	w->loose = !must_hold(w, f, gap);
	/* Whom we wake must not preempt us while he is held. */
	if (w->loose)
		return;
	place_fair(&p->together.own, false);
	(void)place_hold(pl, (pid_t)f->tid, place_here());
}

uint64_t
follow_end(struct pager *p, struct client *c, struct place *pl)
{
	struct follow *w = &c->follow;
	uint64_t now;

	place_release(pl);
	/* Before he sleeps again: that is when it matters what we are. */
	if (w->joined && w->alone == ALONE_RUN && w->holds == 0)
		place_fair(&p->together.own, true);
	now = now_ns(p);
	w->done_us = now / 1000;
	return now;
}

void
follow_gone(struct pager *p, struct client *c)
{
	leave(p, c);
}
