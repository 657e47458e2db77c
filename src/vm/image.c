/*
 * image.c: memtype of a memory image, read-only, private on write
 *
 * As cow, but what was not written comes from a backend that only reads.
 */
#include "memtype.h"

#include "object.h"
#include "overlay.h"

const struct memtype memtype_image = {
	.name = "image",
	.object = true,
	.own_pages = true,
	.frozen = true,
	.sources = 1 << SOURCE_IMAGE,
	.plan = overlay_plan,
	.keep_copy = keep_unless_written,
	.writable = overlay_writable,
	.leave = overlay_leave,
};
