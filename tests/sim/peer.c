/*
 * peer.c: src/io/peer.h on the fake kernel
 */
#include "peer.h"

#include <errno.h>
#include <string.h>

#include "fds.h"
#include "kernel.h"

int
peer_read(int mem, uint64_t addr, void *buf, size_t len)
{
	struct proc *p = fds_get(mem, FD_MEM);
	uint32_t pg = page_of(addr);
	uint8_t *to = buf;

	kernel_race(p);
	SIM_CHECK(addr % PAGE_SIZE == 0 && len % PAGE_SIZE == 0);
	if (!p->mm)
		return -ESRCH;
	for (; len > 0; pg++, len -= PAGE_SIZE, to += PAGE_SIZE) {
		struct vma *v = vma_find(p, pg);

		if (pg >= SIM_PAGES || v == NULL || p->pte[pg].poison)
			return -EIO;
		if (pte_none(&p->pte[pg]) && v->ctx != NULL)
			return -EIO;
		if (pte_none(&p->pte[pg]) && v->memfile != NULL)
			SIM_CHECK(mm_access(p, pg, false) == ACCESS_DONE);
		else if (pte_none(&p->pte[pg]))
			p->pte[pg].zero = true;
		memcpy(to, pte_data(&p->pte[pg]), PAGE_SIZE);
	}
	return 0;
}

static uint8_t
flags_of(const struct proc *p, uint32_t pg)
{
	const struct pte *e = &p->pte[pg];
	uint8_t flags;

	if (pte_none(e))
		return 0;
	flags = e->swapped ? PEER_SWAPPED : PEER_PRESENT;
	if (e->wp)
		flags |= PEER_PROTECTED;
	if (e->frame != NULL && e->frame->refs == 1 && !e->swapped)
		flags |= PEER_EXCLUSIVE;
	return flags;
}

int
peer_pages(int pagemap, uint64_t addr, size_t npages, uint8_t *flags)
{
	struct proc *p = fds_get(pagemap, FD_PAGEMAP);
	uint32_t pg = page_of(addr);

	kernel_race(p);
	SIM_CHECK(addr % PAGE_SIZE == 0);
	for (size_t i = 0; i < npages; i++)
		flags[i] =
		    p->mm && pg + i < SIM_PAGES ? flags_of(p, pg + i) : 0;
	return 0;
}

/* A poisoned page is none. */
static bool
is_kind(const struct proc *p, uint32_t pg, enum peer_kind kind)
{
	if (kind == PEER_ZERO && sim.opt.breaks == BREAK_ZERO_MISSED)
		return false;
	return flags_of(p, pg) != 0 && p->pte[pg].zero == (kind == PEER_ZERO);
}

ssize_t
peer_scan(int pagemap, enum peer_kind kind, uint64_t *addr, uint64_t end,
    struct peer_run *runs, size_t max)
{
	struct proc *p = fds_get(pagemap, FD_PAGEMAP);
	struct peer_run *last = NULL;
	size_t n = 0;

	kernel_race(p);
	SIM_CHECK(*addr % PAGE_SIZE == 0 && end % PAGE_SIZE == 0 && max > 0);
	if (!p->mm)
		return -ESRCH;
	for (; *addr < end; *addr += PAGE_SIZE) {
		uint32_t pg = page_of(*addr);
		bool wp;

		if (pg == SIM_PAGES) {
			*addr = end;
			break;
		}
		if (!is_kind(p, pg, kind))
			continue;
		wp = p->pte[pg].wp;
		if (last != NULL && last->protected == wp &&
		    last->addr + last->npages * PAGE_SIZE == *addr) {
			last->npages++;
			continue;
		}
		if (n == max)
			break;
		last = &runs[n++];
		*last = (struct peer_run){ *addr, 1, wp };
	}
	return (ssize_t)n;
}

int
peer_vma_from(int maps, uint64_t addr, struct peer_vma *vma)
{
	struct proc *p = fds_get(maps, FD_MAPS);
	struct vma *v;

	kernel_race(p);
	if (!p->mm)
		return -ESRCH;
	TAILQ_FOREACH(v, &p->vmas, link) {
		if (addr_of(v->end) > addr)
			break;
	}
	if (v == NULL)
		return -ENOENT;
	*vma = (struct peer_vma){
		.start = addr_of(v->start),
		.end = addr_of(v->end),
		.read = v->read,
		.write = v->write,
		.shared = v->shared,
		.file = v->file,
		.stack = v->stack,
	};
	return 0;
}

int
peer_vma(int maps, uint64_t addr, struct peer_vma *vma)
{
	int r = peer_vma_from(maps, addr, vma);

	return r == 0 && vma->start > addr ? -ENOENT : r;
}
