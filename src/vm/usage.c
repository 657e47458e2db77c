#include "usage.h"

#include "assert.h"
#include "memtype.h"
#include "vm.h"

static void
weight_normalize(struct weight *w)
{
	w->pages += w->part / WEIGHT_ONE;
	w->part %= WEIGHT_ONE;
}

void
weight_add(struct weight *w, uint64_t sharers)
{
	ASSERT(sharers > 0);
	w->part += (WEIGHT_ONE + sharers - 1) / sharers;
	weight_normalize(w);
}

void
weight_sum(struct weight *w, const struct weight *more)
{
	w->pages += more->pages;
	w->part += more->part;
	weight_normalize(w);
}

uint64_t
weight_bytes(const struct weight *w)
{
	return (w->pages << PAGE_SHIFT) + (w->part >> (62 - PAGE_SHIFT));
}

uint64_t
object_sharers(const struct object *o, uint64_t page, uint64_t *until)
{
	struct region *r;
	uint64_t n = 0;

	*until = o->rec->npages;
	LIST_FOREACH(r, &o->regions, of_object) {
		uint64_t start = r->rec->offset, end = start + r->rec->npages;

		if (start > page && start < *until)
			*until = start;
		if (start > page || end <= page)
			continue;
		n++;
		if (end < *until)
			*until = end;
	}
	return n;
}

static uint64_t
block_sharers(const struct vm *vm, uint64_t slot)
{
	uint32_t block = slot_block(slot);

	return block != 0 ? physblock_refs(vm, block) : 1;
}

/* A clean page has a frame of its own: that is what it costs. */
static uint64_t
weight_sharers(const struct vm *vm, uint64_t slot)
{
	return slot_state(slot) == SLOT_OUT ? block_sharers(vm, slot) : 1;
}

static void
count(struct usage *u, uint64_t slot, bool common, bool shared)
{
	u->total++;
	u->resident += slot_state(slot) == SLOT_RESIDENT;
	u->out += slot_state(slot) == SLOT_OUT;
	u->common += common;
	u->shared += common && shared;
}

static void
usage_own(const struct vm *vm, const struct region *r, struct usage *u)
{
	uint64_t n = r->rec->npages, page;

	for (page = 0; (page = region_next(vm, r, page, n)) < n; page++) {
		uint64_t slot = region_slot(vm, r, page);

		count(u, slot, block_sharers(vm, slot) > 1, false);
		weight_add(&u->weight, weight_sharers(vm, slot));
	}
}

static void
usage_of_object(const struct vm *vm, const struct region *r, struct usage *u)
{
	const struct object *o = r->object;
	uint64_t page = r->rec->offset, end = page + r->rec->npages;
	uint64_t until = 0, n = 0;

	for (; (page = object_next(vm, o, page, end)) < end; page++) {
		uint64_t slot = object_slot(vm, o, page);

		if (page >= until)
			n = object_sharers(o, page, &until);
		weight_add(&u->weight, n * weight_sharers(vm, slot));
		if (region_slot(vm, r, page - r->rec->offset) == 0)
			count(u, slot, n > 1 || block_sharers(vm, slot) > 1,
			    r->memtype == &memtype_shared);
	}
}

void
usage_region(const struct vm *vm, const struct region *r, struct usage *u)
{
	usage_own(vm, r, u);
	if (r->object != NULL)
		usage_of_object(vm, r, u);
}

void
usage_space(const struct vm *vm, const struct space *sp, struct usage *u)
{
	struct region *r;

	RB_FOREACH(r, region_tree, (struct region_tree *)&sp->regions)
		usage_region(vm, r, u);
}
