#include "info.h"

#include <errno.h>

#include "assert.h"
#include "memtype.h"
#include "usage.h"
#include "vm.h"

static enum page_state
state_out(uint64_t where)
{
	switch (where_kind(where)) {
	case WHERE_STAGED:
		return PAGE_STAGED;
	case WHERE_STORED:
		return PAGE_OUT;
	case WHERE_LOST:
	case WHERE_NOWHERE:
		break;
	}
	return PAGE_LOST;
}

static enum page_state
state_of(uint64_t slot, uint64_t where)
{
	switch (slot_state(slot)) {
	case SLOT_UNKNOWN:
		break;
	case SLOT_RESIDENT:
		if (slot_clean(slot))
			return PAGE_CLEAN;
		return slot_forked(slot) ? PAGE_PROTECTED : PAGE_RESIDENT;
	case SLOT_OUT:
		return state_out(where);
	}
	return PAGE_UNKNOWN;
}

struct walk {
	const struct vm *vm;
	const struct region *region;
	uint64_t sharers, until; /* of the object, up to a page of it */
	struct page_run *runs;
	uint32_t n, max;
};

static bool
has_sharers(struct walk *w, uint64_t page)
{
	uint64_t at = region_object_page(w->region, page);

	if (at >= w->until)
		w->sharers = object_sharers(w->region->object, at, &w->until);
	return w->sharers > 1;
}

/* => the first page behind this one of which something is known, or the end */
static uint64_t
next_known(const struct walk *w, uint64_t page)
{
	const struct region *r = w->region;
	uint64_t n = r->rec->npages, own, other, offset = r->rec->offset;

	own = region_next(w->vm, r, page, n);
	if (r->object == NULL)
		return own;
	other = object_next(w->vm, r->object, offset + page, offset + n);
	return own < other - offset ? own : other - offset;
}

static struct page_run
run_at(struct walk *w, uint64_t page)
{
	const struct region *r = w->region;
	uint64_t slot = region_shown(w->vm, r, page), where = 0;
	uint32_t block = slot_block(slot);
	struct page_run run = { .addr = region_addr(r, page),
		.npages = slot != 0 ? 1 : next_known(w, page) - page,
		.own = region_slot(w->vm, r, page) != 0 };

	if (block != 0) {
		where = physblock_where(w->vm, block);
		run.common = physblock_refs(w->vm, block) > 1;
		run.backend = (uint8_t)where_backend(where);
	}
	if (slot != 0 && !run.own && has_sharers(w, page))
		run.common = true;
	run.state = state_of(slot, where);
	return run;
}

static bool
is_like(const struct page_run *a, const struct page_run *b)
{
	return a->addr + (a->npages << PAGE_SHIFT) == b->addr &&
	       a->state == b->state && a->backend == b->backend &&
	       a->own == b->own && a->common == b->common;
}

/* => the page where the region, or the room for runs, ended */
static uint64_t
walk_region(struct walk *w, const struct region *r, uint64_t page)
{
	uint32_t first = w->n;

	w->region = r;
	w->until = 0;
	while (page < r->rec->npages) {
		struct page_run run = run_at(w, page);

		if (w->n > first && is_like(&w->runs[w->n - 1], &run))
			w->runs[w->n - 1].npages += run.npages;
		else if (w->n < w->max)
			w->runs[w->n++] = run;
		else
			break;
		page += run.npages;
	}
	return page;
}

uint32_t
info_pages(const struct vm *vm, struct space *sp, uint64_t *cursor,
    struct page_run *runs, uint32_t max)
{
	struct walk w = { .vm = vm, .runs = runs, .max = max };
	struct region *r = space_find_from(sp, *cursor);

	ASSERT(max > 0 && *cursor % PAGE_BYTES == 0);
	for (; r != NULL && w.n < max;
	     r = RB_NEXT(region_tree, &sp->regions, r)) {
		uint64_t page = 0;

		if (*cursor > r->rec->start)
			page = region_page(r, *cursor);
		page = walk_region(&w, r, page);
		*cursor = region_addr(r, page);
		if (page < r->rec->npages)
			break;
	}
	return w.n;
}

static struct region_view
view_of(const struct vm *vm, const struct region *r)
{
	struct usage u = { 0 };

	usage_region(vm, r, &u);
	return (struct region_view){
		.id = r->rec->id,
		.start = r->rec->start,
		.end = region_end(r),
		.object = r->object != NULL ? r->object->rec->id : 0,
		.offset = r->rec->offset,
		.resident = u.resident,
		.out = u.out,
		.memtype = r->memtype->name,
		.readonly = r->rec->flags & REGION_READONLY,
		.pinned = r->rec->flags & REGION_PINNED,
	};
}

uint32_t
info_regions(const struct vm *vm, struct space *sp, uint64_t *cursor,
    struct region_view *views, uint32_t max)
{
	struct region *r = space_find_from(sp, *cursor);
	uint32_t n = 0;

	ASSERT(max > 0);
	for (; r != NULL && n < max;
	     r = RB_NEXT(region_tree, &sp->regions, r)) {
		views[n++] = view_of(vm, r);
		*cursor = region_end(r);
	}
	return n;
}

static struct region *
starts_at(struct space *sp, uint64_t addr)
{
	struct region *r = space_find(sp, addr);

	return r != NULL && r->rec->start == addr ? r : NULL;
}

int
info_get_phys(struct space *sp, uint64_t addr, uint64_t *id)
{
	const struct region *r = starts_at(sp, addr);

	if (r == NULL)
		return -EINVAL;
	*id = r->object != NULL ? r->object->rec->id : r->rec->id;
	return 0;
}

int
info_get_ref(const struct vm *vm, struct space *sp, uint64_t addr,
    uint32_t *refs)
{
	const struct region *r = starts_at(sp, addr);

	if (r == NULL)
		return -EINVAL;
	*refs = r->object != NULL ? object_users(vm, r->object) : 1;
	return 0;
}
