/*
 * task.c: the program's threads
 */
#include "task.h"

#include <stdlib.h>
#include <string.h>

#include "agent_fake.h"
#include "oracle.h"
#include "session.h"
#include "snap.h"

struct task_counts task_counts;
void (*task_born)(struct proc *child);
void (*task_sigbus)(struct proc *, uint32_t pg);

void
task_init(struct task *t, struct proc *p, uint32_t index)
{
	memset(t, 0, sizeof(*t));
	t->proc = p;
	t->index = index;
}

/* In its own code, where a thread can be stopped. */
static bool
is_still(const struct task *t)
{
	if (!t->live || t->op == OP_NONE)
		return true;
	if (t->op == OP_READ || t->op == OP_WRITE)
		return !task_blocked(t);
	return t->op == OP_PIN && t->pin != NULL;
}

bool
tasks_still(const struct proc *p)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		if (!is_still(&p->tasks[i]))
			return false;
	}
	return true;
}

bool
task_ready(const struct task *t)
{
	if (t->proc->frozen && is_still(t) && t->op != OP_PIN)
		return false;
	if (t->op == OP_LIBRARY && !session_ready(t))
		return false;
	return t->live && (t->w.state == WAIT_IDLE || t->w.state == WAIT_WOKEN);
}

bool
task_blocked(const struct task *t)
{
	return t->live && t->w.state != WAIT_IDLE && t->w.state != WAIT_WOKEN;
}

bool
task_removing(const struct proc *p, uint32_t pg)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		const struct task *t = &p->tasks[i];

		if (t->live && t->op == OP_ADVISE && pg >= t->pg &&
		    pg < t->rm_end)
			return true;
	}
	return false;
}

void
task_finish(struct task *t)
{
	SIM_CHECK(t->w.state == WAIT_IDLE && t->pin == NULL && t->call == NULL);
	t->op = OP_NONE;
	t->phase = 0;
	t->nevents = t->next_event = 0;
	t->own = t->own_end = 0;
	t->announce = false;
	t->rm_end = 0;
}

/*
 * open_page: get at the page, or wait
 *
 * => 1: it is there; 0: waits, or the step is over
 */
static int
open_page(struct task *t, uint32_t pg, bool write)
{
	struct proc *p = t->proc;
	const struct vma *v = vma_find(p, pg);
	enum access_result r;

	/* Its mapping went away, and another thread is mapping something. */
	r = v != NULL && v->fresh ? ACCESS_SEGV : mm_access(p, pg, write);
	switch (r) {
	case ACCESS_DONE:
		return 1;
	case ACCESS_MISSING:
	case ACCESS_MINOR:
	case ACCESS_WP:
		ctx_fault(v->ctx, &t->w, addr_of(pg), mm_kind(r), write);
		return 0;
	case ACCESS_BUS:
		task_counts.sigbus++;
		task_sigbus(p, pg);
		task_finish(t);
		return 0;
	case ACCESS_SEGV: /* its mapping went away meanwhile */
		task_finish(t);
		return 0;
	}
	return 0;
}

/* One of a few pages: they meet again, in this process and in others. */
static void
familiar_page(uint8_t *buf)
{
	uint64_t word = sim.opt.seed + sim_below(8);

	for (uint32_t i = 0; i < PAGE_SIZE; i += sizeof(word), word *= 3)
		memcpy(buf + i, &word, sizeof(word));
}

/*
 * What programs write: a word or a whole page; sometimes zeros, sometimes what
 * is written elsewhere, too.
 */
static void
write_page(struct proc *p, uint32_t pg)
{
	uint8_t buf[PAGE_SIZE];
	uint32_t off = sim_below(PAGE_SIZE / 8) * 8, len = 8;

	if (sim_one_in(4)) {
		off = 0;
		len = PAGE_SIZE;
	}
	sim_bytes(buf, len);
	if (sim_one_in(6))
		memset(buf, 0, len);
	else if (len == PAGE_SIZE && sim_one_in(2))
		familiar_page(buf);
	mm_write(p, pg, off, buf, len);
	oracle_write(p, pg, off, buf, len);
}

static void
write_frame(struct proc *p, const struct vma *v, const struct frame *f)
{
	for (uint32_t pg = v->start; pg < v->end; pg++)
		if (p->pte[pg].frame == f && !p->pte[pg].wp)
			write_page(p, pg);
}

void
task_write_shared(const struct memfile *f, uint32_t page)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		struct proc *p = kernel.procs[i];
		struct vma *v;

		if (!p->running || p->frozen || p->holder || sim_one_in(4))
			continue;
		TAILQ_FOREACH(v, &p->vmas, link)
			if (v->memfile == f && v->shared && v->write &&
			    !v->fresh)
				write_frame(p, v, f->frames[page]);
	}
}

static void
step_touch(struct task *t)
{
	struct proc *p = t->proc;
	uint32_t n = 1 + sim_below(8);

	for (; n > 0 && t->pg < t->end; n--) {
		if (!open_page(t, t->pg, t->op == OP_WRITE))
			return;
		oracle_read(p, t->pg, pte_data(&p->pte[t->pg]));
		if (t->op == OP_WRITE) {
			write_page(p, t->pg);
			task_counts.writes++;
		} else {
			task_counts.reads++;
		}
		t->pg++;
	}
	if (t->pg == t->end)
		task_finish(t);
}

static void
step_lock(struct task *t)
{
	for (; t->pg < t->end; t->pg++) {
		if (!open_page(t, t->pg, false))
			return;
	}
	task_finish(t);
}

void
task_touch(struct task *t, enum task_op op, uint32_t pg, uint32_t n)
{
	SIM_CHECK(t->op == OP_NONE);
	sim_trace("task %u.%u %s %u +%u", t->proc->pid, t->index,
	    op == OP_READ    ? "reads"
	    : op == OP_WRITE ? "writes"
	    : op == OP_PIN   ? "pins"
			     : "locks",
	    pg, n);
	t->op = op;
	t->pg = pg;
	t->end = pg + n;
}

static void
pin(struct task *t)
{
	struct proc *p = t->proc;

	if (!open_page(t, t->pg, true))
		return;
	write_page(p, t->pg);
	t->pin = p->pte[t->pg].frame;
	t->pin->pins++;
	t->pin_id = oracle_page_id(p, t->pg);
	task_counts.pins++;
}

static void
unpin(struct task *t)
{
	SIM_CHECK(t->pin->pins > 0);
	if (--t->pin->pins == 0 && t->pin->refs == 0)
		free(t->pin);
	t->pin = NULL;
}

/*
 * The device has written: it knows the frame, not the page table.  If the
 * program has thrown the page away meanwhile nobody sees it.
 */
static void
pin_complete(struct task *t)
{
	struct proc *p = t->proc;
	uint32_t pg = oracle_page_find(p, t->pin_id);
	uint8_t buf[512];

	sim_bytes(buf, sizeof(buf));
	memcpy(t->pin->data + 1024, buf, sizeof(buf));
	if (pg < SIM_PAGES) {
		sim_trace("device writes to %u of %u", pg, p->pid);
		SIM_CHECK(p->pte[pg].frame == t->pin);
		p->pte[pg].lazy = false;
		oracle_write(p, pg, 1024, buf, sizeof(buf));
	}
	unpin(t);
	task_finish(t);
}

static void
step_pin(struct task *t)
{
	if (t->pin == NULL)
		pin(t);
	else if (sim_one_in(8))
		pin_complete(t);
}

/*
 * Calls that change mappings: first they do it, then they tell, one event
 * after the other, each with its own part of mmap_changing.
 */
static void
add_event(struct task *t, struct ctx *c, struct uffd_message msg)
{
	for (uint32_t i = 0; i < t->nevents; i++) {
		if (t->events[i].ctx == c && msg.kind == UFFD_UNMAP &&
		    t->events[i].msg.kind == UFFD_UNMAP &&
		    t->events[i].msg.addr == msg.addr &&
		    t->events[i].msg.end == msg.end)
			return; /* one for the whole range is enough */
	}
	SIM_CHECK(t->nevents < TASK_EVENTS);
	t->events[t->nevents].ctx = c;
	t->events[t->nevents++].msg = msg;
	ctx_change_begin(c);
}

/*
 * The thread waits until the agent has done what it is about; one that is gone
 * or stopped (then so is the thread) is not waited for.
 *
 * => the call is over
 */
static bool
announced(struct task *t)
{
	const struct agent *a = t->proc->agent;

	if (a->main_ctx == NULL || !a->main_ctx->enabled || !a->connected ||
	    a->mood == MOOD_SILENT || a->stopped || a->state == AGENT_GONE)
		return true;
	if (a->state != AGENT_IDLE && a->state != AGENT_DROPPING)
		return false;
	if (ctx_register(a->main_ctx, t->own, t->own_end, UFFD_MODE_WP) == 0)
		task_counts.announced++;
	return true;
}

static void
step_events(struct task *t)
{
	struct task_event *e;

	if (t->w.state == WAIT_WOKEN) {
		e = &t->events[t->next_event++];
		ctx_change_end(e->ctx);
		t->w.state = WAIT_IDLE;
		return;
	}
	if (t->next_event == t->nevents) {
		if (!t->announce || announced(t))
			task_finish(t);
		return;
	}
	e = &t->events[t->next_event];
	t->w.msg = e->msg;
	ctx_event(e->ctx, &t->w);
}

static bool
tells(const struct vma *v)
{
	return v->ctx != NULL && v->ctx->enabled;
}

/* The mappings go, and whoever watches them will be told of the range. */
static void
drop_range(struct task *t, uint32_t start, uint32_t end)
{
	struct uffd_message msg = {
		.kind = UFFD_UNMAP,
		.fd = -1,
		.addr = addr_of(start),
		.end = addr_of(end),
	};
	struct proc *p = t->proc;
	struct vma *v;

	TAILQ_FOREACH(v, &p->vmas, link) {
		if (v->start < end && v->end > start && tells(v))
			add_event(t, v->ctx, msg);
	}
	oracle_zero(p, start, end);
	vma_unmap(p, start, end);
}

void
task_unmap(struct task *t, uint32_t pg, uint32_t n)
{
	SIM_CHECK(t->op == OP_NONE);
	sim_trace("task %u.%u unmaps %u +%u", t->proc->pid, t->index, pg, n);
	task_counts.unmap++;
	t->op = OP_EVENTS;
	drop_range(t, pg, pg + n);
}

void
task_map(struct task *t, uint32_t pg, uint32_t n)
{
	SIM_CHECK(t->op == OP_NONE);
	sim_trace("task %u.%u maps %u +%u", t->proc->pid, t->index, pg, n);
	task_counts.map++;
	t->op = OP_EVENTS;
	t->announce = sim_one_in(2);
	t->own = pg;
	t->own_end = pg + n;
	drop_range(t, pg, pg + n);
	vma_map(t->proc, pg, pg + n);
	vma_merge(t->proc);
}

static void
move_pages(struct task *t, uint32_t pg, uint32_t to, uint32_t n)
{
	struct proc *p = t->proc;
	struct vma *v = vma_find(p, pg);
	struct uffd_message msg = {
		.kind = UFFD_REMAP,
		.fd = -1,
		.addr = addr_of(pg),
		.to = addr_of(to),
		.len = (uint64_t)n * PAGE_SIZE,
	};

	if (tells(v))
		add_event(t, v->ctx, msg);
	oracle_move(p, pg, to, n);
	mm_move(p, pg, to, n);
}

/*
 * The part that shrinks goes first; the event then speaks of the rest.  What
 * grows behind it belongs to the new mapping and is not spoken of.
 */
void
task_remap(struct task *t, uint32_t pg, uint32_t n, uint32_t to, uint32_t new_n,
    bool keep)
{
	struct proc *p = t->proc;
	uint32_t moved = n < new_n ? n : new_n;
	struct vma *v;

	SIM_CHECK(t->op == OP_NONE && vma_find(p, pg)->end >= pg + n);
	sim_trace("task %u.%u remaps %u +%u to %u +%u%s", p->pid, t->index, pg,
	    n, to, new_n, keep ? " keeping" : "");
	task_counts.remap++;
	t->op = OP_EVENTS;
	t->own = to;
	t->own_end = to + new_n;
	if (!vma_is_free(p, to, to + new_n))
		drop_range(t, to, to + new_n); /* uf_unmap_early */
	vma_cut(p, pg, pg + n);
	v = vma_find(p, pg);
	vma_map_like(p, to, to + new_n, v);
	move_pages(t, pg, to, moved);
	if (!keep)
		drop_range(t, pg, pg + n);
	vma_merge(p);
}

void
task_grow(struct task *t, uint32_t pg, uint32_t n)
{
	struct proc *p = t->proc;

	SIM_CHECK(t->op == OP_NONE && vma_is_free(p, pg, pg + n));
	sim_trace("task %u.%u grows at %u +%u", p->pid, t->index, pg, n);
	task_counts.grow++;
	vma_find(p, pg - 1)->end += n;
	vma_merge(p);
}

void
task_protect(struct task *t, uint32_t pg, uint32_t n, bool read, bool write)
{
	struct proc *p = t->proc;
	struct vma *v;

	SIM_CHECK(t->op == OP_NONE);
	sim_trace("task %u.%u protects %u +%u %c%c", p->pid, t->index, pg, n,
	    read ? 'r' : '-', write ? 'w' : '-');
	task_counts.protect++;
	vma_cut(p, pg, pg + n);
	TAILQ_FOREACH(v, &p->vmas, link) {
		if (v->start < pg || v->end > pg + n)
			continue;
		v->read = read;
		v->write = write && !v->readonly;
	}
	vma_merge(p);
}

void
task_mark(struct task *t, uint32_t pg, uint32_t n, bool wipe, bool dont)
{
	struct proc *p = t->proc;
	struct vma *v;

	SIM_CHECK(t->op == OP_NONE);
	sim_trace("task %u.%u marks %u +%u%s%s", p->pid, t->index, pg, n,
	    wipe ? " wipe" : "", dont ? " dontfork" : "");
	task_counts.mark++;
	vma_cut(p, pg, pg + n);
	TAILQ_FOREACH(v, &p->vmas, link) {
		if (v->start < pg || v->end > pg + n)
			continue;
		v->wipeonfork = wipe;
		v->dontfork = dont;
	}
	vma_merge(p);
}

/*
 * madvise: for each mapping in turn tell, wait, look again, throw away.  It is
 * told before the pages go, and others run between.
 */
void
task_advise(struct task *t, uint32_t pg, uint32_t n, bool lazily)
{
	SIM_CHECK(t->op == OP_NONE);
	sim_trace("task %u.%u %s %u +%u", t->proc->pid, t->index,
	    lazily ? "frees" : "drops", pg, n);
	if (lazily)
		task_counts.free++;
	else
		task_counts.dontneed++;
	t->op = OP_ADVISE;
	t->free = lazily;
	t->pg = pg;
	t->end = pg + n;
}

/*
 * That a page is lost is said by a mark, and the mark goes with what is thrown
 * away.  Once the daemon leaves nobody makes it again.
 */
static void
unmark(struct proc *p, uint32_t start, uint32_t end)
{
	for (uint32_t pg = start; kernel.leaving && pg < end; pg++)
		if (p->pte[pg].poison)
			oracle_unmark(p, pg);
}

/*
 * The mapping is looked up again: if it is smaller now the rest of what was
 * told stays, though the daemon may have thrown it away.
 */
static void
throw_away(struct task *t)
{
	struct proc *p = t->proc;
	struct vma *v = vma_find(p, t->pg);
	uint32_t end = v == NULL ? t->pg : t->rm_end;

	if (v != NULL && v->end < end)
		end = v->end;
	sim_trace("task %u.%u: %u..%u go", p->pid, t->index, t->pg, end);
	if (t->free) {
		oracle_free(p, t->pg, end);
		mm_free_lazily(p, t->pg, end);
	} else {
		oracle_drop(p, t->pg, end);
		unmark(p, t->pg, end);
		mm_zap(p, t->pg, end);
	}
	oracle_free(p, end, t->rm_end);
	t->pg = t->rm_end;
	t->rm_end = 0;
	t->phase = 0;
	if (v == NULL || t->pg >= t->end)
		task_finish(t);
}

static void
begin_removal(struct task *t)
{
	struct vma *v = vma_find(t->proc, t->pg);

	/* Of a file's not by free: EINVAL. */
	if (v == NULL || (v->memfile != NULL && t->free)) {
		task_finish(t);
		return;
	}
	t->rm_end = t->end < v->end ? t->end : v->end;
	task_counts.clone_removals += v->clone_of != NULL;
	if (!tells(v)) {
		throw_away(t);
		return;
	}
	t->events[0].ctx = v->ctx;
	ctx_change_begin(v->ctx);
	t->w.msg = (struct uffd_message){
		.kind = UFFD_REMOVE,
		.fd = -1,
		.addr = addr_of(t->pg),
		.end = addr_of(t->rm_end),
	};
	t->nevents = 1;
	t->phase = 1;
}

static void
step_advise(struct task *t)
{
	if (t->w.state == WAIT_WOKEN) {
		ctx_change_end(t->events[0].ctx);
		t->nevents = 0;
		t->w.state = WAIT_IDLE;
		t->phase = 2;
	} else if (t->phase == 0) {
		begin_removal(t);
	} else if (t->phase == 1) {
		ctx_event(t->events[0].ctx, &t->w);
	} else {
		throw_away(t);
	}
}

static bool
watched(const struct proc *p)
{
	struct vma *v;

	TAILQ_FOREACH(v, &p->vmas, link) {
		if (v->ctx != NULL && v->ctx == p->main && tells(v))
			return true;
	}
	return false;
}

struct proc *
task_copy(struct proc *p, bool raw, bool holder)
{
	struct proc *c = proc_new(p);
	struct vma *v;

	c->raw = raw;
	c->holder = holder;
	c->hostile = p->hostile;
	c->anchor = p->anchor;
	if (watched(p)) {
		c->main = ctx_new(c);
		c->main->enabled = true;
	}
	mm_fork(p, c, c->main);
	TAILQ_FOREACH(v, &p->vmas, link)
		c->marked |= !v->agent && (v->wipeonfork || v->dontfork);
	TAILQ_FOREACH(v, &c->vmas, link) {
		if (!v->wipeonfork)
			oracle_fork(p, c, v->start, v->end);
	}
	return c;
}

void
task_fork(struct task *t, bool raw)
{
	struct proc *p = t->proc;

	SIM_CHECK(t->op == OP_NONE);
	t->op = OP_FORK;
	t->child = task_copy(p, raw, false);
	p->nforks++;
	sim_trace("task %u.%u forks %u%s", p->pid, t->index, t->child->pid,
	    raw ? " raw" : "");
	task_counts.forks++;
	if (t->child->main == NULL)
		return;
	t->w.msg = (struct uffd_message){ .kind = UFFD_FORK, .fd = -1 };
	t->w.child = t->child->main;
	t->events[0].ctx = p->main;
	t->nevents = 1;
	ctx_change_begin(p->main);
}

bool
task_owned(const struct proc *p, uint32_t start, uint32_t end)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		const struct task *t = &p->tasks[i];

		if ((t->op == OP_EVENTS || t->op == OP_LIBRARY) &&
		    t->own < end && t->own_end > start)
			return true;
	}
	return false;
}

bool
task_advised(const struct proc *p, uint32_t start, uint32_t end)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		const struct task *t = &p->tasks[i];

		if (t->op == OP_ADVISE && t->pg < end && t->end > start)
			return true;
	}
	return false;
}

static bool
event_touches(const struct task_event *e, uint32_t start, uint32_t end)
{
	const struct uffd_message *m = &e->msg;
	uint64_t stop = m->kind == UFFD_UNMAP ? m->end : m->addr + m->len;

	return m->addr < addr_of(end) && stop > addr_of(start);
}

bool
task_untold(const struct proc *p, uint32_t start, uint32_t end)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		const struct task *t = &p->tasks[i];
		uint32_t told = t->w.state != WAIT_IDLE;

		for (uint32_t k = t->next_event + told; k < t->nevents; k++) {
			if (t->op == OP_FORK)
				return true;
			if (t->op == OP_EVENTS &&
			    event_touches(&t->events[k], start, end))
				return true;
		}
	}
	return false;
}

static void
step_fork(struct task *t)
{
	struct proc *c = t->child;

	if (t->nevents > 0 && t->w.state == WAIT_IDLE) {
		ctx_event(t->events[0].ctx, &t->w);
		return;
	}
	if (t->nevents > 0)
		ctx_change_end(t->events[0].ctx);
	t->w.state = WAIT_IDLE;
	t->child = NULL;
	c->running = true;
	c->tasks[0].live = true;
	task_born(c);
	task_finish(t);
}

/* The retry of a fault, or of a wake-up, is the same step again. */
void
task_step(struct task *t)
{
	bool fault = t->op == OP_READ || t->op == OP_WRITE || t->op == OP_PIN ||
		     t->op == OP_LOCK;

	SIM_CHECK(task_ready(t) && t->op != OP_NONE);
	if (fault && t->w.state == WAIT_WOKEN)
		t->w.state = WAIT_IDLE;
	switch (t->op) {
	case OP_READ:
	case OP_WRITE:
		step_touch(t);
		break;
	case OP_PIN:
		step_pin(t);
		break;
	case OP_LOCK:
		step_lock(t);
		break;
	case OP_ADVISE:
		step_advise(t);
		break;
	case OP_EVENTS:
		step_events(t);
		break;
	case OP_FORK:
		step_fork(t);
		break;
	case OP_LIBRARY:
		session_step(t);
		break;
	case OP_NONE:
		break;
	}
}

void
task_signal(struct task *t)
{
	if (t->w.state != WAIT_FAULT_UNREAD && t->w.state != WAIT_FAULT_READ)
		return;
	sim_trace("task %u.%u is interrupted", t->proc->pid, t->index);
	task_counts.signals++;
	ctx_cancel(&t->w);
}

static void
kill_task(struct task *t)
{
	if (!t->live)
		return;
	ctx_cancel(&t->w);
	while (t->next_event < t->nevents)
		ctx_change_end(t->events[t->next_event++].ctx);
	if (t->pin != NULL)
		unpin(t);
	if (t->child != NULL) /* fork() fails: the child never runs */
		t->child->ended = true;
	t->child = NULL;
	if (t->call != NULL)
		session_cancel(t);
	t->live = false;
	task_finish(t);
}

void
proc_kill(struct proc *p)
{
	SIM_CHECK(p->running);
	sim_trace("process %u ends", p->pid);
	if (p->holder)
		snap_ends(p);
	task_counts.exits++;
	for (uint32_t i = 0; i < MAX_TASKS; i++)
		kill_task(&p->tasks[i]);
	agent_kill(p->agent);
	p->running = false;
	p->ended = true;
}
