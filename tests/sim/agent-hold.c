/*
 * agent-hold.c: HOLD: the agent forks its process, for a snapshot
 *
 *	begin --> FORKING: fork --> the event is read --> the holder runs
 *	  |          |
 *	  +-- fails  +-- late: nobody waits any more
 */
#include "agent_impl.h"

#include <errno.h>

#include "kernel.h"
#include "snap.h"
#include "task.h"

/* MADV_DOFORK, MADV_DONTFORK: what only a holder gets. */
static void
area_inherited(const struct agent *a, bool inherited)
{
	struct vma *v;

	TAILQ_FOREACH(v, &a->proc->vmas, link) {
		if (v->start >= a->area && v->end <= a->area + a->area_len)
			v->dontfork = !inherited;
	}
}

/* Its relatives, whose pages it may have in its hands, are spared this. */
static bool
turns_bad(struct agent *a)
{
	struct proc *p = a->proc;

	if (p->nforks > 0 || p->library || sim.settling || !sim_one_in(20))
		return false;
	sim_trace("agent of %u goes bad when asked to fork", p->pid);
	p->hostile = true;
	a->mood = MOOD_GARBAGE;
	return true;
}

void
agent_begin_hold(struct agent *a)
{
	agent_counts.holds++;
	a->result = 0;
	a->told = false;
	if (sim_one_in(10))
		a->result = sim_one_in(2) ? -EAGAIN : -ENOMEM;
	if (kernel.nprocs >= PROC_MAX - 8)
		a->result = -EAGAIN;
	if (a->mood == MOOD_GARBAGE || turns_bad(a)) {
		agent_counts.holds_garbage++;
		if (sim_one_in(2))
			a->result = -EIO;
	}
	if (a->result < 0) {
		agent_counts.holds_failed++;
		agent_answer_done(a);
		return;
	}
	a->state = AGENT_FORKING;
}

/* What the program has now is what its snapshot has for ever. */
static void
fork_holder(struct agent *a)
{
	struct snap *s = a->current->snap;
	struct proc *p = a->proc;

	SIM_CHECK(s->holder == NULL);
	if (s->state == SNAP_ASKED && !tasks_still(p))
		sim_fail("process %u runs while it is forked for a snapshot",
		    p->pid);
	area_inherited(a, true);
	s->holder = a->child = task_copy(p, false, true);
	a->child->agent->area = a->area;
	a->child->agent->area_len = a->area_len;
	a->child->agent->stage = a->stage;
	a->child->agent->spare = a->spare;
	p->nforks++;
	agent_counts.forks++;
	sim_trace("agent of %u forks holder %u", p->pid, a->child->pid);
	if (a->child->main != NULL)
		ctx_change_begin(p->main);
}

/* The child runs; now and then it comes no further. */
static void
holder_runs(struct agent *a)
{
	struct proc *c = a->child;

	a->child = NULL;
	area_inherited(a, false);
	if (c->main != NULL)
		ctx_change_end(a->proc->main);
	c->running = true;
	c->agent->state = AGENT_ANCHOR;
	c->agent->stopped = sim_one_in(12);
	agent_answer_done(a);
}

void
agent_step_hold(struct agent *a)
{
	if (a->child == NULL && agent_is_late(a)) {
		agent_counts.holds_late++;
		a->result = -ECANCELED;
		agent_answer_done(a);
	} else if (a->child == NULL) {
		fork_holder(a);
	} else if (a->child->main != NULL && !a->told) {
		a->told = true;
		a->w.msg = (struct uffd_message){ .kind = UFFD_FORK, .fd = -1 };
		a->w.child = a->child->main;
		ctx_event(a->proc->main, &a->w);
	} else {
		holder_runs(a);
	}
}
