/*
 * agent.c: the agents of the processes, from their first step to their end
 */
#include "agent_impl.h"

#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "session.h"
#include "snap.h"
#include "task.h"

#define AREA_PAGES 3u

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

void
packet_free(struct packet *k)
{
	if (k != NULL && k->ctx != NULL)
		ctx_put(k->ctx);
	free(k);
}

void
packets_drop(struct packet_list *list)
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
	packets_drop(&a->in);
	packets_drop(&a->out);
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
	p->main = a->main_ctx = ctx_new(p);
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
	packets_drop(&a->in);
	packet_free(a->current);
	packet_free(a->answer);
	a->current = a->answer = NULL;
	a->closed = true;
	a->arrivals++;
	a->state = AGENT_GONE;
	if (a->main_ctx != NULL)
		ctx_put(a->main_ctx);
	a->main_ctx = NULL;
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

void
agent_kill(struct agent *a)
{
	if (a->state == AGENT_DROPPING) {
		agent_counts.drops_killed += a->dropped > 0;
		agent_drop_ends(a);
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

struct packet *
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

void
agent_answer(struct agent *a, struct packet *k)
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

void
agent_answer_done(struct agent *a)
{
	struct packet *k =
	    packet_new(PAGERD_MSG_DONE, sizeof(struct pagerd_msg_done));

	k->done.seq = a->current->move.seq; /* the same place in EMPTY */
	k->done.result = a->result;
	agent_answer(a, k);
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
	agent_empty(a);
	if (a->proc->holder)
		proc_kill(a->proc);
	else
		agent_close(a);
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
		agent_begin_move(a);
		break;
	case PAGERD_MSG_UNSHARE:
		agent_counts.unshares++;
		agent_begin_runs(a, AGENT_UNSHARING);
		break;
	case PAGERD_MSG_DROP:
		agent_counts.drops++;
		a->told = false;
		agent_begin_runs(a, AGENT_DROPPING);
		break;
	case PAGERD_MSG_EMPTY:
		agent_empty(a);
		a->result = 0;
		agent_answer_done(a);
		break;
	case PAGERD_MSG_HOLD:
		agent_begin_hold(a);
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
		agent_drop_ends(a);
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
		agent_step_move(a);
		break;
	case AGENT_UNSHARING:
		agent_step_unshare(a);
		break;
	case AGENT_FORKING:
		agent_step_hold(a);
		break;
	case AGENT_DROPPING:
		agent_step_drop(a);
		break;
	case AGENT_NONE:
	case AGENT_GONE:
		break;
	}
}
