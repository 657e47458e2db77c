/*
 * vm-fixture.h: a model to test, and short words for what tests do to it
 *
 * Pages of a space are counted from BASE.  A block's "where" carries a number
 * that stands for its content.
 */
#ifndef VM_FIXTURE_H
#define VM_FIXTURE_H

#include <errno.h>
#include <string.h>

#include "memtype.h"
#include "origin.h"
#include "snapshot.h"
#include "test.h"
#include "vm.h"

#define PAGE PAGE_BYTES
#define BASE UINT64_C(0x10000000)
#define ADDR(page) (BASE + (uint64_t)(page)*PAGE)
#define USER 1000

static struct vm vm;
static struct group *group;
static uint64_t released, objects_gone, snapshots_gone;
static uint32_t last_released;          /* block */
static uintptr_t stack_low, stack_high; /* stack, where snapshots went */

static inline void
release(void *ctx, uint32_t block, uint64_t where)
{
	(void)ctx;
	CHECK(where_kind(where) != WHERE_NOWHERE);
	last_released = block;
	released++;
}

static inline void
object_gone(void *ctx, uint32_t object)
{
	(void)ctx;
	CHECK(vm.object_index[object].counts.resident == 0);
	objects_gone++;
}

static inline void
snapshot_gone(void *ctx, struct space *sp)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	(void)ctx;
	CHECK(space_is_snapshot(sp));
	snapshots_gone++;
	if (stack_low == 0 || here < stack_low)
		stack_low = here;
	if (here > stack_high)
		stack_high = here;
}

static inline void
say(void *ctx, const char *line)
{
	(void)ctx;
	printf("# %s\n", line);
}

static inline void
sound(void)
{
	CHECK(vm_check(&vm, say, NULL) == 0);
}

static inline struct space *
new_space(void)
{
	struct space_record rec = { .group = group->index, .uid = USER };
	struct space *sp;

	CHECK(space_new(&vm, &rec, &sp) == 0);
	return sp;
}

static inline void
begin_with(struct vm_config config)
{
	struct group_record rec = { .limit_bytes = 64 << 20 };

	config.object_gone = object_gone;
	config.snapshot_gone = snapshot_gone;
	released = objects_gone = snapshots_gone = 0;
	stack_low = stack_high = 0;
	CHECK(vm_open(&vm, &config, release, NULL) == 0);
	CHECK(group_new(&vm, &rec, &group) == 0);
}

static inline void
begin(void)
{
	begin_with((struct vm_config){ .max_groups = 16,
	    .max_spaces = 64,
	    .max_regions = 4096,
	    .max_blocks = 65536,
	    .max_objects = 256,
	    .max_slots = 1 << 20 });
}

static inline void
end_objects(void)
{
	for (uint32_t i = 1; i < table_high(&vm.objects); i++)
		if (vm.object_index[i].rec != NULL)
			object_drop(&vm, &vm.object_index[i]);
}

static inline struct space *
first_client(void)
{
	struct space *sp;

	TAILQ_FOREACH(sp, &group->spaces, entry)
		if (!space_is_snapshot(sp))
			return sp;
	return NULL;
}

static inline void
end_spaces(void)
{
	struct space *sp;

	while ((sp = TAILQ_FIRST(&vm.snapshots)) != NULL)
		snapshot_drop(&vm, sp);
	while ((sp = first_client()) != NULL)
		space_free(&vm, sp);
}

/* Everything goes, and nothing is left. */
static inline void
end(void)
{
	sound();
	end_objects();
	sound();
	end_spaces();
	sound();
	CHECK(vm.blocks.used == 0 && vm.objects.used == 0);
	CHECK(vm.regions.used == 0 && vm.spaces.used == 0);
	CHECK(group->counts.resident == 0 && group->counts.out == 0);
	group_free(&vm, group);
	vm_close(&vm);
}

static inline struct region *
at(struct space *sp, uint64_t page)
{
	return space_find(sp, ADDR(page));
}

static inline uint64_t
slot_at(struct space *sp, uint64_t page)
{
	uint64_t slot;

	CHECK(space_slot(&vm, sp, ADDR(page), &slot) == 0);
	return slot;
}

/* => what the block of a page stands for */
static inline uint64_t
data_at(struct space *sp, uint64_t page)
{
	return where_data(physblock_where(&vm, slot_block(slot_at(sp, page))));
}

static inline void
map(struct space *sp, uint64_t page, uint64_t n)
{
	CHECK(space_add(&vm, sp, ADDR(page), ADDR(page + n), MEMTYPE_ANON) ==
	      0);
}

static inline int
unmap(struct space *sp, uint64_t page, uint64_t n)
{
	return space_unmap(&vm, sp, ADDR(page), ADDR(page + n));
}

static inline uint32_t
new_block(uint64_t data)
{
	uint32_t block;

	CHECK(physblock_new(&vm, where_make(WHERE_STORED, 0, data), &block) ==
	      0);
	return block;
}

static inline uint32_t
put_out(struct space *sp, uint64_t page, uint64_t data)
{
	struct region *r = at(sp, page);
	uint32_t block = new_block(data);

	region_out(&vm, r, region_page(r, ADDR(page)), block);
	return block;
}

static inline void
put_resident(struct space *sp, uint64_t page)
{
	struct region *r = at(sp, page);

	region_resident(&vm, r, region_page(r, ADDR(page)));
}

static inline enum plan
plan_at(struct space *sp, uint64_t page, enum access access)
{
	struct region *r = at(sp, page);

	return r->memtype->plan(&vm, r, region_page(r, ADDR(page)), access);
}

static inline struct object *
new_object(const struct object_spec *spec)
{
	struct object *o;

	CHECK(object_new(&vm, group, spec, &o) == 0);
	return o;
}

/* => zeros, kept without a name */
static inline struct object *
new_shared(uint64_t npages)
{
	return new_object(&(struct object_spec){
	    .memtype = MEMTYPE_SHARED, .uid = USER, .npages = npages });
}

static inline struct object *
new_image(uint64_t npages)
{
	return new_object(&(struct object_spec){ .memtype = MEMTYPE_IMAGE,
	    .source = SOURCE_IMAGE,
	    .uid = USER,
	    .npages = npages,
	    .source_id = 3,
	    .source_at = 100 });
}

/* => filled with pages that are OUT, data 500 and on */
static inline struct object *
new_cached(uint64_t npages, uint64_t device, uint64_t offset)
{
	struct object *o =
	    new_object(&(struct object_spec){ .memtype = MEMTYPE_CACHE,
		.source = SOURCE_CACHE,
		.uid = USER,
		.npages = npages,
		.source_id = device,
		.source_at = offset });

	for (uint64_t i = 0; i < npages; i++)
		object_out(&vm, o, i, new_block(500 + i));
	return o;
}

static inline int
try_map(struct space *sp, uint64_t page, uint64_t n, struct object *o,
    uint64_t offset, uint8_t flags)
{
	return space_map(&vm, sp,
	    &(struct map_spec){ .start = ADDR(page),
		.npages = n,
		.object = o,
		.offset = offset,
		.flags = flags });
}

/* => all of o; which nobody but its regions keeps from now on */
static inline void
map_all(struct space *sp, uint64_t page, struct object *o, uint8_t flags)
{
	CHECK(try_map(sp, page, o->rec->npages, o, 0, flags) == 0);
}

static inline struct space *
new_snapshot(struct space *sp, const char *name)
{
	struct space *snap;

	CHECK(snapshot_new(&vm, sp, name, &snap) == 0);
	return snap;
}

static inline struct origin
origin_at(struct space *sp, uint64_t page)
{
	struct region *r = at(sp, page);

	return region_origin(&vm, r, region_page(r, ADDR(page)));
}

/*
 * The proof that vm_check() can fail: an invariant, by its number, is broken by
 * hand, noticed, and mended.
 */
static const char *expected;
static int noticed;

static inline void
notice(void *ctx, const char *line)
{
	(void)ctx;
	if (strncmp(line, expected, strlen(expected)) == 0)
		noticed++;
	else
		printf("# %s: %s\n", expected, line);
}

#define BROKEN(number, break_it, mend_it)                                      \
	do {                                                                   \
		break_it;                                                      \
		expected = number ": ";                                        \
		noticed = 0;                                                   \
		CHECK(vm_check(&vm, notice, NULL) > 0);                        \
		CHECK(noticed > 0);                                            \
		mend_it;                                                       \
		sound();                                                       \
	} while (0)

#endif
