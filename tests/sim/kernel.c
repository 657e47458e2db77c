/*
 * kernel.c: processes and their mappings
 */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#include "agent_fake.h"
#include "oracle.h"
#include "task.h"

struct kernel kernel;

static void
proc_free(struct proc *p)
{
	agent_reset(p->agent);
	if (p->mm)
		proc_drop_mm(p);
	free(p->tasks);
	free(p->agent);
	free(p);
}

void
kernel_race(struct proc *p)
{
	if (kernel.race != NULL)
		kernel.race(p);
}

void
kernel_reset(void)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++)
		proc_free(kernel.procs[i]);
	kernel.nprocs = 0;
}

struct proc *
proc_new(struct proc *parent)
{
	struct proc *p = calloc(1, sizeof(*p));

	SIM_CHECK(kernel.nprocs < PROC_MAX);
	kernel.procs[kernel.nprocs++] = p;
	p->pid = kernel.nprocs;
	p->parent = parent;
	p->uid = parent != NULL ? parent->uid : 1000 + p->pid % 2;
	p->library = parent != NULL && parent->library;
	p->mm = true;
	p->pte = calloc(SIM_PAGES, sizeof(*p->pte));
	p->mem = calloc(SIM_PAGES, sizeof(*p->mem));
	p->share = calloc(SIM_PAGES, sizeof(*p->share));
	p->tasks = calloc(MAX_TASKS, sizeof(*p->tasks));
	p->agent = calloc(1, sizeof(*p->agent));
	TAILQ_INIT(&p->vmas);
	for (uint32_t i = 0; i < MAX_TASKS; i++)
		task_init(&p->tasks[i], p, i);
	agent_init(p->agent, p);
	return p;
}

void
proc_drop_mm(struct proc *p)
{
	SIM_CHECK(p->mm);
	vma_unmap(p, 0, SIM_PAGES);
	for (uint32_t i = 0; i < SIM_PAGES; i++)
		SIM_CHECK(p->pte[i].frame == NULL);
	oracle_zero(p, 0, SIM_PAGES);
	free(p->pte);
	free(p->mem);
	free(p->share);
	p->pte = NULL;
	p->mem = NULL;
	p->share = NULL;
	p->mm = false;
}

struct vma *
vma_find(const struct proc *p, uint32_t pg)
{
	struct vma *v;

	TAILQ_FOREACH(v, &p->vmas, link) {
		if (v->end > pg)
			return v->start <= pg ? v : NULL;
	}
	return NULL;
}

static void
vma_insert(struct proc *p, struct vma *new)
{
	struct vma *v;

	TAILQ_FOREACH(v, &p->vmas, link) {
		SIM_CHECK(v->end <= new->start || v->start >= new->end);
		if (v->start >= new->end) {
			TAILQ_INSERT_BEFORE(v, new, link);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&p->vmas, new, link);
}

struct vma *
vma_map_like(struct proc *p, uint32_t start, uint32_t end,
    const struct vma *like)
{
	struct vma *v = calloc(1, sizeof(*v));

	SIM_CHECK(start < end && end <= SIM_PAGES);
	*v = *like;
	v->start = start;
	v->end = end;
	vma_insert(p, v);
	return v;
}

struct vma *
vma_map(struct proc *p, uint32_t start, uint32_t end)
{
	const struct vma plain = { .read = true, .write = true };

	return vma_map_like(p, start, end, &plain);
}

static void
cut_at(struct proc *p, uint32_t pg)
{
	struct vma *v = vma_find(p, pg), *right;

	if (v == NULL || v->start == pg)
		return;
	right = calloc(1, sizeof(*right));
	*right = *v;
	right->start = pg;
	right->offset = vma_file_page(v, pg);
	v->end = pg;
	TAILQ_INSERT_AFTER(&p->vmas, v, right, link);
}

void
vma_cut(struct proc *p, uint32_t start, uint32_t end)
{
	cut_at(p, start);
	cut_at(p, end);
}

void
vma_unmap(struct proc *p, uint32_t start, uint32_t end)
{
	struct vma *v, *next;

	vma_cut(p, start, end);
	TAILQ_FOREACH_SAFE(v, &p->vmas, link, next) {
		if (v->start < start || v->end > end)
			continue;
		mm_zap(p, v->start, v->end);
		TAILQ_REMOVE(&p->vmas, v, link);
		free(v);
	}
}

static bool
backed_alike(const struct vma *a, const struct vma *b)
{
	if (a->memfile != b->memfile || a->readonly != b->readonly ||
	    a->clone_of != b->clone_of || a->image != b->image)
		return false;
	return a->memfile == NULL || b->offset == vma_file_page(a, b->start);
}

bool
vma_alike(const struct vma *a, const struct vma *b)
{
	return backed_alike(a, b) && a->fresh == b->fresh &&
	       a->minor == b->minor && a->read == b->read &&
	       a->write == b->write && a->file == b->file &&
	       a->shared == b->shared && a->stack == b->stack &&
	       a->busy == b->busy && a->dontfork == b->dontfork &&
	       a->wipeonfork == b->wipeonfork && a->agent == b->agent &&
	       a->ctx == b->ctx && a->wp == b->wp;
}

void
vma_merge(struct proc *p)
{
	struct vma *v, *next;

	TAILQ_FOREACH_SAFE(v, &p->vmas, link, next) {
		if (next == NULL || v->end != next->start ||
		    !vma_alike(v, next))
			continue;
		next->start = v->start;
		next->offset = v->offset;
		TAILQ_REMOVE(&p->vmas, v, link);
		free(v);
	}
}

bool
vma_is_free(const struct proc *p, uint32_t start, uint32_t end)
{
	struct vma *v;

	TAILQ_FOREACH(v, &p->vmas, link) {
		if (v->start < end && v->end > start)
			return false;
	}
	return true;
}

uint32_t
vma_gap(const struct proc *p, uint32_t from, uint32_t to, uint32_t n)
{
	struct vma *v;

	TAILQ_FOREACH(v, &p->vmas, link) {
		if (v->start >= from + n)
			break;
		if (v->end > from)
			from = v->end;
	}
	return from + n <= to ? from : SIM_PAGES;
}
