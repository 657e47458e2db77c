/*
 * image.c: memtype of a memory image, read-only, private on write
 *
 * As cow, but what was not written comes from a file, which is read again
 * whenever a frame is wanted that has gone.
 */
#include "memtype.h"

#include "object.h"
#include "overlay.h"

const struct memtype memtype_image = {
	.name = "image",
	.object = true,
	.own_pages = true,
	.way = WAY_DROP,
	.frozen = true,
	.sources = 1 << SOURCE_IMAGE,
	.plan = overlay_plan,
	.keep_copy = keep_unless_written,
	.writable = overlay_writable,
	.leave = overlay_leave,
};
