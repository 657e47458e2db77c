/*
 * anon.c: memtype of the program's own anonymous memory
 *
 * Never seen: zero.  Out: from its block.  A missing fault on a page that the
 * model holds resident is either an old message, and the install finds the
 * page there, or the kernel let go of it after MADV_FREE: zero if it was the
 * only copy, its block if that was kept.
 */
#include "memtype.h"

#include "region.h"
#include "vm.h"

static enum plan
anon_plan(const struct vm *vm, const struct region *r, uint64_t page,
    enum access access)
{
	uint64_t slot = region_slot(vm, r, page);

	if (access == ACCESS_PROTECTED)
		return PLAN_UNPROTECT;
	return slot_block(slot) != 0 ? PLAN_FILL : PLAN_ZERO;
}

static bool
anon_writable(const struct vm *vm, const struct region *r, uint64_t page)
{
	uint64_t slot = region_slot(vm, r, page);

	return slot_state(slot) == SLOT_RESIDENT && !slot_protected(slot);
}

const struct memtype memtype_anon = {
	.name = "anon",
	.own_pages = true,
	.way = WAY_MOVE,
	.frozen = true,
	.plan = anon_plan,
	.keep_copy = keep_unless_written,
	.writable = anon_writable,
};
