/*
 * cow.c: memtype of a clone of a region of a snapshot
 *
 *	read   --> the object's frame, one for all clones, write-protected
 *	write  --> a page of the client's own
 *
 * The snapshot has every page, in its holder or in the store, and never
 * changes: the object's frames are only there to be shared.
 */
#include "memtype.h"

#include "object.h"
#include "overlay.h"

const struct memtype memtype_cow = {
	.name = "cow",
	.object = true,
	.own_pages = true,
	.way = WAY_DROP,
	.frozen = true,
	.sources = 1 << SOURCE_SNAPSHOT,
	.plan = overlay_plan,
	.keep_copy = keep_unless_written,
	.writable = overlay_writable,
	.leave = overlay_leave,
};
