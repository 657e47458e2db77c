#include "origin.h"

#include "assert.h"
#include "vm.h"

/*
 * One step down: what the source of o has at page is either said in *found, or
 * it is what o's snapshot shows at (*r, *page).
 */
static bool
of_source(const struct object *o, uint64_t page, struct origin *found,
    const struct region **r, uint64_t *rpage)
{
	const struct object_record *rec = o->rec;

	switch ((enum source_kind)rec->source) {
	case SOURCE_ZERO:
		found->kind = ORIGIN_ZERO;
		return true;
	case SOURCE_IMAGE:
		*found = (struct origin){ .kind = ORIGIN_IMAGE,
			.object = o,
			.image = rec->source_id,
			.at = rec->source_at + page };
		return true;
	case SOURCE_SNAPSHOT:
		*r = space_find(o->source, rec->source_at);
		*rpage = region_page(*r, rec->source_at) + page;
		return false;
	case SOURCE_CACHE:
	case SOURCE_COUNT:
		break;
	}
	found->kind = ORIGIN_NOWHERE;
	return true;
}

/*
 * => true: the slot says where its page is; here: in memory
 *
 * A clean page of a client is where its copy is: the client may be gone.
 */
static bool
of_slot(uint64_t slot, struct origin here, struct origin *found)
{
	if (slot_state(slot) == SLOT_UNKNOWN)
		return false;
	*found = here;
	if (slot_state(slot) == SLOT_OUT ||
	    (slot_clean(slot) && here.kind == ORIGIN_CLIENT))
		*found = (struct origin){ .kind = ORIGIN_BLOCK,
			.block = slot_block(slot) };
	return true;
}

static struct origin
frame(const struct object *o, uint64_t page)
{
	return (struct origin){ .kind = ORIGIN_FRAME, .object = o, .at = page };
}

struct origin
source_origin(const struct vm *vm, const struct object *o, uint64_t page)
{
	struct origin found = { .kind = ORIGIN_NOWHERE };
	const struct region *r;
	uint64_t p;

	do {
		struct origin client;

		if (of_source(o, page, &found, &r, &p))
			break;
		client = (struct origin){ .kind = ORIGIN_CLIENT,
			.space = r->space,
			.at = region_addr(r, p) };
		if (of_slot(region_slot(vm, r, p), client, &found))
			break;
		if (r->object == NULL) {
			found.kind = ORIGIN_ZERO;
			break;
		}
		o = r->object;
		page = region_object_page(r, p);
	} while (!of_slot(object_slot(vm, o, page), frame(o, page), &found));
	return found;
}

struct origin
object_origin(const struct vm *vm, const struct object *o, uint64_t page)
{
	struct origin found;

	if (of_slot(object_slot(vm, o, page), frame(o, page), &found))
		return found;
	return source_origin(vm, o, page);
}

struct origin
region_origin(const struct vm *vm, const struct region *r, uint64_t page)
{
	struct origin client = { .kind = ORIGIN_CLIENT,
		.space = r->space,
		.at = region_addr(r, page) };
	struct origin found = { .kind = ORIGIN_ZERO };

	if (of_slot(region_slot(vm, r, page), client, &found) ||
	    r->object == NULL)
		return found;
	return object_origin(vm, r->object, region_object_page(r, page));
}
