/*
 * shared.c: memtype of one memory for all who map it
 *
 * It is written in place, in the object's frame, and has no other page: what
 * one client writes all see.  A page with a stored copy is mapped
 * write-protected by everybody, and the first write of any of them voids it;
 * the others meet their own protection later, when there is nothing more to
 * void.
 */
#include "memtype.h"

#include "region.h"
#include "vm.h"

static enum plan
shared_plan(const struct vm *vm, const struct region *r, uint64_t page,
    enum access access)
{
	uint64_t slot = object_slot(vm, r->object, region_object_page(r, page));

	if (access != ACCESS_READ && r->rec->flags & REGION_READONLY)
		return PLAN_DENY;
	if (access == ACCESS_PROTECTED)
		return PLAN_UNPROTECT;
	if (slot_state(slot) != SLOT_RESIDENT)
		return PLAN_FILL_OBJECT;
	if (access == ACCESS_READ &&
	    (slot_clean(slot) || r->rec->flags & REGION_READONLY))
		return PLAN_CONTINUE_PROTECTED;
	return PLAN_CONTINUE;
}

static bool
shared_writable(const struct vm *vm, const struct region *r, uint64_t page)
{
	uint64_t slot = object_slot(vm, r->object, region_object_page(r, page));

	return slot_state(slot) == SLOT_RESIDENT && !slot_protected(slot) &&
	       !(r->rec->flags & REGION_READONLY);
}

const struct memtype memtype_shared = {
	.name = "shared",
	.object = true,
	.sources = 1 << SOURCE_ZERO | 1 << SOURCE_SNAPSHOT | 1 << SOURCE_IMAGE,
	.plan = shared_plan,
	.keep_copy = keep_unless_written,
	.writable = shared_writable,
	.leave = leave_to_store,
};
