/*
 * program.c: what the simulated programs do next, at random
 */
#include "program.h"

#include "agent_fake.h"
#include "kernel.h"
#include "session.h"
#include "settle.h"
#include "task.h"

#define ALIVE_MAX 8u
#define RACES 4 /* one in so many calls of the pager has one */

uint32_t
program_alive(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < kernel.nprocs; i++)
		n += kernel.procs[i]->running && !kernel.procs[i]->holder;
	return n;
}

static void
map_some(struct proc *p)
{
	uint32_t n = 8 + sim_below(100);
	uint32_t pg = vma_gap(p, sim_below(PROGRAM_PAGES), PROGRAM_PAGES, n);
	struct vma *v;

	if (pg == SIM_PAGES)
		return;
	v = vma_map(p, pg, pg + n);
	v->file = sim_one_in(12);
	v->shared = !v->file && sim_one_in(20);
	v->stack = !v->file && !v->shared && sim_one_in(20);
	v->busy = !v->file && !v->shared && sim_one_in(20);
}

struct proc *
program_new(void)
{
	struct proc *p = proc_new(NULL);

	for (uint32_t n = 2 + sim_below(3); n > 0; n--)
		map_some(p);
	SIM_CHECK(agent_map_anchor(p->agent) && agent_map_area(p->agent));
	vma_merge(p);
	p->running = true;
	p->tasks[0].live = true;
	sim_trace("process %u begins", p->pid);
	return p;
}

static struct vma *
pick_vma(const struct proc *p)
{
	struct vma *v, *pick = NULL;
	uint32_t n = 0;

	TAILQ_FOREACH(v, &p->vmas, link) {
		if (!v->agent && !v->fresh && sim_below(++n) == 0)
			pick = v;
	}
	return pick;
}

/* They are few, and what is written of them is what matters. */
static struct vma *
pick_clone(const struct proc *p)
{
	struct vma *v, *pick = NULL;
	uint32_t n = 0;

	TAILQ_FOREACH(v, &p->vmas, link) {
		if (v->clone_of != NULL && !v->fresh && sim_below(++n) == 0)
			pick = v;
	}
	return pick != NULL ? pick : pick_vma(p);
}

/* One that the program has mapped by itself. */
static struct vma *
pick_own(const struct proc *p)
{
	struct vma *v = pick_vma(p);

	return v != NULL && in_arena(v) ? NULL : v;
}

static uint32_t
mapped(const struct proc *p)
{
	struct vma *v;
	uint32_t n = 0;

	TAILQ_FOREACH(v, &p->vmas, link)
		n += v->agent || in_arena(v) ? 0 : v->end - v->start;
	return n;
}

/* A part of the mapping, mostly small. */
static uint32_t
pick_part(const struct vma *v, uint32_t *n)
{
	uint32_t len = v->end - v->start, pg;

	*n = sim_one_in(4) ? len : 1 + sim_below(len < 16 ? len : 16);
	pg = v->start + sim_below(len - *n + 1);
	return pg;
}

static void
do_touch(struct task *t, enum task_op op)
{
	struct vma *v = pick_vma(t->proc);
	uint32_t n, pg;

	if (v != NULL && session_often && !in_arena(v) && sim_one_in(2))
		v = pick_clone(t->proc);
	if (v == NULL || !v->read)
		return;
	/* To be read is only the beginning of a clone. */
	if (v->clone_of != NULL && op == OP_READ && sim_one_in(2))
		op = OP_WRITE;
	if (!v->write)
		op = OP_READ;
	n = sim_one_in(3) ? 1 + sim_below(32) : 1;
	pg = v->start + sim_below(v->end - v->start);
	/* What was read is written to, and the other way round. */
	if (v->clone_of != NULL && sim_one_in(2))
		pg = v->start;
	if (op == OP_PIN)
		n = 1;
	/* A hole takes the page away from the device as well; so does DROP. */
	if (op == OP_PIN && v->memfile != NULL)
		return;
	task_touch(t, op, pg, n < v->end - pg ? n : v->end - pg);
}

/* May the task change mappings there now? */
static bool
free_to_change(const struct task *t, uint32_t pg, uint32_t n)
{
	if (task_owned(t->proc, pg, pg + n))
		return false;
	return sim.opt.overtake || !task_untold(t->proc, pg, pg + n);
}

static bool
free_to_map(const struct task *t, uint32_t pg, uint32_t n)
{
	return free_to_change(t, pg, n) && !task_advised(t->proc, pg, pg + n);
}

static void
do_advise(struct task *t)
{
	struct vma *v = pick_vma(t->proc);
	uint32_t n, pg;

	if (v != NULL && session_often && !in_arena(v) && sim_one_in(2))
		v = pick_clone(t->proc);
	if (v == NULL)
		return;
	if ((v->file || v->shared) && v->memfile == NULL)
		return;
	pg = pick_part(v, &n);
	if (sim_one_in(6) && pg + n + 8 < PROGRAM_PAGES)
		n += 8; /* over the end, into what is there or not */
	if (free_to_change(t, pg, n))
		task_advise(t, pg, n, !v->file && sim_one_in(2));
}

static void
do_unmap(struct task *t)
{
	struct vma *v = pick_vma(t->proc);
	uint32_t n, pg;

	if (v == NULL ||
	    (!in_arena(v) && mapped(t->proc) < 100 && !sim_one_in(4)))
		return;
	pg = pick_part(v, &n);
	/* The daemon may give the addresses out again. */
	if (in_arena(v) && task_advised(t->proc, pg, pg + n))
		return;
	if (sim_one_in(8) && pg + n + 30 < PROGRAM_PAGES)
		n += 30;
	if (free_to_change(t, pg, n))
		task_unmap(t, pg, n);
}

static void
do_map(struct task *t)
{
	struct proc *p = t->proc;
	struct vma *v = pick_own(p);
	uint32_t n = 1 + sim_below(60), pg;

	if (v != NULL && sim_one_in(3)) {
		pg = pick_part(v, &n); /* MAP_FIXED over what is there */
	} else {
		pg = vma_gap(p, sim_below(PROGRAM_PAGES), PROGRAM_PAGES, n);
		if (pg == SIM_PAGES || mapped(p) + n > PROGRAM_MAPPED)
			return;
	}
	if (free_to_map(t, pg, n))
		task_map(t, pg, n);
}

/* => a page where new_n pages can be moved to, or SIM_PAGES */
static uint32_t
pick_target(struct proc *p, uint32_t pg, uint32_t n, uint32_t new_n)
{
	struct vma *v = pick_own(p);
	uint32_t to, len = v == NULL ? 0 : v->end - v->start;

	if (sim_one_in(2) || len < new_n)
		return vma_gap(p, sim_below(PROGRAM_PAGES), PROGRAM_PAGES,
		    new_n);
	to = v->start + sim_below(len - new_n + 1);
	return to < pg + n && pg < to + new_n ? SIM_PAGES : to;
}

static void
do_remap(struct task *t)
{
	struct proc *p = t->proc;
	struct vma *v = pick_own(p);
	uint32_t n, pg, new_n, to;
	bool keep;

	if (v == NULL || v->file || v->shared)
		return;
	pg = pick_part(v, &n);
	keep = sim_one_in(8);
	new_n = n;
	if (!keep && sim_one_in(2))
		new_n = 1 + sim_below(2 * n);
	if ((keep || new_n > n) && mapped(p) + new_n > PROGRAM_MAPPED)
		return;
	to = pick_target(p, pg, n, new_n);
	if (to != SIM_PAGES && free_to_change(t, pg, n) &&
	    free_to_map(t, to, new_n))
		task_remap(t, pg, n, to, new_n, keep);
}

static void
do_grow(struct task *t)
{
	struct proc *p = t->proc;
	struct vma *v = pick_vma(p);
	uint32_t n = 1 + sim_below(24), end;

	if (v == NULL || v->file || mapped(p) + n > PROGRAM_MAPPED)
		return;
	end = v->end;
	if (end + n <= PROGRAM_PAGES && vma_is_free(p, end, end + n) &&
	    free_to_map(t, end, n))
		task_grow(t, end, n);
}

static void
do_protect(struct task *t)
{
	struct vma *v = pick_vma(t->proc);
	uint32_t n, pg, kind = sim_below(6);

	if (v == NULL)
		return;
	pg = pick_part(v, &n);
	if (kind == 0)
		task_protect(t, pg, n, false, false);
	else if (kind < 3)
		task_protect(t, pg, n, true, false);
	else
		task_protect(t, v->start, v->end - v->start, true, true);
}

static void
do_mark(struct task *t)
{
	struct vma *v = pick_vma(t->proc);
	uint32_t n, pg, kind = sim_below(6);

	if (v == NULL || v->file || v->shared)
		return;
	pg = pick_part(v, &n);
	if (kind > 1)
		task_mark(t, v->start, v->end - v->start, false, false);
	else
		task_mark(t, pg, n, kind == 0, kind == 1);
}

/* A child that has no agent cannot say what was not given to it. */
static bool
has_marks(const struct proc *p)
{
	struct vma *v;

	TAILQ_FOREACH(v, &p->vmas, link) {
		if ((v->wipeonfork || v->dontfork) && !v->agent)
			return true;
	}
	return false;
}

static void
do_fork(struct task *t)
{
	bool raw = sim_one_in(4) && !has_marks(t->proc);

	if (session_unarmed(t->proc))
		return;
	if (program_alive() >= ALIVE_MAX || kernel.nprocs >= PROC_MAX - 8)
		return;
	if (!sim.opt.overtake && task_untold(t->proc, 0, SIM_PAGES))
		return;
	task_fork(t, raw);
}

static void
do_thread(struct task *t)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		if (!t->proc->tasks[i].live) {
			t->proc->tasks[i].live = true;
			return;
		}
	}
}

/* Calls that change mappings or throw contents away. */
static void
do_change(struct task *t)
{
	uint32_t r = sim_below(160);

	if (r < 50)
		do_advise(t);
	else if (r < 70)
		do_unmap(t);
	else if (r < 110)
		do_map(t);
	else if (r < 145)
		do_remap(t);
	else
		do_grow(t);
}

/* mlockall(2) touches everything, what is the agent's too. */
static void
do_lock(struct task *t)
{
	const struct agent *a = t->proc->agent;

	if (a->state != AGENT_NONE && a->state != AGENT_GONE && a->stage > 0)
		task_touch(t, OP_LOCK, a->stage + sim_below(16),
		    1 + sim_below(8));
}

/*
 * fork() has not returned in the child before its agent is ready: it does
 * nothing to its mappings.  That it touches memory is more than programs do.
 */
static bool
in_fork(const struct proc *p)
{
	return p->parent != NULL && (p->agent->state == AGENT_ANCHOR ||
					p->agent->state == AGENT_HELLO);
}

void
program_begin(struct task *t)
{
	bool forking = in_fork(t->proc);
	uint32_t r = sim_below(forking ? 770 : session_often ? 2200 : 1060);

	if (forking && t->proc->marked)
		return;
	if (r < 400)
		do_touch(t, OP_READ);
	else if (r < 770)
		do_touch(t, OP_WRITE);
	else if (r < 785)
		do_touch(t, OP_PIN);
	else if (r < 945)
		do_change(t);
	else if (r < 963)
		do_protect(t);
	else if (r < 970)
		do_mark(t);
	else if (r < 980)
		do_thread(t);
	else if (r < 992)
		do_fork(t);
	else if (r < 994)
		do_lock(t);
	else if (r >= 1000)
		session_begin(t);
	else if (program_alive() > 3)
		proc_kill(t->proc);
}

bool
program_step(struct proc *p)
{
	struct task *t = &p->tasks[sim_below(MAX_TASKS)];

	if (!p->running || !task_ready(t))
		return false;
	if (t->op == OP_NONE)
		program_begin(t);
	if (t->live && t->op != OP_NONE && task_ready(t))
		task_step(t);
	return true;
}

/* What another CPU does meanwhile: the kernel's part of it, too. */
static void
race_step(struct proc *p)
{
	if (settle_end_one(p))
		return;
	if (!p->running)
		return;
	if (sim_one_in(30))
		mm_pressure(p);
	else if (sim_one_in(3) && agent_ready(p->agent))
		agent_step(p->agent);
	else
		(void)program_step(p);
}

void
program_race(struct proc *p)
{
	static bool racing;

	if (racing || sim.settling || !sim_one_in(RACES))
		return;
	racing = true;
	for (uint32_t n = 1 + sim_below(8); n > 0; n--)
		race_step(sim_one_in(4) ? kernel.procs[sim_below(kernel.nprocs)]
					: p);
	racing = false;
}

void
program_sweep(struct task *t, uint32_t *cursor)
{
	struct vma *v;

	for (; *cursor < SIM_PAGES; ++*cursor) {
		v = vma_find(t->proc, *cursor);
		if (v == NULL || v->agent || v->fresh || !v->read)
			continue;
		task_touch(t, OP_READ, *cursor, v->end - *cursor);
		*cursor = v->end;
		return;
	}
}
