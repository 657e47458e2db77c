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

struct frame *
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
void
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

struct frame *
memfile_page(struct memfile *f, uint32_t page)
{
	SIM_CHECK(page < f->npages);
	if (f->frames[page] == NULL) {
		f->frames[page] = frame_new(NULL);
		f->frames[page]->exclusive = false;
	}
	return f->frames[page];
}

void
pte_map_file(struct pte *e, const struct vma *v, uint32_t pg)
{
	struct frame *f = v->memfile->frames[vma_file_page(v, pg)];

	SIM_CHECK(pte_none(e) && f != NULL);
	memset(e, 0, sizeof(*e));
	e->frame = f;
	e->file = true;
	f->refs++;
}

static void
unmap_frame(struct proc *p, const struct memfile *f, const struct frame *frame)
{
	struct vma *v;

	TAILQ_FOREACH(v, &p->vmas, link) {
		if (v->memfile != f)
			continue;
		for (uint32_t pg = v->start; pg < v->end; pg++) {
			if (sim.opt.breaks == BREAK_PUNCH_COPIES &&
			    v->memfile->frames[vma_file_page(v, pg)] == frame)
				pte_drop(&p->pte[pg]);
			if (p->pte[pg].frame != frame ||
			    (sim.opt.breaks == BREAK_PUNCH_LATE &&
				sim_one_in(4)))
				continue;
			pte_drop(&p->pte[pg]);
		}
	}
}

/* Copies that processes have made of it stay theirs. */
void
memfile_punch(struct memfile *f, uint32_t page)
{
	struct frame *frame = f->frames[page];

	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		if (kernel.procs[i]->mm)
			unmap_frame(kernel.procs[i], f, frame);
	}
	f->frames[page] = NULL;
	frame_put(frame);
}

/* A private mapping: the file's page stays as it is. */
static void
break_file(struct pte *e)
{
	struct frame *f = e->frame;

	e->frame = frame_new(f->data);
	e->file = false;
	frame_put(f);
	kernel.file_copies++;
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
		kernel.shared_waits += e->file && v->shared;
		return ACCESS_WP;
	}
	SIM_CHECK(!e->wp);
	if (e->zero) {
		memset(e, 0, sizeof(*e));
		pte_install(e, NULL);
	}
	if (!e->file)
		break_sharing(e);
	else if (!v->shared && sim.opt.breaks != BREAK_CLONE_LIVE)
		break_file(e);
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

/* Without a userfaultfd a hole is filled with zeros, for all. */
static enum access_result
native_file_fault(struct pte *e, const struct vma *v, uint32_t pg, bool write)
{
	(void)memfile_page(v->memfile, vma_file_page(v, pg));
	pte_map_file(e, v, pg);
	return write ? write_present(v, e) : ACCESS_DONE;
}

static enum access_result
fault(struct pte *e, const struct vma *v, uint32_t pg, bool write)
{
	if (v->memfile == NULL)
		return v->ctx != NULL ? ACCESS_MISSING : native_fault(e, write);
	if (v->ctx != NULL && v->memfile->frames[vma_file_page(v, pg)] == NULL)
		return ACCESS_MISSING;
	if (v->ctx != NULL && v->minor)
		return ACCESS_MINOR;
	return native_file_fault(e, v, pg, write);
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
		return fault(e, v, pg, write);
	e->swapped = false;
	return write ? write_present(v, e) : ACCESS_DONE;
}

enum uffd_kind
mm_kind(enum access_result r)
{
	return r == ACCESS_WP      ? UFFD_WP
	       : r == ACCESS_MINOR ? UFFD_MINOR
				   : UFFD_MISSING;
}

void
mm_write(struct proc *p, uint32_t pg, uint32_t off, const void *src, size_t n)
{
	struct pte *e = &p->pte[pg];

	SIM_CHECK(e->frame != NULL && !e->wp);
	SIM_CHECK(e->file ? vma_find(p, pg)->shared ||
				sim.opt.breaks == BREAK_CLONE_LIVE
			  : e->frame->exclusive);
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
	if (!from->file && from->frame->pins > 0 && from->frame->exclusive) {
		to->frame = frame_new(from->frame->data);
		to->lazy = false;
		return;
	}
	from->frame->refs++;
	if (from->file)
		return;
	from->frame->exclusive = live && from->frame->exclusive;
}

static void
fork_vma(struct proc *parent, struct proc *child, const struct vma *v,
    struct ctx *ctx)
{
	struct vma *c = vma_map_like(child, v->start, v->end, v);
	bool live = sim.opt.breaks == BREAK_HOLD_LIVE && child->holder;

	/* A holder that comes too late may be forked at any time. */
	SIM_CHECK(!v->fresh || child->holder);

	c->busy = false;
	if (v->ctx == NULL || v->ctx != parent->main || ctx == NULL) {
		c->ctx = NULL;
		c->wp = c->minor = false;
	} else {
		c->ctx = ctx;
	}
	/* What is shared faults again: the kernel need not copy it. */
	if (v->wipeonfork || (v->memfile != NULL && v->shared && sim_one_in(2)))
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

		e->loose = !pte_none(e);
		if (e->swapped)
			pte_drop(e);
		else if (e->frame != NULL && !e->file && e->frame->refs == 1 &&
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
		if (e->file) {
			if (sim_one_in(8)) {
				pte_drop(e);
				kernel.file_lost++;
			}
			continue;
		}
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
	d->wp = d->lazy = d->loose = d->swapped =
	    false; /* moved pages are dirty */
	memset(s, 0, sizeof(*s));
	return MOVE_DONE;
}
