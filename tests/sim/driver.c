/*
 * driver.c: the seeded simulation of the fault plane
 *
 *	sim [--seed N] [--steps N] [--store SPEC] [--break NAME]
 *	    [--faults N] [--overtake] [--strict]
 *	    [--coverage] [--print] [--verbose]
 *
 * A run is a world of its own: some processes, a pager, so many random steps,
 * now and then a moment of quiet in which everything has to be right, and an
 * end at which nothing may be left.  With --coverage it ends as soon as all has
 * happened that is to happen, and fails if steps run out before.  SIM_STEPS in
 * the environment replaces --steps, TEST_SEED replaces --seed.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_fake.h"
#include "cover.h"
#include "ctx.h"
#include "fds.h"
#include "host.h"
#include "imagefiles.h"
#include "kernel.h"
#include "oracle.h"
#include "program.h"
#include "session.h"
#include "settle.h"
#include "sim.h"
#include "snap.h"
#include "store.h"
#include "task.h"

#define SETTLE_EVERY 1500
#define RUN_STEPS 10000 /* of one world */

static struct proc *
pick_proc(void)
{
	return kernel.procs[sim_below(kernel.nprocs)];
}

static bool
act_task(void)
{
	return program_step(pick_proc());
}

static bool
act_agent(void)
{
	struct proc *p = pick_proc();

	if (!p->running || !agent_ready(p->agent))
		return false;
	agent_step(p->agent);
	return true;
}

static bool
act_spurious(void)
{
	host_deliver_spurious();
	return true;
}

static bool
act_tick(void)
{
	if (host_due() || sim_one_in(4)) {
		host_tick();
		return true;
	}
	if (host.due_us - sim.now_us < 3000 && sim_one_in(3)) {
		sim.now_us = host.due_us;
		host_tick();
		return true;
	}
	return false;
}

static bool
act_dispatch(void)
{
	host_dispatch();
	return true;
}

static bool
act_end(void)
{
	return settle_end_one(pick_proc());
}

static bool
act_spawn(void)
{
	struct proc *p;

	if (program_alive() >= 4 && !sim_one_in(40))
		return false;
	if (program_alive() >= 7 || kernel.nprocs >= PROC_MAX - 8)
		return false;
	p = program_new();
	host_attach(p->agent, NULL);
	return true;
}

static bool
act_adopt(void)
{
	struct proc *p = pick_proc();

	if (!p->running || p->space == 0 || !sim_one_in(6))
		return false;
	host_adopt(p);
	return true;
}

static bool
act_mail(void)
{
	uint32_t r = sim_below(24);

	if (r < 4)
		host_foreign();
	else if (r < 6)
		host_reclaim();
	else if (r < 7)
		host_limit();
	else if (r < 9)
		host_ask_something();
	else if (r < 10)
		host_drain();
	else
		return false;
	return true;
}

static bool
act_pressure(void)
{
	struct proc *p = pick_proc();

	if (!p->running || !sim_one_in(10))
		return false;
	mm_pressure(p);
	return true;
}

static bool
act_signal(void)
{
	struct proc *p = pick_proc();
	struct task *t = &p->tasks[sim_below(MAX_TASKS)];

	if (!p->running || !sim_one_in(4))
		return false;
	task_signal(t);
	return true;
}

static bool
act_store(void)
{
	if (!sim_one_in(20))
		return false;
	store_plan.shut = sim_one_in(3);
	store_plan.full = sim_one_in(2) ? 30 : 0;
	store_plan.error = sim_one_in(2) ? 50 : 0;
	sim_trace("store shut %d full %u error %u", store_plan.shut,
	    store_plan.full, store_plan.error);
	return true;
}

/*
 * A process whose agent goes bad has only itself to blame; its relatives,
 * whose pages may be in its hands, are spared this.
 */
static bool
act_hostile(void)
{
	struct proc *p = pick_proc();
	struct agent *a = p->agent;

	if (!p->running || p->hostile || p->nforks > 0 || p->library ||
	    a->closed || !a->connected || a->state == AGENT_HELLO ||
	    !sim_one_in(200))
		return false;
	p->hostile = true;
	a->mood = sim_one_in(2) ? MOOD_SILENT : MOOD_GARBAGE;
	sim_trace("agent of %u goes bad: %d", p->pid, (int)a->mood);
	if (a->mood == MOOD_GARBAGE && sim_one_in(2))
		agent_send_garbage(a);
	return true;
}

/* => it does what takes it little of its time, and others must survive */
static bool
is_rare(const struct agent *a)
{
	return a->state == AGENT_FORKING || a->state == AGENT_DROPPING;
}

/*
 * Something kills the agent alone: the process lives on, and the daemon goes
 * on with what it has of it.
 */
static bool
act_agent_dies(void)
{
	struct proc *p = pick_proc();
	struct agent *a = p->agent;

	if (!p->running || p->holder || p->hostile || a->closed ||
	    !a->connected || a->state == AGENT_HELLO ||
	    !sim_one_in(is_rare(a) ? 20 : 400))
		return false;
	sim_trace("agent of %u dies alone", p->pid);
	agent_counts.deaths++;
	agent_kill(a);
	agent_exit(a);
	return true;
}

/* What hangs by its own fault is killed at some time, as people do. */
static bool
act_reap(void)
{
	struct proc *p = pick_proc();

	if (!p->running || !p->hostile || !sim_one_in(100))
		return false;
	proc_kill(p);
	return true;
}

static bool
act_hold(void)
{
	return sim_one_in(4) && snap_take(pick_proc());
}

/* SIGSTOP, as far as the daemon can tell; SIGCONT. */
static bool
act_stop_agent(void)
{
	struct proc *p = pick_proc();

	if (!sim_one_in(60))
		return false;
	agent_stop(p->agent);
	return true;
}

static bool
act_go_on(void)
{
	struct proc *p = pick_proc();

	if (!p->agent->stopped || !sim_one_in(8))
		return false;
	sim_trace("agent of %u goes on", p->pid);
	p->agent->stopped = false;
	return true;
}

static bool
act_busy_group(void)
{
	struct proc *p = snap_orphan();

	if (p == NULL || !sim_one_in(20))
		return false;
	host_close_group_of(p);
	return true;
}

static const struct action {
	uint32_t weight;
	bool (*run)(void);
} actions[] = {
	{ 500, act_task },
	{ 150, act_agent },
	{ 250, host_deliver },
	{ 10, act_spurious },
	{ 120, act_tick },
	{ 60, host_receive },
	{ 120, host_pack },
	{ 40, act_dispatch },
	{ 60, act_end },
	{ 10, act_spawn },
	{ 30, act_adopt },
	{ 20, act_mail },
	{ 20, act_pressure },
	{ 15, act_signal },
	{ 10, act_store },
	{ 20, act_hostile },
	{ 20, act_agent_dies },
	{ 20, act_reap },
	{ 15, act_hold },
	{ 80, snap_step },
	{ 10, snap_read },
	{ 10, snap_drop },
	{ 10, snap_keep },
	{ 10, snap_forget },
	{ 10, snap_kill },
	{ 10, snap_wait },
	{ 10, act_stop_agent },
	{ 10, act_go_on },
	{ 5, act_busy_group },
	{ 60, images_step },
	{ 60, store_step },
	{ 10, images_damage },
};
#define NACTIONS (sizeof(actions) / sizeof(actions[0]))

static void
step(void)
{
	uint32_t total = 0, r;

	for (size_t i = 0; i < NACTIONS; i++)
		total += actions[i].weight;
	for (uint32_t tries = 0; tries < 1000; tries++) {
		size_t i = 0;

		r = sim_below(total);
		while (r >= actions[i].weight)
			r -= actions[i++].weight;
		if (actions[i].run())
			break;
	}
	sim.now_us += sim_below(60);
}

static void
born(struct proc *c)
{
	sim_trace("process %u is born", c->pid);
	if (!c->raw && vma_find(c, c->anchor) != NULL)
		agent_start_forked(c->agent);
}

static void
sigbus(struct proc *p, uint32_t pg)
{
	sim_trace("SIGBUS in %u of %u", pg, p->pid);
	if (p->hostile || oracle_any(p, pg, store_is_bad))
		return;
	if (snap_may_be_lost(vma_find(p, pg)->clone_of, pg)) {
		snap_counts.bus++;
		return;
	}
	if (images_may_fail(p, pg)) {
		images_counts.bus++;
		return;
	}
	sim_fail("page %u of %u was poisoned, its bytes were not lost", pg,
	    p->pid);
}

static void
lost(struct agent *a)
{
	if (!a->proc->hostile)
		sim_fail("the agent of %u was left alone", a->proc->pid);
}

static void
world_open(const char *store)
{
	task_born = born;
	task_sigbus = sigbus;
	agent_lost = lost;
	agent_hello = host_attach;
	agent_holds = snap_hello;
	kernel.race = program_race;
	kernel.leaving = false;
	sim.settling = false;
	session_reset();
	host_open(store);
	if (sim_one_in(2))
		store_plan.bad = 80;
	store_plan.narrow = sim_one_in(4);
	store_plan.slow = sim_one_in(2);
	for (uint32_t n = 2 + sim_below(2); n > 0; n--)
		host_attach(program_new()->agent, NULL);
}

static void
world_close(void)
{
	host_close();
	images_reset();
	kernel_reset();
	snap_reset();
	frames_reset();
	ctx_reset();
	fds_reset();
	store_reset();
}

/* One world, from its beginning to its end. */
static void
run(uint64_t from, uint64_t steps, const char *store)
{
	sim_dice(from);
	sim_trace("a new world");
	world_open(store);
	for (uint64_t i = 1; i < steps; i++) {
		sim_dice(from + i);
		step();
		if (i % SETTLE_EVERY == 0)
			settle_check();
	}
	settle_finish(from / RUN_STEPS);
	world_close();
}

struct settings {
	const char *store;
	bool verbose, coverage;
};

static void
run_all(const struct settings *s)
{
	static const char *const stores[] = { "ram", "null", "ram:128K,null" };
	uint64_t done = 0, n = 0;

	while (done < sim.opt.steps && !(s->coverage && cover_complete())) {
		uint64_t left = sim.opt.steps - done;

		left = left < RUN_STEPS ? left : RUN_STEPS;
		run(done, left, s->store != NULL ? s->store : stores[n++ % 3]);
		done += left;
	}
}

static uint64_t
number(const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 0);

	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "sim: '%s' is not a number\n", text);
		exit(2);
	}
	return n;
}

static void
usage(void)
{
	fprintf(stderr,
	    "usage: sim [--seed N] [--steps N] [--store SPEC] [--break NAME]\n"
	    "           [--faults N] [--overtake] [--strict]\n"
	    "           [--coverage] [--print] [--verbose]\n"
	    "what --break can break:");
	for (int i = 1; i < BREAK_COUNT; i++)
		fprintf(stderr, " %s", sim_break_name((enum sim_break)i));
	fputc('\n', stderr);
	exit(2);
}

static void
parse(int argc, char **argv, struct settings *s)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "steps", required_argument, NULL, 'n' },
		{ "store", required_argument, NULL, 'S' },
		{ "break", required_argument, NULL, 'b' },
		{ "faults", required_argument, NULL, 'f' },
		{ "overtake", no_argument, NULL, 'o' },
		{ "strict", no_argument, NULL, 'x' },
		{ "coverage", no_argument, NULL, 'c' },
		{ "print", no_argument, NULL, 'p' },
		{ "verbose", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			sim.opt.seed = number(optarg);
		else if (c == 'n')
			sim.opt.steps = number(optarg);
		else if (c == 'S')
			s->store = optarg;
		else if (c == 'f')
			sim.opt.faults = (uint32_t)number(optarg);
		else if (c == 'o')
			sim.opt.overtake = true;
		else if (c == 'x')
			sim.opt.strict = true;
		else if (c == 'c')
			s->coverage = true;
		else if (c == 'p')
			sim.opt.print = true;
		else if (c == 'v')
			s->verbose = true;
		else if (c != 'b' ||
			 sim_break_parse(optarg, &sim.opt.breaks) != 0)
			usage();
	}
	if (optind != argc)
		usage();
}

int
main(int argc, char **argv)
{
	struct settings s = { 0 };
	const char *env;

	sim.opt.seed = 1;
	sim.opt.steps = 20000;
	sim.opt.faults = 64;
	if ((env = getenv("TEST_SEED")) != NULL)
		sim.opt.seed = number(env);
	parse(argc, argv, &s);
	if ((env = getenv("SIM_STEPS")) != NULL)
		sim.opt.steps = number(env);
	sim_catch_aborts();
	run_all(&s);
	printf("seed %llu: %llu steps\n", (unsigned long long)sim.opt.seed,
	    (unsigned long long)sim.opt.steps);
	if (s.verbose)
		cover_print();
	return s.coverage && cover_missing() > 0 ? 1 : 0;
}
