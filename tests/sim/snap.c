/*
 * snap.c: snapshots: the control plane's side of them, and who reads them
 */
#include "snap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent_fake.h"
#include "fds.h"
#include "host.h"
#include "oracle.h"
#include "task.h"
#include "vm.h"

#define FREEZE_US 2000000u
#define HOLD_US 2000000u  /* as in src/fault/hold.c */
#define HELLO_US 5000000u /* client_timeout_ms */
#define HOLDERS_MAX 4u
#define PAGES 8u /* read in one step */

static TAILQ_HEAD(, snap) snaps = TAILQ_HEAD_INITIALIZER(snaps);
struct snap_counts snap_counts;

static void
enter(struct snap *s, enum snap_state state)
{
	sim_trace("snapshot of %u: state %d, now %d", s->of->pid, (int)s->state,
	    (int)state);
	s->state = state;
	s->since_us = sim.now_us;
}

static void
thaw(struct snap *s)
{
	SIM_CHECK(s->of->frozen || sim.opt.breaks == BREAK_HOLD_THAW);
	s->of->frozen = false;
}

/* Our end is closed: a holder that has nobody to talk to ends. */
static void
hang_up(struct snap *s)
{
	s->closed = true;
	enter(s, SNAP_OVER);
	if (s->holder == NULL || s->holder->agent->closed ||
	    s->holder->agent->connected)
		return;
	s->holder->agent->daemon_closed = true;
	s->holder->agent->connected = true;
}

static uint32_t
holders(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < kernel.nprocs; i++)
		n += kernel.procs[i]->holder && kernel.procs[i]->running;
	return n;
}

bool
snap_take(struct proc *p)
{
	struct snap *s;

	if (!p->running || p->holder || p->frozen || p->space == 0 ||
	    host.stopping || holders() >= HOLDERS_MAX)
		return false;
	s = calloc(1, sizeof(*s));
	s->of = p;
	s->mail.sock = -1;
	s->state = SNAP_FREEZE;
	s->since_us = sim.now_us;
	p->frozen = true;
	TAILQ_INSERT_TAIL(&snaps, s, link);
	snap_counts.asked++;
	sim_trace("snapshot of %u is wanted", p->pid);
	return true;
}

static void
count_result(struct snap *s, int result)
{
	switch (result) {
	case 0:
		snap_counts.taken++;
		break;
	case -ETIMEDOUT:
		snap_counts.timed_out++;
		break;
	case -ESHUTDOWN:
		snap_counts.stopping++;
		break;
	case -EAGAIN:
	case -ENOMEM:
		snap_counts.refused++;
		break;
	case -ESRCH:
	case -EBUSY:
	case -EOPNOTSUPP:
	case -EPIPE:
		break;
	default:
		sim_fail("HOLD of %u ends with %d", s->of->pid, result);
	}
}

static void
held(struct mail *m)
{
	struct snap *s = (struct snap *)m;

	host_answered(m);
	SIM_CHECK(s->state == SNAP_ASKED);
	thaw(s);
	fds_close(s->mail.sock);
	count_result(s, m->result);
	if (m->result == 0 && s->holder == NULL && !s->of->hostile)
		sim_fail("HOLD of %u succeeded, there is no holder",
		    s->of->pid);
	if (m->result < 0 || s->holder == NULL)
		hang_up(s);
	else
		enter(s, SNAP_HELLO);
}

static void
ask(struct snap *s)
{
	s->mail.space = s->of->space;
	s->mail.sock = fds_open(FD_HOLD, s);
	enter(s, SNAP_ASKED);
	if (sim.opt.breaks == BREAK_HOLD_THAW)
		s->of->frozen = false;
	host_ask(&s->mail.m, MAIL_HOLD, held);
}

static void
give_up_freezing(struct snap *s)
{
	snap_counts.unfrozen++;
	thaw(s);
	hang_up(s);
}

/*
 * PTRACE_INTERRUPT: who waits for a page on its own behalf is interrupted; a
 * system call that waits for one, or for an event to be read, is not.
 */
static bool
step_freeze(struct snap *s)
{
	struct task *t = &s->of->tasks[sim_below(MAX_TASKS)];

	if (!s->of->running || sim.now_us >= s->since_us + FREEZE_US) {
		give_up_freezing(s);
		return true;
	}
	if (tasks_still(s->of)) {
		ask(s);
		return true;
	}
	if ((t->op == OP_READ || t->op == OP_WRITE) && task_blocked(t) &&
	    t->w.state != WAIT_EVENT_UNREAD && sim_one_in(4)) {
		task_signal(t);
		return true;
	}
	return false;
}

/* What it has sent stays in its connection, though it may have ended since. */
static bool
step_hello(struct snap *s)
{
	struct agent *a = s->holder->agent;

	if (a->closed || sim.now_us >= s->since_us + HELLO_US) {
		hang_up(s);
		return true;
	}
	if (!s->hello)
		return false;
	s->hello = false;
	host_attach(a, &s->anchor);
	return true;
}

static bool
step_ready(struct snap *s)
{
	if (s->holder->running)
		return false;
	enter(s, SNAP_OVER);
	return true;
}

/* A page of it; what cannot be read is passed over, as an export does. */
static bool
read_page(struct snap *s, struct vma *v)
{
	struct proc *p = s->holder;
	enum access_result r = mm_access(p, s->pg, false);

	if (r == ACCESS_MISSING || r == ACCESS_MINOR) {
		snap_counts.waits++;
		ctx_fault(v->ctx, &s->w, addr_of(s->pg), mm_kind(r), false);
		return false;
	}
	if (r == ACCESS_BUS)
		task_sigbus(p, s->pg);
	if (r == ACCESS_DONE && !p->hostile) {
		oracle_read(p, s->pg, pte_data(&p->pte[s->pg]));
		snap_counts.pages++;
	}
	s->pg++;
	return true;
}

static void
read_end(struct snap *s)
{
	sim_trace("snapshot of %u was read", s->of->pid);
	s->reading = false;
	snap_counts.reads++;
	snap_counts.outlived += !s->of->running;
	snap_counts.last += !s->holder->running;
}

/* What is shared is not frozen: no snapshot has it. */
static bool
is_passed(const struct vma *v)
{
	return v->agent || (v->memfile != NULL && v->shared);
}

/* => false: it waits for a page */
static bool
step_reader(struct snap *s)
{
	if (s->w.state == WAIT_WOKEN)
		s->w.state = WAIT_IDLE;
	if (s->w.state != WAIT_IDLE)
		return false;
	for (uint32_t n = 0; n < PAGES; n++) {
		struct vma *v = NULL;

		while (s->pg < SIM_PAGES && (v == NULL || is_passed(v))) {
			v = vma_find(s->holder, s->pg);
			if (v == NULL)
				s->pg++;
			else if (is_passed(v))
				s->pg = v->end;
		}
		if (s->pg >= SIM_PAGES) {
			read_end(s);
			return true;
		}
		if (!read_page(s, v))
			return true;
	}
	return true;
}

static bool
step(struct snap *s)
{
	bool any = s->reading && step_reader(s);

	switch (s->state) {
	case SNAP_FREEZE:
		return step_freeze(s) || any;
	case SNAP_HELLO:
		return step_hello(s) || any;
	case SNAP_READY:
		return step_ready(s) || any;
	case SNAP_ASKED:
	case SNAP_OVER:
		break;
	}
	return any;
}

bool
snap_step(void)
{
	struct snap *s;

	TAILQ_FOREACH(s, &snaps, link) {
		if (sim_one_in(2) && step(s))
			return true;
	}
	return false;
}

bool
snap_step_all(void)
{
	struct snap *s;
	bool any = false;

	TAILQ_FOREACH(s, &snaps, link)
		any = step(s) || any;
	return any;
}

/* => one that somebody can read, at random; or NULL */
static struct snap *
pick(void)
{
	struct snap *s, *one = NULL;
	uint32_t n = 0;

	TAILQ_FOREACH(s, &snaps, link) {
		if (s->state == SNAP_READY && s->holder->mm &&
		    sim_below(++n) == 0)
			one = s;
	}
	return one;
}

static void
begin_reading(struct snap *s)
{
	if (s->reading || s->forgotten)
		return;
	s->reading = true;
	s->pg = 0;
}

bool
snap_read(void)
{
	struct snap *s = pick();

	if (s == NULL || s->reading || s->forgotten || !sim_one_in(4))
		return false;
	begin_reading(s);
	return true;
}

void
snap_read_all(void)
{
	struct snap *s;

	TAILQ_FOREACH(s, &snaps, link) {
		if (s->state == SNAP_READY && s->holder->mm)
			begin_reading(s);
	}
}

bool
snap_drop(void)
{
	struct snap *s = pick();

	if (s == NULL || !s->holder->running || !sim_one_in(30))
		return false;
	snap_counts.dropped++;
	proc_kill(s->holder);
	enter(s, SNAP_OVER);
	return true;
}

struct asked {
	struct mail_snapshot m;
	struct snap *s;
};

static void
done_keep(struct mail *m)
{
	struct asked *t = (struct asked *)m;

	host_answered(m);
	if (m->result < 0 && t->s->holder->running && !t->s->holder->hostile)
		sim_fail("%u is no snapshot: %d", t->s->holder->pid, m->result);
	t->s->clonable = m->result == 0;
	snap_counts.kept += m->result == 0;
	free(t);
}

static void
done_forget(struct mail *m)
{
	struct asked *t = (struct asked *)m;

	host_answered(m);
	if (m->result < 0 && t->s->holder->running && !t->s->holder->hostile)
		sim_fail("%u is not forgotten: %d", t->s->holder->pid,
		    m->result);
	snap_counts.forgotten += m->result == 0;
	free(t);
}

static void
ask_of(struct snap *s, enum mail_op op, void (*done)(struct mail *))
{
	struct asked *t = calloc(1, sizeof(*t));

	t->s = s;
	t->m.space = s->holder->space;
	sim_trace("mail %d of holder %u", (int)op, s->holder->pid);
	host_ask(&t->m.m, op, done);
}

bool
snap_keep(void)
{
	struct snap *s = pick();

	if (s == NULL || s->mem == NULL || s->keeping || !s->holder->running ||
	    s->holder->hostile || host.stopping || sim_one_in(4))
		return false;
	s->keeping = true;
	ask_of(s, MAIL_SNAPSHOT, done_keep);
	return true;
}

/* Who reads it would read zeros when our userfaultfd is closed. */
bool
snap_forget(void)
{
	struct snap *s = pick();

	if (s == NULL || !s->clonable || s->forgotten || s->reading ||
	    !s->holder->running || host.stopping || !sim_one_in(40))
		return false;
	s->forgotten = true;
	ask_of(s, MAIL_FORGET, done_forget);
	return true;
}

/* A name may still mean one that was forgotten a moment ago. */
struct snap *
snap_clonable(uint32_t uid)
{
	struct snap *s, *one = NULL;
	uint32_t n = 0;

	TAILQ_FOREACH(s, &snaps, link) {
		if (!s->clonable || s->holder->uid != uid ||
		    (s->forgotten && !sim_one_in(8)))
			continue;
		if (sim_below(++n) == 0)
			one = s;
	}
	return one;
}

uint64_t
snap_space(const struct snap *s)
{
	return s->holder->space;
}

struct opage **
snap_memory(const struct snap *s)
{
	return s->mem;
}

bool
snap_may_be_lost(const struct snap *s, uint32_t pg)
{
	for (; s != NULL; s = s->base[pg]) {
		if (s->only[pg])
			return true;
	}
	return false;
}

bool
snap_kill(void)
{
	struct proc *p = kernel.procs[sim_below(kernel.nprocs)];

	if (!p->holder || !p->running || !sim_one_in(60))
		return false;
	sim_trace("holder %u is killed", p->pid);
	snap_counts.died++;
	proc_kill(p);
	return true;
}

bool
snap_wait(void)
{
	struct snap *s;

	TAILQ_FOREACH(s, &snaps, link) {
		if (s->state != SNAP_ASKED ||
		    !(s->of->agent->stopped || s->of->hostile) ||
		    !sim_one_in(20))
			continue;
		sim.now_us += HOLD_US;
		host_tick();
		return true;
	}
	return false;
}

/* Of what is stopped, holders that have never spoken may stay so. */
static bool
continue_one(bool must)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		struct proc *p = kernel.procs[i];

		if (!p->running || !p->agent->stopped ||
		    (p->holder && !p->agent->connected))
			continue;
		if (!must && !sim_one_in(8))
			continue;
		sim_trace("agent of %u goes on", p->pid);
		p->agent->stopped = false;
		return true;
	}
	return false;
}

bool
snap_unstick(bool must)
{
	struct snap *s;

	if (continue_one(must))
		return true;
	TAILQ_FOREACH(s, &snaps, link) {
		if (!must && !sim_one_in(8))
			continue;
		if (s->state == SNAP_FREEZE) {
			give_up_freezing(s);
			return true;
		}
		if (s->state == SNAP_HELLO && !s->hello &&
		    s->holder->agent->state != AGENT_HELLO) {
			snap_counts.mute++;
			hang_up(s);
			return true;
		}
	}
	return false;
}

bool
snap_is_reading(const struct proc *p)
{
	struct snap *s;

	TAILQ_FOREACH(s, &snaps, link) {
		if (s->holder == p && s->reading)
			return true;
	}
	return false;
}

bool
snap_is_ready(const struct proc *holder)
{
	struct snap *s;

	TAILQ_FOREACH(s, &snaps, link) {
		if (s->holder == holder && s->state == SNAP_READY)
			return true;
	}
	return false;
}

bool
snap_is_hanging(void)
{
	struct snap *s;

	TAILQ_FOREACH(s, &snaps, link) {
		if (s->reading && !s->holder->hostile) {
			sim_trace("reader of %u waits at %u, state %d",
			    s->holder->pid, s->pg, (int)s->w.state);
			return true;
		}
	}
	return false;
}

bool
snap_any_alive(void)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		const struct proc *p = kernel.procs[i];

		if (p->holder && p->running && !p->hostile &&
		    !p->agent->stopped && p->agent->state != AGENT_NONE)
			return true;
	}
	return false;
}

struct proc *
snap_orphan(void)
{
	struct snap *s;

	TAILQ_FOREACH(s, &snaps, link) {
		if (s->state == SNAP_READY && s->holder->running &&
		    !s->holder->hostile && !s->forgotten && !s->of->running)
			return s->holder;
	}
	return NULL;
}

void
snap_reset(void)
{
	struct snap *s;

	while ((s = TAILQ_FIRST(&snaps)) != NULL) {
		TAILQ_REMOVE(&snaps, s, link);
		if (s->mem != NULL)
			oracle_forget(s->mem, SIM_PAGES);
		free(s->mem);
		free(s->base);
		free(s);
	}
}

static struct snap *
of_holder(const struct proc *p)
{
	struct snap *s;

	TAILQ_FOREACH(s, &snaps, link) {
		if (s->holder == p)
			return s;
	}
	sim_fail("%u holds no snapshot", p->pid);
}

/* => from the holder: nobody listens any more, or the bytes are on their way */
void
snap_hello(struct agent *a, const struct pagerd_anchor *anchor)
{
	struct snap *s = of_holder(a->proc);

	a->state = AGENT_HELLO;
	sim_trace("holder %u says HELLO%s", a->proc->pid,
	    s->closed ? " to nobody" : "");
	if (s->closed) {
		snap_counts.late++;
		proc_kill(a->proc);
		return;
	}
	s->anchor = *anchor;
	s->hello = true;
}

/* A holder never changes; it may end before its clones do. */
static void
remember(struct snap *s)
{
	struct vma *v;

	s->mem = oracle_keep(s->holder);
	s->base = calloc(SIM_PAGES, sizeof(struct snap *));
	TAILQ_FOREACH(v, &s->holder->vmas, link) {
		for (uint32_t pg = v->start; pg < v->end; pg++)
			s->base[pg] = v->clone_of;
	}
}

bool
snap_is_over(const struct proc *holder)
{
	return of_holder(holder)->forgotten;
}

void
snap_ends(struct proc *holder)
{
	struct snap *s = of_holder(holder);

	for (uint32_t pg = 0; s->mem != NULL && pg < SIM_PAGES; pg++) {
		if (s->only[pg] ||
		    !host_is_only_copy(holder->space, addr_of(pg)))
			continue;
		s->only[pg] = true;
		snap_counts.lost++;
	}
}

void
snap_attached(struct proc *holder, int result)
{
	struct snap *s = of_holder(holder);

	if (s->state != SNAP_HELLO)
		return;
	s->closed = true; /* the fault plane has it now */
	enter(s, result == 0 ? SNAP_READY : SNAP_OVER);
	if (result == 0 && holder->mm)
		remember(s);
}

int __wrap_space_fork(struct vm *, struct space *, struct space *);
int __real_space_fork(struct vm *, struct space *, struct space *);

static bool
forks_holder(uint64_t space)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		const struct proc *p = kernel.procs[i];

		if (p->space == space && p->agent->state == AGENT_FORKING)
			return true;
	}
	return false;
}

int
__wrap_space_fork(struct vm *vm, struct space *parent, struct space *child)
{
	if (sim.opt.breaks == BREAK_HOLD_SLOTS && forks_holder(parent->rec->id))
		return 0;
	return __real_space_fork(vm, parent, child);
}
