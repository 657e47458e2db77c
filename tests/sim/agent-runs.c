/*
 * agent-runs.c: MOVE, UNSHARE, DROP and EMPTY, one small step at a time
 */
#include "agent_impl.h"

#include <errno.h>
#include <string.h>

#include "kernel.h"
#include "session.h"
#include "task.h"

void
agent_empty(struct agent *a)
{
	agent_counts.empties++;
	ctx_unregister(a->main_ctx, a->stage, a->stage + PAGERD_STAGE_PAGES);
	a->staging = false;
	mm_zap(a->proc, a->stage, a->stage + PAGERD_STAGE_PAGES);
}

/* What UFFDIO_MOVE refuses before it looks at pages. */
static int
move_check(const struct agent *a, uint32_t src, uint32_t dst, uint32_t n)
{
	const struct proc *p = a->proc;
	const struct vma *s = vma_find(p, src), *d = vma_find(p, dst);

	if (s == NULL || d == NULL || d->ctx != a->main_ctx)
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
	return a->main_ctx->changing > 0 &&
	       sim.opt.breaks != BREAK_MOVE_CHANGES;
}

/*
 * move_some: one UFFDIO_MOVE
 *
 * => now and then it says EEXIST of what it has moved, as Linux 6.18 does when
 *    an entry of the page table has changed meanwhile
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
	if (i > 0 && sim_one_in(100)) {
		agent_counts.unsaid += i;
		err = EEXIST;
		i = 0;
	}
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
	agent_answer(a, k);
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

/* Whoever gives it up does so before it registers, or after. */
static void
step_staging(struct agent *a)
{
	agent_empty(a);
	a->opening = false;
	SIM_CHECK(ctx_register(a->main_ctx, a->stage,
		      a->stage + PAGERD_STAGE_PAGES, 0) == 0);
	a->staging = true;
	if (agent_is_late(a))
		move_end(a);
}

void
agent_step_move(struct agent *a)
{
	const struct pagerd_msg_move *m = &a->current->move;
	uint64_t run;

	if (a->opening) {
		step_staging(a);
		return;
	}
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
void
agent_step_unshare(struct agent *a)
{
	const struct pagerd_msg_move *m = &a->current->move;
	struct proc *p = a->proc;
	enum access_result r;
	uint32_t pg;

	if (a->run == m->nruns) {
		agent_answer_done(a);
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
bool
agent_is_late(const struct agent *a)
{
	return !TAILQ_EMPTY(&a->in) || a->daemon_closed;
}

/* What waits for the event is another thread: this one goes on. */
void
agent_drop_ends(struct agent *a)
{
	ctx_cancel(&a->w);
	if (a->dropped > 0)
		ctx_change_end(a->proc->main);
	a->dropped = 0;
	a->told = false;
}

void
agent_step_drop(struct agent *a)
{
	const struct pagerd_msg_move *m = &a->current->move;
	uint64_t run;

	if (a->told) {
		agent_drop_ends(a);
	} else if (a->dropped > 0 && !sim.settling && sim_one_in(60)) {
		proc_kill(a->proc);
	} else if (a->dropped > 0) {
		a->told = true;
		ctx_event(a->proc->main, &a->w);
	} else if (a->run == m->nruns || agent_is_late(a)) {
		agent_counts.drops_late += a->run < m->nruns;
		agent_answer_done(a);
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

void
agent_begin_runs(struct agent *a, enum agent_state state)
{
	check_runs(a->current);
	a->run = a->page = a->pos = 0;
	a->single = false;
	a->result = 0;
	a->state = state;
}

void
agent_begin_move(struct agent *a)
{
	const struct pagerd_msg_move *m = &a->current->move;

	agent_counts.moves++;
	agent_begin_runs(a, AGENT_MOVING);
	a->answer =
	    packet_new(PAGERD_MSG_MOVED, sizeof(struct pagerd_msg_moved));
	a->answer->moved.seq = m->seq;
	a->answer->moved.npages = m->npages;
	if (m->flags & PAGERD_MOVE_EMPTY_FIRST || !a->staging)
		a->opening = true;
}
