/*
 * mm.c: page tables: faults that the kernel resolves itself, copy on write,
 * fork, moving and dropping of pages
 */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#include "ctx.h"

static const uint8_t zeros[PAGE_SIZE];

bool
pte_none(const struct pte *e)
{
	return e->frame == NULL && !e->zero;
}

static struct frame *
frame_new(const void *data)
{
	struct frame *f = malloc(sizeof(*f));

	f->refs = 1;
	f->pins = 0;
	f->exclusive = true;
	memcpy(f->data, data == NULL ? zeros : data, PAGE_SIZE);
	return f;
}

/* Somebody else's device may still be writing to it: then it stays. */
static void
frame_put(struct frame *f)
{
	SIM_CHECK(f->refs > 0);
	if (--f->refs == 0 && f->pins == 0)
		free(f);
}

void
pte_drop(struct pte *e)
{
	if (e->frame != NULL)
		frame_put(e->frame);
	memset(e, 0, sizeof(*e));
}

void
pte_install(struct pte *e, const void *data)
{
	SIM_CHECK(pte_none(e));
	memset(e, 0, sizeof(*e));
	e->frame = frame_new(data);
}

const uint8_t *
pte_data(const struct pte *e)
{
	if (e->frame != NULL)
		return e->frame->data;
	return e->zero ? zeros : NULL;
}

static void
break_sharing(struct pte *e)
{
	struct frame *f = e->frame;

	if (f->exclusive)
		return;
	if (f->refs == 1) { /* the others have gone: it is ours */
		f->exclusive = true;
		kernel.reuses++;
		return;
	}
	e->frame = frame_new(f->data);
	frame_put(f);
	kernel.cow++;
}

static enum access_result
write_present(const struct vma *v, struct pte *e)
{
	if (e->wp && v->ctx != NULL && v->wp) {
		kernel.zero_waits += e->zero;
		return ACCESS_WP;
	}
	SIM_CHECK(!e->wp);
	if (e->zero) {
		memset(e, 0, sizeof(*e));
		pte_install(e, NULL);
	}
	break_sharing(e);
	e->lazy = false;
	return ACCESS_DONE;
}

static enum access_result
native_fault(struct pte *e, bool write)
{
	if (write || sim_one_in(2)) {
		pte_install(e, NULL);
		return ACCESS_DONE;
	}
	e->zero = true;
	kernel.zero_pages++;
	return ACCESS_DONE;
}

enum access_result
mm_access(struct proc *p, uint32_t pg, bool write)
{
	struct vma *v = vma_find(p, pg);
	struct pte *e = &p->pte[pg];

	if (v == NULL || !v->read || (write && !v->write))
		return ACCESS_SEGV;
	if (e->poison)
		return ACCESS_BUS;
	if (pte_none(e))
		return v->ctx != NULL ? ACCESS_MISSING : native_fault(e, write);
	e->swapped = false;
	return write ? write_present(v, e) : ACCESS_DONE;
}

void
mm_write(struct proc *p, uint32_t pg, uint32_t off, const void *src, size_t n)
{
	struct pte *e = &p->pte[pg];

	SIM_CHECK(e->frame != NULL && e->frame->exclusive && !e->wp);
	memcpy(e->frame->data + off, src, n);
}

/* A pinned page stays with the parent alone: the child gets a copy. */
static void
fork_page(const struct vma *child, struct pte *from, struct pte *to, bool live)
{
	if (pte_none(from)) {
		to->poison = from->poison;
		return;
	}
	*to = *from;
	to->wp = from->wp && child->ctx != NULL && child->wp;
	if (sim.opt.breaks == BREAK_FORK_WP)
		to->wp = false;
	if (from->frame == NULL)
		return;
	if (from->frame->pins > 0 && from->frame->exclusive) {
		to->frame = frame_new(from->frame->data);
		to->lazy = false;
		return;
	}
	from->frame->refs++;
	from->frame->exclusive = live && from->frame->exclusive;
}

static void
fork_vma(struct proc *parent, struct proc *child, const struct vma *v,
    struct ctx *ctx)
{
	struct vma *c = vma_map_like(child, v->start, v->end, v);
	bool live = sim.opt.breaks == BREAK_HOLD_LIVE && child->holder;

	c->busy = false;
	if (v->ctx == NULL || v->ctx != parent->main || ctx == NULL) {
		c->ctx = NULL;
		c->wp = false;
	} else {
		c->ctx = ctx;
	}
	if (v->wipeonfork)
		return;
	for (uint32_t pg = v->start; pg < v->end; pg++)
		fork_page(c, &parent->pte[pg], &child->pte[pg], live);
}

void
mm_fork(struct proc *parent, struct proc *child, struct ctx *ctx)
{
	struct vma *v;

	TAILQ_FOREACH(v, &parent->vmas, link) {
		if (!v->dontfork)
			fork_vma(parent, child, v, ctx);
	}
}

void
mm_move(struct proc *p, uint32_t from, uint32_t to, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		SIM_CHECK(pte_none(&p->pte[to + i]));
		p->pte[to + i] = p->pte[from + i];
		memset(&p->pte[from + i], 0, sizeof(p->pte[from + i]));
	}
}

void
mm_zap(struct proc *p, uint32_t start, uint32_t end)
{
	for (uint32_t pg = start; pg < end; pg++)
		pte_drop(&p->pte[pg]);
}

void
mm_free_lazily(struct proc *p, uint32_t start, uint32_t end)
{
	for (uint32_t pg = start; pg < end; pg++) {
		struct pte *e = &p->pte[pg];

		if (e->swapped)
			pte_drop(e);
		else if (e->frame != NULL && e->frame->refs == 1 &&
			 e->frame->pins == 0)
			e->lazy = true;
	}
}

void
mm_pressure(struct proc *p)
{
	uint32_t from = sim_below(SIM_PAGES), n = 64;

	for (uint32_t pg = from; pg < SIM_PAGES && n > 0; pg++) {
		struct pte *e = &p->pte[pg];
		struct vma *v;

		if (e->frame == NULL || e->frame->pins > 0)
			continue;
		v = vma_find(p, pg);
		if (v->agent)
			continue;
		n--;
		if (e->lazy && e->frame->refs == 1) {
			pte_drop(e);
			kernel.lazy_lost++;
		} else if (!e->lazy && sim_one_in(8)) {
			e->swapped = true;
			kernel.swaps++;
		}
	}
}

enum move_result
mm_capture(struct proc *p, uint32_t src, uint32_t dst)
{
	struct pte *s = &p->pte[src], *d = &p->pte[dst];

	if (!pte_none(d))
		return MOVE_EXIST;
	if (pte_none(s))
		return MOVE_HOLE;
	if (s->frame != NULL && (!s->frame->exclusive || s->frame->pins > 0))
		return MOVE_BUSY;
	if (sim.opt.breaks == BREAK_MOVE_COPY && sim_one_in(4)) {
		pte_install(d, pte_data(s));
		return MOVE_DONE;
	}
	*d = *s;
	d->wp = d->lazy = d->swapped = false; /* moved pages are dirty */
	memset(s, 0, sizeof(*s));
	return MOVE_DONE;
}
