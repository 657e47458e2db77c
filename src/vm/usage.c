#include "usage.h"

#include "assert.h"
#include "memtype.h"
#include "vm.h"

#define WINDOW_WORK 8u /* of SLOT_CHUNK pages, whatever is there */

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
static void
weigh(struct usage *u, const struct vm *vm, uint64_t slot, uint64_t sharers)
{
	bool out = slot_state(slot) == SLOT_OUT;

	if (out)
		sharers *= block_sharers(vm, slot);
	weight_add(&u->weight, sharers);
	if (out)
		weight_add(&u->out_weight, sharers);
}

static void
count(struct usage *u, uint64_t slot, bool common, bool shared)
{
	u->total++;
	u->resident += slot_state(slot) == SLOT_RESIDENT;
	u->out += slot_state(slot) == SLOT_OUT;
	u->clean += slot_clean(slot);
	u->common += common;
	u->shared += common && shared;
}

static void
usage_own(const struct vm *vm, const struct region *r, uint64_t page,
    uint64_t end, struct usage *u)
{
	for (; (page = region_next(vm, r, page, end)) < end; page++) {
		uint64_t slot = region_slot(vm, r, page);

		count(u, slot, block_sharers(vm, slot) > 1, false);
		weigh(u, vm, slot, 1);
	}
}

/* => page and end are the object's */
static void
usage_of_object(const struct vm *vm, const struct region *r, uint64_t page,
    uint64_t end, struct usage *u)
{
	const struct object *o = r->object;
	uint64_t until = 0, n = 0;

	for (; (page = object_next(vm, o, page, end)) < end; page++) {
		uint64_t slot = object_slot(vm, o, page);

		if (page >= until)
			n = object_sharers(o, page, &until);
		weigh(u, vm, slot, n);
		if (region_slot(vm, r, page - r->rec->offset) == 0)
			count(u, slot, n > 1 || block_sharers(vm, slot) > 1,
			    r->memtype == &memtype_shared);
	}
}

/* None of its pages has a sharer: there is no need to look at each. */
static bool
is_alone(const struct vm *vm, const struct region *r)
{
	return r->object == NULL && (vm->block_refs == vm->blocks.used ||
					r->counts.out + r->counts.clean == 0);
}

static void
usage_alone(const struct region *r, struct usage *u)
{
	const struct counts *c = &r->counts;

	u->resident += c->resident;
	u->out += c->out;
	u->clean += c->clean;
	u->total += c->resident + c->out;
	u->weight.pages += c->resident + c->out;
	u->out_weight.pages += c->out;
}

static void
spend(uint64_t *work, uint64_t n)
{
	*work -= n < *work ? n : *work;
}

uint64_t
usage_slice(const struct vm *vm, const struct region *r, uint64_t page,
    uint64_t *work, struct usage *u)
{
	uint64_t n = r->rec->npages, offset = r->rec->offset, end, before;

	if (page == 0 && is_alone(vm, r)) {
		usage_alone(r, u);
		spend(work, WINDOW_WORK);
		return n;
	}
	for (; *work > 0 && page < n; page = end) {
		before = u->total;
		end = n - page < SLOT_CHUNK ? n : page + SLOT_CHUNK;
		usage_own(vm, r, page, end, u);
		if (r->object != NULL)
			usage_of_object(vm, r, offset + page, offset + end, u);
		spend(work, WINDOW_WORK + u->total - before);
	}
	return page;
}

void
usage_region(const struct vm *vm, const struct region *r, struct usage *u)
{
	uint64_t work = UINT64_MAX;

	(void)usage_slice(vm, r, 0, &work, u);
}

void
usage_space(const struct vm *vm, const struct space *sp, struct usage *u)
{
	struct region *r;

	RB_FOREACH(r, region_tree, (struct region_tree *)&sp->regions)
		usage_region(vm, r, u);
}
