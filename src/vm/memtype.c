#include "memtype.h"

#include "assert.h"
#include "vm.h"

static const struct memtype *const memtypes[MEMTYPE_COUNT] = {
	[MEMTYPE_ANON] = &memtype_anon,
	[MEMTYPE_SHARED] = &memtype_shared,
	[MEMTYPE_COW] = &memtype_cow,
	[MEMTYPE_IMAGE] = &memtype_image,
	[MEMTYPE_CACHE] = &memtype_cache,
};

const struct memtype *
memtype_get(uint8_t id)
{
	ASSERT(id < MEMTYPE_COUNT);
	return memtypes[id];
}

bool
keep_unless_written(const struct vm *vm, const struct region *r, uint64_t page,
    enum access access)
{
	(void)vm;
	return access == ACCESS_READ && !r->readahead.write &&
	       habit_keeps(&r->habit, page);
}

enum leave
leave_to_store(const struct vm *vm, const struct object *o, uint64_t page)
{
	return slot_clean(object_slot(vm, o, page)) ? LEAVE_KEPT
						    : LEAVE_CAPTURE;
}

bool
object_is_pinned(const struct object *o)
{
	struct region *r;

	LIST_FOREACH(r, &o->regions, of_object)
		if (r->rec->flags & REGION_PINNED)
			return true;
	return false;
}

static bool
is_pinned(const struct object *o, uint64_t page)
{
	struct region *r;

	LIST_FOREACH(r, &o->regions, of_object)
		if (r->rec->flags & REGION_PINNED && page >= r->rec->offset &&
		    page - r->rec->offset < r->rec->npages)
			return true;
	return false;
}

enum leave
object_leave(const struct vm *vm, const struct object *o, uint64_t page)
{
	if (slot_state(object_slot(vm, o, page)) != SLOT_RESIDENT ||
	    is_pinned(o, page))
		return LEAVE_STAY;
	return o->memtype->leave(vm, o, page);
}
