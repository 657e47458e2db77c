#include "overlay.h"

#include "origin.h"
#include "region.h"
#include "vm.h"

/* The client has no page of its own there, or let go of it. */
static enum plan
plan_of_object(const struct vm *vm, const struct region *r, uint64_t page,
    enum access access)
{
	uint64_t slot = object_slot(vm, r->object, region_object_page(r, page));

	if (access == ACCESS_WRITE)
		return PLAN_COPY;
	return slot_state(slot) == SLOT_RESIDENT ? PLAN_CONTINUE_PROTECTED
						 : PLAN_FILL_OBJECT;
}

enum plan
overlay_plan(const struct vm *vm, const struct region *r, uint64_t page,
    enum access access)
{
	uint64_t own = region_slot(vm, r, page);

	if (access != ACCESS_READ && r->rec->flags & REGION_READONLY)
		return PLAN_DENY;
	if (access == ACCESS_PROTECTED)
		return own != 0 ? PLAN_UNPROTECT : PLAN_BREAK;
	if (slot_block(own) != 0)
		return PLAN_FILL;
	return plan_of_object(vm, r, page, access);
}

bool
overlay_writable(const struct vm *vm, const struct region *r, uint64_t page)
{
	uint64_t own = region_slot(vm, r, page);

	return slot_state(own) == SLOT_RESIDENT && !slot_protected(own) &&
	       !(r->rec->flags & REGION_READONLY);
}

/* The process that had the source's page may have died. */
static bool
is_last_copy(const struct vm *vm, const struct object *o, uint64_t page)
{
	struct origin from = source_origin(vm, o, page);

	return from.kind == ORIGIN_NOWHERE ||
	       (from.kind == ORIGIN_BLOCK &&
		   where_kind(physblock_where(vm, from.block)) == WHERE_LOST);
}

enum leave
overlay_leave(const struct vm *vm, const struct object *o, uint64_t page)
{
	return is_last_copy(vm, o, page) ? leave_to_store(vm, o, page)
					 : LEAVE_DROP;
}
