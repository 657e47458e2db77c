/*
 * settle.c: moments of quiet, and the end of a run
 *
 * In a moment of quiet no program begins anything, but whatever was begun goes
 * on until nothing can.  Whoever still waits then waits for ever: somebody
 * was not woken.
 */
#include "settle.h"

#include <stdio.h>
#include <string.h>

#include "agent_fake.h"
#include "ctx.h"
#include "fds.h"
#include "host.h"
#include "imagefiles.h"
#include "kernel.h"
#include "oracle.h"
#include "program.h"
#include "snap.h"
#include "store.h"
#include "task.h"

#define IDLE_US 20000000u /* so long has nothing happened: it is quiet */
#define IDLE_JUMPS 3000u
#define BUSY_MAX 2000000u

static uint64_t progress_us; /* when a program last got on */
static uint32_t jumps;       /* of the clock, since then */
static bool sweeping;
static uint32_t cursors[PROC_MAX];

static void
progress(void)
{
	progress_us = sim.now_us;
	jumps = 0;
}

bool
settle_end_one(struct proc *p)
{
	if (!p->ended || (!p->mm && p->agent->closed))
		return false;
	if (p->mm && snap_is_reading(p) && p->agent->closed)
		return false;
	if (p->mm && !snap_is_reading(p) &&
	    (p->agent->closed || sim_one_in(2))) {
		if (p->holder)
			snap_ends(p);
		proc_drop_mm(p);
	} else {
		agent_exit(p->agent);
	}
	return true;
}

static void
step_tasks(struct proc *p)
{
	for (uint32_t i = 0; i < MAX_TASKS && p->running; i++) {
		struct task *t = &p->tasks[i];

		if (!task_ready(t))
			continue;
		if (t->op == OP_NONE && sweeping && i == 0)
			program_sweep(t, &cursors[p->pid - 1]);
		if (t->op != OP_NONE && sim_one_in(2))
			task_step(t);
	}
}

static bool
tasks_ready(const struct proc *p)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		if (task_ready(&p->tasks[i]) && p->tasks[i].op != OP_NONE)
			return true;
	}
	return sweeping && task_ready(&p->tasks[0]) &&
	       cursors[p->pid - 1] < SIM_PAGES;
}

static bool
step_procs(void)
{
	bool any = false;

	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		struct proc *p = kernel.procs[i];

		if (p->running && tasks_ready(p)) {
			step_tasks(p);
			progress();
			any = true;
		}
		if (p->running && agent_ready(p->agent)) {
			any = true;
			if (sim_one_in(2))
				agent_step(p->agent);
		}
		if (settle_end_one(p)) {
			progress();
			any = true;
		}
	}
	return any;
}

/*
 * Everything that can happen without the clock.  What agents do is no progress
 * by itself: they may be asked again and again for pages that cannot go.
 */
static bool
step_all(void)
{
	bool any = step_procs();

	if (snap_step_all()) {
		progress();
		any = true;
	}
	if (sim_one_in(2) && (images_step() || store_step()))
		any = true;
	if (host_receive() || host_pack())
		any = true;
	while (sim_one_in(2) && host_deliver())
		any = true;
	if (!any && (host_deliver() || images_step() || store_step()))
		any = true;
	host_dispatch();
	if (host_due()) {
		host_tick();
		any = any || !host_due();
	}
	return any;
}

static bool
hangs(const struct proc *p)
{
	if (!p->running)
		return false;
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		if (task_blocked(&p->tasks[i]))
			return true;
	}
	return p->agent->w.state != WAIT_IDLE;
}

/* => something goes on, if only the clock does */
static bool
settle_once(void)
{
	sim.now_us += sim_below(20);
	if (step_all() || snap_unstick(host.due_us == UINT64_MAX || jumps > 20))
		return true;
	if (host.due_us == UINT64_MAX)
		return false;
	if (host.due_us > sim.now_us) {
		sim.now_us = host.due_us;
		jumps++;
	}
	host_tick();
	return true;
}

static void
settle(void)
{
	uint32_t busy = 0;

	sim.settling = true;
	progress();
	while (settle_once() && sim.now_us < progress_us + IDLE_US &&
	       jumps < IDLE_JUMPS) {
		if (++busy == BUSY_MAX)
			sim_fail("it never becomes quiet");
	}
	sim.settling = false;
	sim_trace("quiet");
}

static void
trace_hanging(const struct proc *p)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		const struct task *t = &p->tasks[i];

		if (task_blocked(t))
			sim_trace("task %u.%u waits at %u, state %d since %llu",
			    p->pid, i, page_of(t->w.msg.addr), (int)t->w.state,
			    (unsigned long long)t->w.since);
	}
	if (p->agent->w.state != WAIT_IDLE)
		sim_trace("agent of %u waits at %u, state %d", p->pid,
		    page_of(p->agent->w.msg.addr), (int)p->agent->w.state);
}

static void
check_waiters(void)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		struct proc *p = kernel.procs[i];

		if (p->hostile || !hangs(p))
			continue;
		trace_hanging(p);
		sim_fail("process %u waits and nobody wakes it", p->pid);
	}
	if (snap_is_hanging())
		sim_fail("who reads a snapshot waits and nobody wakes it");
}

static bool
adoptable(const struct proc *p)
{
	return p->running && !p->raw && !p->hostile && !p->holder &&
	       p->space != 0 && p->agent->state == AGENT_IDLE &&
	       !p->agent->stopped;
}

/*
 * Memory that nobody counts would not be kept within any budget: it makes
 * itself known by a write.  What lives on after MADV_FREE may have been written
 * before that write was to fault.
 */
static void
check_known(const struct proc *p, const struct vma *v, uint32_t pg)
{
	const struct pte *e = &p->pte[pg];

	if (e->frame == NULL || e->file || v->ctx == NULL || !adoptable(p) ||
	    host_knows(p->space, addr_of(pg)))
		return;
	if (!e->wp && (e->lazy || !e->loose))
		sim_fail("process %u has page %u and nobody knows", p->pid, pg);
}

static const uint8_t *
file_data(const struct vma *v, uint32_t pg)
{
	const struct frame *f = v->memfile->frames[vma_file_page(v, pg)];

	return f != NULL ? f->data : NULL;
}

/* A fork does not freeze what is shared: no snapshot has it. */
static bool
is_checked(const struct proc *p, const struct vma *v)
{
	return !v->agent && !v->fresh &&
	       !(p->holder && v->memfile != NULL && v->shared);
}

/*
 * What is in memory has to be right; what is not, too, where nobody but the
 * kernel would fill it.
 */
static void
check_page(struct proc *p, const struct vma *v, uint32_t pg)
{
	static const uint8_t zeros[PAGE_SIZE];
	const struct pte *e = &p->pte[pg];
	const uint8_t *data = pte_data(e);

	if (e->poison || (data == NULL && v->ctx != NULL))
		return;
	if (data == NULL && v->memfile != NULL)
		data = file_data(v, pg);
	if (data == NULL)
		data = zeros;
	if (oracle_allows(p, pg, data))
		return;
	oracle_describe(p, pg, data);
	sim_fail("process %u has wrong bytes in page %u", p->pid, pg);
}

static void
check_memory(void)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		struct proc *p = kernel.procs[i];
		struct vma *v;

		if (!p->mm || p->hostile || p->ended ||
		    (p->holder && !snap_is_ready(p)))
			continue;
		TAILQ_FOREACH(v, &p->vmas, link) {
			if (!is_checked(p, v))
				continue;
			for (uint32_t pg = v->start; pg < v->end; pg++) {
				check_page(p, v, pg);
				check_known(p, v, pg);
			}
		}
	}
}

static void
check_all(void)
{
	check_waiters();
	check_memory();
	host_check_model();
	host_check();
	settle();
	host_check_answered();
}

static void
kill_hostile(void)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		struct proc *p = kernel.procs[i];

		if (p->running && p->hostile)
			proc_kill(p);
	}
}

void
settle_check(void)
{
	settle();
	check_all();
}

static void
sweep(void)
{
	memset(cursors, 0, sizeof(cursors));
	sweeping = true;
	snap_read_all();
	settle();
	check_all();
	sweeping = false;
}

static void
kill_all(void)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++)
		if (kernel.procs[i]->running)
			proc_kill(kernel.procs[i]);
}

/* Nothing is ours any more: the programs go on as if we had never been. */
static void
check_released(void)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		struct proc *p = kernel.procs[i];
		struct vma *v;

		if (!p->running || p->hostile)
			continue;
		TAILQ_FOREACH(v, &p->vmas, link) {
			if (v->ctx != NULL)
				sim_fail("%u..%u of %u is registered still",
				    v->start, v->end, p->pid);
		}
	}
}

static bool
is_forking(const struct proc *p)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		if (p->tasks[i].op == OP_FORK)
			return true;
	}
	return false;
}

/* Who has not said HELLO yet cannot say what it did not inherit. */
static bool
somebody_forks(void)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		const struct proc *p = kernel.procs[i];

		if (is_forking(p))
			return true;
		if (!p->holder && (p->agent->state == AGENT_ANCHOR ||
				      p->agent->state == AGENT_HELLO))
			return true;
	}
	return false;
}

/* Snapshots are wanted, or under way, and agents stopped, when it comes. */
static void
hold_some(void)
{
	for (uint32_t n = sim_below(60); n > 0; n--) {
		struct proc *p = kernel.procs[sim_below(kernel.nprocs)];

		if (sim_one_in(10))
			(void)snap_take(p);
		if (sim_one_in(20))
			agent_stop(p->agent);
		(void)snap_step_all();
		(void)host_receive();
		if (p->running && agent_ready(p->agent))
			agent_step(p->agent);
	}
}

/* The daemon waits for what a stopped agent was to drop. */
static void
continue_all(void)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++)
		kernel.procs[i]->agent->stopped = false;
}

/* A silent agent would keep the daemon waiting: it is killed after a while. */
static void
stop(void)
{
	if (sim_one_in(2) || somebody_forks())
		settle();
	hold_some();
	if (sim_one_in(2))
		images_hang();
	host_stop();
	settle();
	if (!host.stopped) {
		kill_hostile();
		continue_all();
		settle();
	}
	if (!host.stopped)
		sim_fail("the stop is not answered");
	if (snap_any_alive())
		sim_fail("a holder goes on after the stop");
	check_released();
	check_waiters();
	check_memory();
	sweep();
}

void
settle_finish(uint64_t how)
{
	if (how % 3 == 0) {
		stop();
	} else if (how % 3 == 1) {
		settle_check();
		sweep();
	}
	kill_all();
	settle();
	host_check_model();
	host_stats();
	host_check_empty();
	host_close_groups();
}
