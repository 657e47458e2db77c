/*
 * region.c: regions and their slots
 *
 * A region owns a run of the slot array; cutting a region cuts the run, and
 * no slot moves.  Counts are kept in region, space and group at each change
 * of a slot, in one place: region_set().
 */
#include "region.h"

#include <errno.h>
#include <string.h>

#include "assert.h"
#include "memtype.h"
#include "reclaim.h"
#include "vm.h"

static int
region_compare(const struct region *a, const struct region *b)
{
	return a->rec->start < b->rec->start ? -1
					     : a->rec->start > b->rec->start;
}

RB_GENERATE(region_tree, region, link, region_compare);

static struct region *
region_init(struct vm *vm, uint32_t i, struct space *sp, uint8_t memtype)
{
	struct region *r = &vm->region_index[i];

	*r = (struct region){
		.index = i,
		.rec = table_at(&vm->regions, i),
		.space = sp,
		.memtype = memtype_get(memtype),
	};
	r->rec->space = sp->index;
	r->rec->memtype = memtype;
	return r;
}

int
region_new(struct vm *vm, struct space *sp, uint64_t start, uint64_t npages,
    uint8_t memtype, struct region **out)
{
	struct region *r;
	uint64_t pos;
	uint32_t i;
	int rc;

	rc = table_alloc(&vm->regions, &i);
	if (rc < 0)
		return rc;
	rc = slotmap_alloc(&vm->slots, npages, &pos);
	if (rc < 0) {
		table_free(&vm->regions, i);
		return rc;
	}
	r = region_init(vm, i, sp, memtype);
	r->rec->start = start;
	r->rec->npages = npages;
	r->rec->slots = pos;
	r->rec->capacity = npages;
	r->rec->id = vm->next_region_id++;
	*out = r;
	return 0;
}

int
region_new_like(struct vm *vm, struct space *sp, const struct region *from,
    struct region **out)
{
	struct region *r;
	int rc;

	rc = region_new(vm, sp, from->rec->start, from->rec->npages,
	    from->rec->memtype, &r);
	if (rc < 0)
		return rc;
	r->rec->flags = from->rec->flags;
	if (from->object != NULL)
		region_attach(vm, r, from->object, from->rec->offset);
	*out = r;
	return 0;
}

void
region_attach(struct vm *vm, struct region *r, struct object *o,
    uint64_t offset)
{
	ASSERT(r->object == NULL && r->memtype == o->memtype);
	r->rec->offset = offset;
	r->rec->object = o->index;
	object_attach(vm, o, r);
}

void
region_free(struct vm *vm, struct region *r)
{
	uint64_t page = 0;

	ASSERT(r->template == NULL);
	while ((page = region_next(vm, r, page, r->rec->npages)) <
	       r->rec->npages)
		region_forget(vm, r, page);
	slotmap_free(&vm->slots, r->rec->slots, r->rec->capacity);
	table_free(&vm->regions, r->index);
	r->rec = NULL;
	if (r->object != NULL)
		object_detach(vm, r);
}

int
region_split(struct vm *vm, struct region *r, uint64_t page,
    struct region **out)
{
	struct region *right;
	uint64_t p;
	uint32_t i;
	int rc;

	ASSERT(page > 0 && page < r->rec->npages);
	rc = table_alloc(&vm->regions, &i);
	if (rc < 0)
		return rc;
	right = region_init(vm, i, r->space, r->rec->memtype);
	right->rec->start = region_addr(r, page);
	right->rec->npages = r->rec->npages - page;
	right->rec->slots = r->rec->slots + page;
	right->rec->capacity = r->rec->capacity - page;
	right->rec->flags = r->rec->flags;
	if (r->object != NULL)
		region_attach(vm, right, r->object,
		    region_object_page(r, page));
	right->rec->id = vm->next_region_id++;
	r->rec->npages = page;
	r->rec->capacity = page;
	r->readahead = r->first = (struct readahead){ 0 };
	for (p = 0; (p = region_next(vm, right, p, right->rec->npages)) <
		    right->rec->npages;
	     p++) {
		uint64_t slot = region_slot(vm, right, p);

		counts_add(&r->counts, slot, (uint64_t)-1);
		counts_add(&right->counts, slot, 1);
	}
	*out = right;
	return 0;
}

/*
 * The run of slots cannot grow where it is: move it to a place with room to
 * double, so that a heap that grows by and by is moved a logarithmic number of
 * times.
 */
static int
region_move_slots(struct vm *vm, struct region *r, uint64_t npages)
{
	struct slotmap *sm = &vm->slots;
	uint64_t from = r->rec->slots, to, old = r->rec->capacity, p;
	uint64_t room = 2 * npages;
	int rc;

	rc = slotmap_alloc(sm, room, &to);
	if (rc < 0)
		return rc;
	for (p = 0;
	     (p = region_next(vm, r, p, r->rec->npages)) < r->rec->npages; p++)
		slotmap_set(sm, to + p, sm->slots[from + p]);
	r->rec->slots = to;
	r->rec->capacity = room;
	for (p = slotmap_next(sm, from, from + old); p < from + old;
	     p = slotmap_next(sm, p, from + old))
		slotmap_set(sm, p, 0);
	slotmap_free(sm, from, old);
	return 0;
}

int
region_extend(struct vm *vm, struct region *r, uint64_t npages)
{
	struct region_record *rec = r->rec;
	uint64_t want = rec->npages + npages;
	int rc = 0;

	ASSERT(r->object == NULL ||
	       rec->offset + want <= r->object->rec->npages);
	if (want > rec->capacity) {
		uint64_t more = want - rec->capacity;

		rc = slotmap_grow(&vm->slots, rec->slots + rec->capacity, more);
		if (rc == 0)
			rec->capacity += more;
		else
			rc = region_move_slots(vm, r, want);
	}
	if (rc == 0)
		rec->npages = want;
	return rc;
}

uint64_t
region_slot(const struct vm *vm, const struct region *r, uint64_t page)
{
	ASSERT(page < r->rec->npages);
	return vm->slots.slots[r->rec->slots + page];
}

uint64_t
region_shown(const struct vm *vm, const struct region *r, uint64_t page)
{
	uint64_t slot = region_slot(vm, r, page);

	if (slot != 0 || r->object == NULL)
		return slot;
	return object_slot(vm, r->object, region_object_page(r, page));
}

static void
counts_change(struct region *r, uint64_t old, uint64_t new)
{
	struct counts *all[] = { &r->counts, &r->space->counts,
		&r->space->group->counts };

	for (int i = 0; i < 3; i++)
		counts_replace(all[i], old, new);
}

/* => the reference of slot's block is the caller's; the old one is returned */
static uint32_t
region_set(struct vm *vm, struct region *r, uint64_t page, uint64_t slot)
{
	uint64_t old = region_slot(vm, r, page);
	struct space *sp = r->space;

	counts_change(r, old, slot);
	if (sp->counts.resident > sp->peak)
		sp->peak = sp->counts.resident;
	slotmap_set(&vm->slots, r->rec->slots + page, slot);
	return slot_block(old);
}

static void
drop(struct vm *vm, uint32_t block)
{
	if (block != 0)
		physblock_unref(vm, block);
}

void
region_forget(struct vm *vm, struct region *r, uint64_t page)
{
	drop(vm, region_set(vm, r, page, 0));
}

bool
region_forgets_to_zero(const struct region *r)
{
	return r->object == NULL;
}

static uint32_t
comes(const struct vm *vm, const struct region *r, uint64_t page)
{
	return reclaim_comes(r->space->group, region_slot(vm, r, page));
}

void
region_resident(struct vm *vm, struct region *r, uint64_t page)
{
	drop(vm, region_set(vm, r, page,
		     slot_make(SLOT_RESIDENT, 0, comes(vm, r, page), false)));
}

void
region_found(struct vm *vm, struct region *r, uint64_t page)
{
	drop(vm, region_set(vm, r, page,
		     slot_make(SLOT_RESIDENT, 0, reclaim_cold(r->space->group),
			 false)));
}

void
region_clean(struct vm *vm, struct region *r, uint64_t page)
{
	uint32_t block = slot_block(region_slot(vm, r, page));

	ASSERT(block != 0);
	(void)region_set(vm, r, page,
	    slot_make(SLOT_RESIDENT, block, comes(vm, r, page), true));
}

void
region_written(struct vm *vm, struct region *r, uint64_t page)
{
	uint64_t at = region_object_page(r, page);

	if (r->memtype->own_pages) {
		if (slot_state(region_slot(vm, r, page)) == SLOT_RESIDENT)
			region_resident(vm, r, page);
	} else if (slot_state(object_slot(vm, r->object, at)) ==
		   SLOT_RESIDENT) {
		object_resident(vm, r->object, at);
	}
}

void
region_continued(struct vm *vm, struct region *r, uint64_t page, bool writable)
{
	ASSERT(r->object != NULL);
	if (region_slot(vm, r, page) != 0)
		region_forget(vm, r, page);
	if (writable)
		region_written(vm, r, page);
}

void
region_kept(struct vm *vm, struct region *r, uint64_t page, uint32_t block)
{
	uint64_t slot = region_slot(vm, r, page);

	ASSERT(block != 0 && slot_state(slot) == SLOT_RESIDENT);
	drop(vm, region_set(vm, r, page,
		     slot_make(SLOT_RESIDENT, block, slot_stamp(slot), true)));
}

void
region_protect_page(struct vm *vm, struct region *r, uint64_t page)
{
	uint64_t slot = region_slot(vm, r, page);

	if (slot_state(slot) == SLOT_RESIDENT)
		(void)region_set(vm, r, page,
		    slot_make(SLOT_RESIDENT, slot_block(slot), slot_stamp(slot),
			true));
}

void
region_protect(struct vm *vm, struct region *r)
{
	uint64_t n = r->rec->npages, page;

	for (page = 0; (page = region_next(vm, r, page, n)) < n; page++)
		region_protect_page(vm, r, page);
}

void
region_out(struct vm *vm, struct region *r, uint64_t page, uint32_t block)
{
	uint64_t slot = region_slot(vm, r, page);
	uint32_t old = slot_block(slot);

	if (block == 0)
		block = old;
	ASSERT(block != 0);
	(void)region_set(vm, r, page,
	    slot_make(SLOT_OUT, block, reclaim_goes(r->space->group, slot),
		false));
	if (block != old)
		drop(vm, old);
}

void
region_rebind(struct vm *vm, struct region *r, uint64_t page, uint32_t block)
{
	uint64_t slot = region_slot(vm, r, page);

	ASSERT(block != 0 && slot_block(slot) != 0);
	drop(vm, region_set(vm, r, page,
		     slot_make(slot_state(slot), block, slot_stamp(slot),
			 slot_protected(slot))));
}

void
region_copy_slot(struct vm *vm, struct region *r, uint64_t page, uint64_t slot)
{
	ASSERT(region_slot(vm, r, page) == 0);
	if (slot_block(slot) != 0)
		physblock_ref(vm, slot_block(slot));
	(void)region_set(vm, r, page, slot);
}

static void
stamp(struct vm *vm, struct region *r, uint64_t page, uint32_t stamp)
{
	uint64_t slot = region_slot(vm, r, page);

	if (slot_resident(slot))
		(void)region_set(vm, r, page,
		    slot_make(SLOT_RESIDENT, slot_block(slot), stamp,
			slot_protected(slot)));
}

void
region_restamp(struct vm *vm, struct region *r, uint64_t page)
{
	stamp(vm, r, page, comes(vm, r, page));
}

void
region_age(struct vm *vm, struct region *r, uint64_t page)
{
	stamp(vm, r, page, reclaim_cold(r->space->group));
}

uint64_t
region_next(const struct vm *vm, const struct region *r, uint64_t page,
    uint64_t end)
{
	uint64_t base = r->rec->slots;

	return slotmap_next(&vm->slots, base + page, base + end) - base;
}

/* => 0 or -EFAULT */
static int
may_poke(const struct vm *vm, const struct region *r, uint64_t page)
{
	uint64_t slot = region_slot(vm, r, page);
	uint32_t block;

	if (!r->memtype->own_pages) {
		slot = object_slot(vm, r->object, region_object_page(r, page));
		if (object_users(vm, r->object) > 1)
			return -EFAULT;
	}
	block = slot_block(slot);
	if (slot_state(slot) != SLOT_RESIDENT || slot_forked(slot))
		return -EFAULT;
	return block != 0 && physblock_refs(vm, block) > 1 ? -EFAULT : 0;
}

int
region_may_poke(const struct vm *vm, const struct region *r, uint64_t page,
    uint64_t npages)
{
	int rc = 0;

	if (page >= r->rec->npages || npages > r->rec->npages - page)
		return -EINVAL;
	for (uint64_t i = 0; i < npages && rc == 0; i++)
		rc = may_poke(vm, r, page + i);
	return rc;
}
