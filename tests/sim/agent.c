/*
 * agent.c: src/io/agent.h on fake sockets, and the agents behind them
 */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent_fake.h"
#include "fds.h"
#include "kernel.h"
#include "session.h"
#include "snap.h"
#include "task.h"

#define AREA_PAGES 3u
#define QUEUE_MAX 4u

struct agent_counts agent_counts;
void (*agent_hello)(struct agent *, const struct pagerd_anchor *);
void (*agent_holds)(struct agent *, const struct pagerd_anchor *);
void (*agent_lost)(struct agent *);

void
agent_init(struct agent *a, struct proc *p)
{
	memset(a, 0, sizeof(*a));
	a->proc = p;
	TAILQ_INIT(&a->in);
	TAILQ_INIT(&a->out);
}

static void
packet_free(struct packet *k)
{
	if (k != NULL && k->ctx != NULL)
		ctx_put(k->ctx);
	free(k);
}

static void
drop_packets(struct packet_list *list)
{
	struct packet *k;

	while ((k = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, k, link);
		packet_free(k);
	}
}

void
agent_reset(struct agent *a)
{
	drop_packets(&a->in);
	drop_packets(&a->out);
	packet_free(a->current);
	packet_free(a->answer);
	a->current = a->answer = NULL;
}

bool
agent_map_area(struct agent *a)
{
	struct proc *p = a->proc;
	uint32_t from = SIM_PAGES / 2 + sim_below(200);
	struct vma *v;

	a->area_len = AREA_PAGES + PAGERD_STAGE_PAGES + 1;
	a->area = vma_gap(p, from, ARENA_START, a->area_len);
	if (a->area == SIM_PAGES)
		return false;
	a->stage = a->area + AREA_PAGES;
	a->spare = a->stage + PAGERD_STAGE_PAGES;
	v = vma_map(p, a->area, a->area + a->area_len);
	v->dontfork = v->agent = true;
	a->stage_ctx = ctx_new(p, false);
	ctx_get(a->stage_ctx);
	return true;
}

bool
agent_map_anchor(struct agent *a)
{
	struct proc *p = a->proc;
	struct vma *v;

	p->anchor = vma_gap(p, SIM_PAGES / 2, SIM_PAGES, 1);
	if (p->anchor == SIM_PAGES)
		return false;
	v = vma_map(p, p->anchor, p->anchor + 1);
	v->wipeonfork = v->agent = true;
	p->main = a->main_ctx = ctx_new(p, true);
	ctx_get(a->main_ctx);
	return true;
}

void
agent_start_forked(struct agent *a)
{
	a->state = AGENT_ANCHOR;
}

bool
agent_ready(const struct agent *a)
{
	if (a->state == AGENT_NONE || a->state == AGENT_GONE || a->stopped)
		return false;
	if (a->w.state != WAIT_IDLE && a->w.state != WAIT_WOKEN)
		return a->state == AGENT_DROPPING && a->daemon_closed;
	if (a->state == AGENT_HELLO && !a->connected)
		return false; /* the daemon has not looked at HELLO yet */
	if (a->state == AGENT_HELLO || a->state == AGENT_IDLE)
		return a->daemon_closed ||
		       (a->mood != MOOD_SILENT && !TAILQ_EMPTY(&a->in));
	return a->mood != MOOD_SILENT || a->daemon_closed;
}

/* Its end of everything is closed. */
static void
agent_close(struct agent *a)
{
	a->reset = !TAILQ_EMPTY(&a->in);
	drop_packets(&a->in);
	packet_free(a->current);
	packet_free(a->answer);
	a->current = a->answer = NULL;
	a->closed = true;
	a->arrivals++;
	a->state = AGENT_GONE;
	if (a->stage_ctx != NULL)
		ctx_put(a->stage_ctx);
	if (a->main_ctx != NULL)
		ctx_put(a->main_ctx);
	a->stage_ctx = a->main_ctx = NULL;
}

void
agent_refused(struct agent *a)
{
	sim_trace("agent of %u is refused", a->proc->pid);
	if (a->proc->holder)
		proc_kill(a->proc);
	else
		agent_close(a);
}

void
agent_stop(struct agent *a)
{
	if (!a->proc->running || a->closed || !a->connected || a->stopped ||
	    a->state == AGENT_HELLO)
		return;
	sim_trace("agent of %u is stopped", a->proc->pid);
	agent_counts.stops++;
	a->stopped = true;
}

/* The child never runs. */
static void
fork_fails(struct agent *a)
{
	if (a->child->main != NULL)
		ctx_change_end(a->proc->main);
	a->child->ended = true;
	a->child = NULL;
}

/* What waits for the event is another thread: this one goes on. */
static void
drop_ends(struct agent *a)
{
	ctx_cancel(&a->w);
	if (a->dropped > 0)
		ctx_change_end(a->proc->main);
	a->dropped = 0;
	a->told = false;
}

void
agent_kill(struct agent *a)
{
	if (a->state == AGENT_DROPPING) {
		agent_counts.drops_killed += a->dropped > 0;
		drop_ends(a);
	}
	ctx_cancel(&a->w);
	if (a->state == AGENT_FORKING && a->child != NULL) {
		agent_counts.forks_killed++;
		fork_fails(a);
	}
	a->state = AGENT_GONE;
}

void
agent_exit(struct agent *a)
{
	if (!a->closed)
		agent_close(a);
}

/* The daemon has gone without RELEASE: never wrong data. */
static void
lost(struct agent *a)
{
	struct proc *p = a->proc;

	sim_trace("agent of %u has lost the daemon", p->pid);
	/* Its snapshot was given up. */
	if (p->holder && (p->space == 0 || snap_is_over(p))) {
		proc_kill(p);
		return;
	}
	agent_lost(a);
	agent_counts.killed++;
	if (a->pages_out || p->holder)
		proc_kill(p);
	else
		agent_close(a);
}

static struct packet *
packet_new(uint16_t type, size_t size)
{
	struct packet *k = calloc(1, sizeof(*k));

	k->size = size;
	k->hdr = (struct pagerd_msg){
		.version = PAGERD_PROTOCOL_VERSION,
		.type = type,
		.size = (uint32_t)size,
	};
	return k;
}

static void
send(struct agent *a, struct packet *k)
{
	TAILQ_INSERT_TAIL(&a->out, k, link);
	a->arrivals++;
}

void
agent_send_garbage(struct agent *a)
{
	struct packet *k =
	    packet_new(PAGERD_MSG_MOVED, sizeof(struct pagerd_msg_moved));

	agent_counts.garbage++;
	sim_bytes(&k->moved.seq, sizeof(k->moved) - sizeof(k->hdr));
	switch (sim_below(6)) {
	case 0:
		sim_bytes(k->bytes, sizeof(k->bytes));
		break;
	case 1:
		k->hdr.version++;
		break;
	case 2:
		k->size = sim_below(8) + 1;
		break;
	case 3:
		k->fds = true;
		break;
	case 4:
		k->hdr.type = PAGERD_MSG_DONE;
		k->hdr.size = k->size = sizeof(struct pagerd_msg_done);
		break;
	default:
		break;
	}
	sim_trace("agent of %u sends garbage", a->proc->pid);
	send(a, k);
}

static void
answer(struct agent *a, struct packet *k)
{
	if (a->mood == MOOD_GARBAGE) {
		packet_free(k);
		agent_send_garbage(a);
	} else {
		send(a, k);
	}
	packet_free(a->current);
	a->current = a->answer = NULL;
	a->state = AGENT_IDLE;
	if (sim.opt.breaks == BREAK_ANSWER_LOST && a->daemon_closed)
		lost(a);
}

static void
answer_done(struct agent *a)
{
	struct packet *k =
	    packet_new(PAGERD_MSG_DONE, sizeof(struct pagerd_msg_done));

	k->done.seq = a->current->move.seq; /* the same place in EMPTY */
	k->done.result = a->result;
	answer(a, k);
}

static void
empty_staging(struct agent *a)
{
	agent_counts.empties++;
	mm_zap(a->proc, a->stage, a->stage + PAGERD_STAGE_PAGES);
}

/* What UFFDIO_MOVE refuses before it looks at pages. */
static int
move_check(const struct agent *a, uint32_t src, uint32_t dst, uint32_t n)
{
	const struct proc *p = a->proc;
	const struct vma *s = vma_find(p, src), *d = vma_find(p, dst);

	if (s == NULL || d == NULL || d->ctx != a->stage_ctx)
		return ENOENT;
	if (s->end < src + n || d->end < dst + n)
		return EINVAL;
	if (s->memfile != NULL)
		sim_fail("agent of %u is asked for a page of a file", p->pid);
	if (!s->read || !s->write || s->shared || s->file)
		return EINVAL;
	return 0;
}

static int
capture(struct agent *a, uint32_t src, uint32_t dst)
{
	struct proc *p = a->proc;

	switch (mm_capture(p, src, dst)) {
	case MOVE_BUSY:
		agent_counts.busy++;
		return EBUSY;
	case MOVE_EXIST:
		return EEXIST;
	case MOVE_HOLE:
		agent_counts.holes++;
		return 0;
	case MOVE_DONE:
		break;
	}
	agent_counts.moved_pages++;
	if (vma_find(p, src)->ctx == NULL)
		agent_counts.unregistered++;
	if (sim.opt.breaks == BREAK_MOVE_STALE && dst > a->stage &&
	    p->pte[dst - 1].frame != NULL && p->pte[dst].frame != NULL &&
	    sim_one_in(16))
		memcpy(p->pte[dst].frame->data, p->pte[dst - 1].frame->data,
		    PAGE_SIZE);
	return 0;
}

static bool
changing(const struct agent *a)
{
	const struct ctx *c = sim.opt.stage_moves ? a->stage_ctx : a->main_ctx;

	return c->changing > 0;
}

/*
 * move_some: one UFFDIO_MOVE
 *
 * => pages moved (> 0), or the errno, negative
 */
static int
move_some(struct agent *a, uint32_t src, uint32_t dst, uint32_t n)
{
	uint32_t i, stop = 1 + sim_below(n);
	int err = move_check(a, src, dst, n);

	if (err == 0 && (changing(a) || sim_one_in(200)))
		err = EAGAIN;
	for (i = 0; err == 0 && i < stop; i++) {
		err = capture(a, src + i, dst + i);
		if (err != 0)
			break;
	}
	if (i > 0)
		a->pages_out = true;
	sim_trace("agent of %u moves %u +%u to %u: %u, %d", a->proc->pid, src,
	    n, dst - a->stage, i, err);
	return i > 0 ? (int)i : -err;
}

static void
set_status(struct agent *a, uint32_t n, int status)
{
	for (uint32_t i = 0; i < n; i++)
		a->answer->moved.status[a->pos++] = (uint8_t)status;
	a->page += n;
}

static void
move_end(struct agent *a)
{
	struct packet *k = a->answer;

	set_status(a, a->current->move.npages - a->pos, EAGAIN);
	answer(a, k);
}

/*
 * A run that is not one mapping any more is EINVAL, and gone on with page by
 * page; busy pages are passed over; any other error ends the run.
 */
static void
step_run(struct agent *a, uint64_t run)
{
	uint32_t left = PAGERD_RUN_PAGES(run) - a->page;
	uint32_t n = a->single ? 1 : left;
	int r = move_some(a, page_of(PAGERD_RUN_ADDR(run)) + a->page,
	    a->stage + a->pos, n);

	if (r == -EINVAL && n > 1) {
		a->single = true;
	} else if (r > 0) {
		set_status(a, (uint32_t)r, 0);
	} else if (r == -EAGAIN) {
		agent_counts.again++;
		move_end(a);
	} else {
		agent_counts.failed += r != -EBUSY;
		set_status(a, r == -EBUSY ? 1 : n, -r);
	}
}

static void
step_move(struct agent *a)
{
	const struct pagerd_msg_move *m = &a->current->move;
	uint64_t run;

	if (a->run == m->nruns) {
		SIM_CHECK(a->pos == m->npages);
		move_end(a);
		return;
	}
	run = m->runs[a->run];
	step_run(a, run);
	if (a->state == AGENT_MOVING && a->page == PAGERD_RUN_PAGES(run)) {
		a->run++;
		a->page = 0;
		a->single = false;
	}
}

/* MADV_POPULATE_WRITE: an error ends the run, the others go on. */
static void
step_unshare(struct agent *a)
{
	const struct pagerd_msg_move *m = &a->current->move;
	struct proc *p = a->proc;
	enum access_result r;
	uint32_t pg;

	if (a->run == m->nruns) {
		answer_done(a);
		return;
	}
	pg = page_of(PAGERD_RUN_ADDR(m->runs[a->run])) + a->page;
	r = mm_access(p, pg, true);
	if (r == ACCESS_MISSING || r == ACCESS_MINOR || r == ACCESS_WP) {
		agent_counts.unshare_faults++;
		ctx_fault(vma_find(p, pg)->ctx, &a->w, addr_of(pg), mm_kind(r),
		    true);
		return;
	}
	if (r != ACCESS_DONE && a->result == 0)
		a->result = r == ACCESS_BUS ? -EHWPOISON : -ENOMEM;
	a->page++;
	if (r != ACCESS_DONE || a->page == PAGERD_RUN_PAGES(m->runs[a->run])) {
		a->run++;
		a->page = 0;
	}
}

/* => pages that one call can drop; what is locked stays */
static uint32_t
drop_some(struct agent *a, uint32_t pg, uint32_t n)
{
	struct proc *p = a->proc;
	struct vma *v = vma_find(p, pg);

	if (v != NULL && v->end < pg + n) {
		agent_counts.drops_split++;
		n = 1;
	}
	if (v == NULL || sim_one_in(60)) {
		agent_counts.drops_failed++;
		return v == NULL ? 1 : n;
	}
	if (v->memfile == NULL || v->shared || v->fresh || v->ctx == NULL)
		sim_fail("agent of %u is asked to drop page %u", p->pid, pg);
	sim_trace("agent of %u drops %u +%u", p->pid, pg, n);
	for (uint32_t i = pg; i < pg + n; i++)
		agent_counts.dropped_pages += !pte_none(&p->pte[i]);
	mm_zap(p, pg, pg + n);
	a->pages_out = true;
	a->dropped = n;
	ctx_change_begin(p->main);
	a->w.msg = (struct uffd_message){
		.kind = UFFD_REMAP,
		.fd = -1,
		.addr = addr_of(pg),
		.to = addr_of(a->spare),
		.len = (uint64_t)n * PAGE_SIZE,
	};
	if (sim.opt.breaks == BREAK_DROP_ASTRAY)
		a->w.msg.to = addr_of(ARENA_START + sim_below(ARENA_PAGES - n));
	return n;
}

/* Whoever asked has gone: nobody would read the event. */
static bool
is_late(const struct agent *a)
{
	return !TAILQ_EMPTY(&a->in) || a->daemon_closed;
}

static void
step_drop(struct agent *a)
{
	const struct pagerd_msg_move *m = &a->current->move;
	uint64_t run;

	if (a->told) {
		drop_ends(a);
	} else if (a->dropped > 0 && !sim.settling && sim_one_in(60)) {
		proc_kill(a->proc);
	} else if (a->dropped > 0) {
		a->told = true;
		ctx_event(a->proc->main, &a->w);
	} else if (a->run == m->nruns || is_late(a)) {
		agent_counts.drops_late += a->run < m->nruns;
		answer_done(a);
	} else {
		run = m->runs[a->run];
		a->page += drop_some(a, page_of(PAGERD_RUN_ADDR(run)) + a->page,
		    PAGERD_RUN_PAGES(run) - a->page);
		if (a->page == PAGERD_RUN_PAGES(run)) {
			a->run++;
			a->page = 0;
		}
	}
}

static void
check_runs(const struct packet *k)
{
	const struct pagerd_msg_move *m = &k->move;
	uint32_t n = 0;

	SIM_CHECK(m->nruns >= 1 && m->nruns <= PAGERD_STAGE_PAGES);
	SIM_CHECK(k->size == PAGERD_MOVE_SIZE(m->nruns));
	for (uint32_t i = 0; i < m->nruns; i++) {
		SIM_CHECK(page_of(PAGERD_RUN_ADDR(m->runs[i])) < SIM_PAGES);
		n += PAGERD_RUN_PAGES(m->runs[i]);
	}
	SIM_CHECK(n == m->npages && n <= PAGERD_STAGE_PAGES);
}

static void
begin_runs(struct agent *a, enum agent_state state)
{
	check_runs(a->current);
	a->run = a->page = a->pos = 0;
	a->single = false;
	a->result = 0;
	a->state = state;
}

static void
begin_move(struct agent *a)
{
	const struct pagerd_msg_move *m = &a->current->move;

	agent_counts.moves++;
	begin_runs(a, AGENT_MOVING);
	if (m->flags & PAGERD_MOVE_EMPTY_FIRST)
		empty_staging(a);
	a->answer =
	    packet_new(PAGERD_MSG_MOVED, sizeof(struct pagerd_msg_moved));
	a->answer->moved.seq = m->seq;
	a->answer->moved.npages = m->npages;
}

static void
take_ready(struct agent *a)
{
	struct packet *k = a->current;

	SIM_CHECK(k->size == sizeof(k->ready));
	if (k->ready.flags & PAGERD_READY_INHERITED)
		a->pages_out = true;
	if (a->main_ctx != NULL) { /* not forked: it has made its own */
		SIM_CHECK(k->ctx == NULL);
	} else {
		SIM_CHECK(k->ctx != NULL && k->ctx == a->proc->main);
		a->main_ctx = k->ctx;
		k->ctx = NULL;
	}
	sim_trace("agent of %u is ready%s", a->proc->pid,
	    a->pages_out ? ", pages out" : "");
	packet_free(k);
	a->current = NULL;
	a->state = AGENT_IDLE;
}

static void
take_release(struct agent *a)
{
	sim_trace("agent of %u is released", a->proc->pid);
	agent_counts.releases++;
	empty_staging(a);
	if (a->proc->holder)
		proc_kill(a->proc);
	else
		agent_close(a);
}

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

static void
begin_hold(struct agent *a)
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
		answer_done(a);
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
	answer_done(a);
}

static void
step_hold(struct agent *a)
{
	if (a->child == NULL && is_late(a)) {
		agent_counts.holds_late++;
		a->result = -ECANCELED;
		answer_done(a);
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

static void
dispatch(struct agent *a)
{
	uint16_t type = a->current->hdr.type;

	SIM_CHECK((a->state == AGENT_HELLO) == (type == PAGERD_MSG_READY));
	switch (type) {
	case PAGERD_MSG_READY:
		take_ready(a);
		break;
	case PAGERD_MSG_MOVE:
		begin_move(a);
		break;
	case PAGERD_MSG_UNSHARE:
		agent_counts.unshares++;
		begin_runs(a, AGENT_UNSHARING);
		break;
	case PAGERD_MSG_DROP:
		agent_counts.drops++;
		a->told = false;
		begin_runs(a, AGENT_DROPPING);
		break;
	case PAGERD_MSG_EMPTY:
		empty_staging(a);
		a->result = 0;
		answer_done(a);
		break;
	case PAGERD_MSG_HOLD:
		begin_hold(a);
		break;
	case PAGERD_MSG_DEPEND:
		a->pages_out = true;
		packet_free(a->current);
		a->current = NULL;
		break;
	case PAGERD_MSG_RELEASE:
		take_release(a);
		break;
	default:
		sim_fail("packet of type %u to an agent", type);
	}
}

/* Nobody watches this process. */
static void
no_anchor(struct agent *a)
{
	a->state = AGENT_NONE;
	if (a->proc->holder)
		proc_kill(a->proc);
}

static void
holder_hello(struct agent *a, const struct pagerd_anchor *anchor)
{
	a->stage_ctx = ctx_new(a->proc, false);
	ctx_get(a->stage_ctx);
	agent_holds(a, anchor);
}

static void
step_anchor(struct agent *a)
{
	struct proc *p = a->proc;
	struct pagerd_anchor anchor;
	enum access_result r = mm_access(p, p->anchor, false);

	if (r == ACCESS_MISSING) {
		ctx_fault(vma_find(p, p->anchor)->ctx, &a->w,
		    addr_of(p->anchor), UFFD_MISSING, false);
		return;
	}
	SIM_CHECK(r == ACCESS_DONE);
	memcpy(&anchor, pte_data(&p->pte[p->anchor]), sizeof(anchor));
	if (anchor.magic != PAGERD_ANCHOR_MAGIC) {
		if (vma_find(p, p->anchor)->ctx != NULL)
			sim_fail("process %u finds no anchor", p->pid);
		no_anchor(a);
		return;
	}
	if (p->holder) {
		holder_hello(a, &anchor);
		return;
	}
	if (!agent_map_area(a)) {
		a->state = AGENT_NONE;
		return;
	}
	a->state = AGENT_HELLO;
	agent_hello(a, &anchor);
}

/* SIGSTOP comes before what it was asked to do is begun. */
static bool
is_stopped_by(uint16_t type)
{
	return (type == PAGERD_MSG_HOLD && sim_one_in(6)) ||
	       (type == PAGERD_MSG_DROP && sim_one_in(6));
}

static void
receive(struct agent *a)
{
	a->current = TAILQ_FIRST(&a->in);
	if (a->current == NULL) {
		SIM_CHECK(a->daemon_closed);
		lost(a);
		return;
	}
	if (is_stopped_by(a->current->hdr.type)) {
		agent_stop(a);
		a->current = NULL;
		return;
	}
	TAILQ_REMOVE(&a->in, a->current, link);
	dispatch(a);
}

void
agent_step(struct agent *a)
{
	if (a->w.state == WAIT_WOKEN)
		a->w.state = WAIT_IDLE;
	if (a->state == AGENT_DROPPING && a->w.state != WAIT_IDLE) {
		drop_ends(a);
		packet_free(a->current);
		a->current = NULL;
		a->state = AGENT_IDLE;
	}
	SIM_CHECK(a->w.state == WAIT_IDLE);
	if (a->mood == MOOD_SILENT) { /* only a dead connection moves it */
		lost(a);
		return;
	}
	switch (a->state) {
	case AGENT_ANCHOR:
		step_anchor(a);
		break;
	case AGENT_HELLO:
	case AGENT_IDLE:
		receive(a);
		break;
	case AGENT_MOVING:
		step_move(a);
		break;
	case AGENT_UNSHARING:
		step_unshare(a);
		break;
	case AGENT_FORKING:
		step_hold(a);
		break;
	case AGENT_DROPPING:
		step_drop(a);
		break;
	case AGENT_NONE:
	case AGENT_GONE:
		break;
	}
}

bool
agent_socket_readable(const struct agent *a)
{
	return !TAILQ_EMPTY(&a->out) || a->closed;
}

void
agent_hangup(struct agent *a)
{
	a->daemon_closed = true;
	drop_packets(&a->out);
}

static bool
is_request(const struct pagerd_msg *hdr)
{
	return hdr->type == PAGERD_MSG_MOVE ||
	       hdr->type == PAGERD_MSG_UNSHARE ||
	       hdr->type == PAGERD_MSG_DROP || hdr->type == PAGERD_MSG_EMPTY ||
	       hdr->type == PAGERD_MSG_HOLD;
}

static uint32_t
queue_length(const struct packet_list *list)
{
	struct packet *k;
	uint32_t n = 0;

	TAILQ_FOREACH(k, list, link)
		n++;
	return n;
}

static void
check_sent(struct agent *a, const struct packet *k)
{
	SIM_CHECK(k->size >= sizeof(k->hdr) && k->hdr.size == k->size);
	SIM_CHECK(k->hdr.version == PAGERD_PROTOCOL_VERSION);
	SIM_CHECK(k->ctx == NULL || k->hdr.type == PAGERD_MSG_READY);
	if (!is_request(&k->hdr))
		return;
	if (a->outstanding && a->mood == MOOD_GOOD)
		sim_fail("a second request to the agent of %u", a->proc->pid);
	a->outstanding = true;
}

/* => 0: the packet can be queued; -errno */
static int
send_check(const struct agent *a)
{
	if (a->closed)
		return -EPIPE;
	if ((a->mood == MOOD_SILENT || a->stopped) &&
	    queue_length(&a->in) >= QUEUE_MAX)
		return -EAGAIN;
	return 0;
}

static struct packet *
packet_copy(const void *bytes, size_t size)
{
	struct packet *k = calloc(1, sizeof(*k));

	SIM_CHECK(size <= sizeof(k->bytes));
	memcpy(k->bytes, bytes, size);
	k->size = size;
	return k;
}

static void
deliver(struct agent *a, struct packet *k)
{
	check_sent(a, k);
	sim_trace("send to %u: type %u", a->proc->pid, k->hdr.type);
	TAILQ_INSERT_TAIL(&a->in, k, link);
}

int
agent_send(int sock, const void *bytes, size_t size, int fd)
{
	struct agent *a = fds_get(sock, FD_SOCK);
	struct packet *k;
	int r = send_check(a);

	if (r < 0)
		return r;
	k = packet_copy(bytes, size);
	SIM_CHECK(k->hdr.type != PAGERD_MSG_HOLD);
	if (fd != -1) {
		k->ctx = fds_get(fd, FD_UFFD);
		ctx_get(k->ctx);
	}
	deliver(a, k);
	return 0;
}

int
agent_send_fds(int sock, const void *bytes, size_t size, const int *fds,
    size_t n)
{
	struct agent *a = fds_get(sock, FD_SOCK);
	struct packet *k;
	int r = send_check(a);

	if (r < 0)
		return r;
	SIM_CHECK(n == PAGERD_HOLD_FDS);
	k = packet_copy(bytes, size);
	SIM_CHECK(k->hdr.type == PAGERD_MSG_HOLD && size == sizeof(k->hold));
	k->snap = fds_get(fds[0], FD_HOLD);
	(void)fds_get(fds[1], FD_DEVICE);
	SIM_CHECK(k->snap->of == a->proc);
	deliver(a, k);
	return 0;
}

static ssize_t
take_packet(struct agent *a, struct packet *k, void *buf, size_t size)
{
	ssize_t n = -EPROTO;

	TAILQ_REMOVE(&a->out, k, link);
	sim_trace("receive from %u: type %u, %zu bytes", a->proc->pid,
	    k->hdr.type, k->size);
	a->outstanding = false;
	if (k->size <= size && !k->fds) {
		memcpy(buf, k->bytes, k->size);
		n = (ssize_t)k->size;
	}
	packet_free(k);
	return n;
}

ssize_t
agent_receive(int sock, void *buf, size_t size)
{
	struct agent *a = fds_get(sock, FD_SOCK);
	struct packet *k = TAILQ_FIRST(&a->out);

	if (a->closed && a->reset) {
		a->reset = false;
		return -ECONNRESET;
	}
	if (k != NULL)
		return take_packet(a, k, buf, size);
	return a->closed ? 0 : -EAGAIN;
}
