/*
 * Snapshots and clones of them.
 */
#include "vm-fixture.h"

static void
snapshot_names(void)
{
	struct space *sp, *snap, *other;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	put_out(sp, 0, 1);
	snap = new_snapshot(sp, "before");
	CHECK(snapshot_find(&vm, USER, "before") == snap);
	CHECK(snapshot_find(&vm, USER + 1, "before") == NULL);
	CHECK(snapshot_find(&vm, USER, "") == NULL);
	CHECK(snap->rec->uid == USER && space_is_snapshot(snap));
	CHECK(!space_is_snapshot(sp));
	CHECK(snapshot_new(&vm, sp, "before", &other) == -EEXIST);
	CHECK(snapshot_new(&vm, sp, "", &other) == -EINVAL);
	CHECK(snapshot_new(&vm, sp, "\t", &other) == -EINVAL);
	CHECK(snapshot_new(&vm, snap, "again", &other) == -EINVAL);
	snapshot_drop(&vm, snap);
	CHECK(snapshot_find(&vm, USER, "before") == NULL);
	CHECK(snapshots_gone == 1 && vm.spaces.used == 1);
	(void)new_snapshot(sp, "before");
	end();
}

static void
snapshot_never_changes(void)
{
	struct space *sp, *snap;
	struct map_spec spec = { .start = ADDR(8), .npages = 1 };

	begin();
	sp = new_space();
	map(sp, 0, 4);
	for (uint64_t i = 0; i < 4; i++)
		put_out(sp, i, i);
	snap = new_snapshot(sp, "s");
	CHECK(space_add(&vm, snap, ADDR(3), ADDR(4), 0) == -EEXIST);
	CHECK(space_add(&vm, snap, ADDR(4), ADDR(5), 0) == 0);
	CHECK(space_map(&vm, snap, &spec) == -EPERM);
	CHECK(unmap(snap, 0, 1) == -EPERM);
	CHECK(space_remap(&vm, snap, ADDR(0), ADDR(9), PAGE) == -EPERM);
	CHECK(space_extend(&vm, snap, ADDR(0), ADDR(5)) == -EPERM);
	CHECK(space_set_flags(&vm, snap, ADDR(0), ADDR(1), 1, 0) == -EPERM);
	space_remove(&vm, snap, ADDR(0), ADDR(4));
	put_out(sp, 1, 77);
	CHECK(unmap(sp, 2, 1) == 0);
	space_remove(&vm, sp, ADDR(3), ADDR(4));
	for (uint64_t i = 0; i < 4; i++)
		CHECK(data_at(snap, i) == i);
	space_free(&vm, sp);
	CHECK(data_at(snap, 0) == 0 && released == 1);
	end();
}

/* What a fork does not freeze is not in it. */
static void
snapshot_leaves_out_shared(void)
{
	struct space *sp, *snap;
	struct object *shared, *image, *cached;

	begin();
	sp = new_space();
	shared = new_shared(4);
	image = new_image(4);
	cached = new_cached(4, 1, 1);
	map_all(sp, 0, shared, 0);
	map_all(sp, 10, image, 0);
	map_all(sp, 20, cached, REGION_READONLY);
	map(sp, 30, 4);
	snap = new_snapshot(sp, "s");
	CHECK(snap->nregions == 3 && at(snap, 0) == NULL);
	CHECK(object_users(&vm, image) == 2 && object_users(&vm, cached) == 2);
	CHECK(object_users(&vm, shared) == 1);
	end();
}

/* The holder: a fork that is a snapshot from then on. */
static void
snapshot_become_of_a_fork(void)
{
	struct space *sp, *holder, *to;
	struct object *shared;

	begin();
	sp = new_space();
	shared = new_shared(4);
	map_all(sp, 0, shared, 0);
	map(sp, 10, 4);
	put_out(sp, 10, 1);
	put_resident(sp, 11);
	holder = new_space();
	CHECK(space_fork(&vm, sp, holder) == 0);
	CHECK(object_users(&vm, shared) == 2);
	CHECK(snapshot_become(&vm, holder, "") == -EINVAL);
	CHECK(snapshot_become(&vm, holder, "7") == 0);
	CHECK(snapshot_become(&vm, holder, "8") == -EINVAL);
	CHECK(space_is_snapshot(holder) && at(holder, 0) == NULL);
	CHECK(object_users(&vm, shared) == 1);
	CHECK(snapshot_become(&vm, sp, "7") == -EEXIST);
	to = new_space();
	CHECK(snapshot_clone(&vm, holder, to, ADDR(10), ADDR(14)) == 0);
	CHECK(origin_at(to, 10).kind == ORIGIN_BLOCK);
	CHECK(origin_at(to, 11).kind == ORIGIN_CLIENT);
	snapshot_drop(&vm, holder);
	CHECK(snapshots_gone == 0);
	CHECK(unmap(to, 10, 4) == 0 && snapshots_gone == 1);
	end();
}

static void
snapshot_without_room(void)
{
	struct space *sp, *snap;

	begin_with((struct vm_config){ .max_groups = 4,
	    .max_spaces = 3,
	    .max_regions = 6,
	    .max_blocks = 64,
	    .max_slots = 4096 });
	sp = new_space();
	for (uint64_t i = 0; i < 3; i++) {
		map(sp, i * 2, 1);
		put_out(sp, i * 2, i);
	}
	CHECK(snapshot_new(&vm, sp, "s", &snap) == -ENOSPC);
	CHECK(snapshot_find(&vm, USER, "s") == NULL && vm.spaces.used == 1);
	sound();
	CHECK(unmap(sp, 4, 1) == 0);
	CHECK(snapshot_new(&vm, sp, "s", &snap) == 0);
	CHECK(snapshot_new(&vm, sp, "t", &snap) == -ENOSPC);
	end();
}

/* Its name goes, then its users; the other way round; or the maker first. */
static void
snapshot_goes_in_any_order(void)
{
	static const char *orders[] = { "nab", "nba", "anb", "abn", "bna",
		"ban" };

	for (int i = 0; i < 6; i++) {
		struct space *sp, *snap, *a, *b;

		begin();
		sp = new_space();
		a = new_space();
		b = new_space();
		map(sp, 0, 4);
		put_out(sp, 1, 1);
		snap = new_snapshot(sp, "s");
		CHECK(snapshot_clone(&vm, snap, a, ADDR(0), ADDR(4)) == 0);
		CHECK(snapshot_clone(&vm, snap, b, ADDR(1), ADDR(3)) == 0);
		CHECK(snap->nsources == 1 && vm.objects.used == 1);
		space_free(&vm, sp);
		for (int k = 0; k < 3; k++) {
			CHECK(snapshots_gone == 0 && released == 0);
			if (orders[i][k] == 'n')
				snapshot_drop(&vm, snap);
			else
				space_free(&vm, orders[i][k] == 'a' ? a : b);
			sound();
		}
		CHECK(snapshots_gone == 1 && objects_gone == 1);
		CHECK(vm.blocks.used == 0 && vm.spaces.used == 0);
		end();
	}
}

static void
snapshot_clone_rejects(void)
{
	struct space *sp, *snap, *to;

	begin();
	sp = new_space();
	to = new_space();
	map(sp, 0, 4);
	map(sp, 10, 4);
	snap = new_snapshot(sp, "s");
	map(to, 12, 4);
	CHECK(snapshot_clone(&vm, snap, to, ADDR(0), ADDR(14)) == -EEXIST);
	CHECK(to->nregions == 1 && vm.objects.used == 0);
	CHECK(snapshot_clone(&vm, snap, to, ADDR(0), ADDR(0)) == -EINVAL);
	CHECK(snapshot_clone(&vm, snap, to, ADDR(0) + 1, ADDR(2)) == -EINVAL);
	CHECK(snapshot_clone(&vm, snap, to, ADDR(4), ADDR(2)) == -EINVAL);
	CHECK(snapshot_clone(&vm, sp, to, ADDR(0), ADDR(2)) == -EINVAL);
	CHECK(snapshot_clone(&vm, snap, snap, ADDR(50), ADDR(51)) == -EPERM);
	to->rec->uid++;
	CHECK(snapshot_clone(&vm, snap, to, ADDR(0), ADDR(2)) == -EACCES);
	CHECK(snapshot_clone(&vm, snap, to, ADDR(50), ADDR(51)) == -EACCES);
	to->rec->uid--;
	/* Nothing there: nothing to do. */
	CHECK(snapshot_clone(&vm, snap, to, ADDR(50), ADDR(51)) == 0);
	CHECK(to->nregions == 1);
	end();
}

/* An object, or a region, too few: nothing is left of it. */
static void
snapshot_clone_without_room(void)
{
	for (uint32_t short_of = 0; short_of < 3; short_of++) {
		struct space *sp, *snap, *to;
		int rc;

		begin_with((struct vm_config){ .max_groups = 4,
		    .max_spaces = 8,
		    .max_regions = short_of == 1 ? 9 : 10,
		    .max_blocks = 64,
		    .max_objects = short_of == 2 ? 3 : 4,
		    .max_slots = 512 });
		sp = new_space();
		to = new_space();
		for (uint64_t i = 0; i < 3; i++)
			map(sp, i * 2, 1);
		snap = new_snapshot(sp, "s");
		rc = snapshot_clone(&vm, snap, to, ADDR(0), ADDR(6));
		CHECK(rc == (short_of == 0 ? 0 : -ENOSPC));
		CHECK(to->nregions == (short_of == 0 ? 3 : 0));
		CHECK(vm.objects.used == to->nregions);
		end();
	}
}

/* Flags, offsets and parts of regions. */
static void
snapshot_clone_parts(void)
{
	struct space *sp, *snap, *to;

	begin();
	sp = new_space();
	to = new_space();
	map(sp, 0, 8);
	for (uint64_t i = 0; i < 8; i++)
		put_out(sp, i, i);
	CHECK(space_set_flags(&vm, sp, ADDR(0), ADDR(8),
		  REGION_READONLY | REGION_PINNED, 0) == 0);
	snap = new_snapshot(sp, "s");
	CHECK(snapshot_clone(&vm, snap, to, ADDR(5), ADDR(7)) == 0);
	CHECK(snapshot_clone(&vm, snap, to, ADDR(1), ADDR(3)) == 0);
	CHECK(to->nregions == 2 && vm.objects.used == 1);
	CHECK(at(to, 5)->rec->flags == REGION_READONLY);
	for (uint64_t i = 1; i < 7; i++)
		if (at(to, i) != NULL)
			CHECK(where_data(physblock_where(&vm,
				  origin_at(to, i).block)) == i);
	CHECK(at(to, 4) == NULL && at(to, 7) == NULL);
	/* Not with what it comes from, but with its last user it goes. */
	CHECK(unmap(to, 1, 2) == 0 && vm.objects.used == 1);
	CHECK(unmap(to, 5, 2) == 0 && vm.objects.used == 0);
	CHECK(snap->nsources == 0 && at(snap, 0)->template == NULL);
	CHECK(snapshot_clone(&vm, snap, to, ADDR(0), ADDR(8)) == 0);
	end();
}

/* A region without pages of its own is cloned as another of its object. */
static void
snapshot_clone_of_objects(void)
{
	struct space *sp, *snap, *to;
	struct object *image, *cached;

	begin();
	sp = new_space();
	to = new_space();
	image = new_image(4);
	cached = new_cached(4, 1, 1);
	map_all(sp, 0, image, 0);
	CHECK(try_map(sp, 10, 3, image, 1, 0) == 0);
	map_all(sp, 20, cached, REGION_READONLY);
	put_out(sp, 11, 11);
	snap = new_snapshot(sp, "s");
	CHECK(snapshot_clone(&vm, snap, to, ADDR(0), ADDR(30)) == 0);
	CHECK(at(to, 0)->object == image && at(to, 20)->object == cached);
	CHECK(at(to, 10)->object != image);
	CHECK(snap->nsources == 1);
	CHECK(where_data(physblock_where(&vm, origin_at(to, 11).block)) == 11);
	/* Through the clone's object, the snapshot, to the image. */
	CHECK(origin_at(to, 12).kind == ORIGIN_IMAGE);
	CHECK(origin_at(to, 12).at == 103);
	object_resident(&vm, image, 3);
	CHECK(origin_at(to, 12).kind == ORIGIN_FRAME);
	CHECK(origin_at(to, 12).object == image);
	end();
}

#define CHAIN 500

/* A snapshot of a clone of a snapshot of ...: all go with the last. */
static void
snapshot_chain(void)
{
	struct space *sp, *snap, *next;
	char name[16];

	begin_with((struct vm_config){ .max_groups = 4,
	    .max_spaces = 2 * CHAIN,
	    .max_regions = 4 * CHAIN,
	    .max_blocks = 2 * CHAIN,
	    .max_objects = 2 * CHAIN,
	    .max_slots = 1 << 20 });
	sp = new_space();
	map(sp, 0, 8);
	put_out(sp, 7, 4242);
	for (uint64_t i = 0; i < CHAIN; i++) {
		put_out(sp, i % 7, i);
		(void)snprintf(name, sizeof(name), "s%d", (int)i);
		snap = new_snapshot(sp, name);
		next = new_space();
		CHECK(snapshot_clone(&vm, snap, next, ADDR(0), ADDR(8)) == 0);
		space_free(&vm, sp);
		snapshot_drop(&vm, snap);
		sp = next;
	}
	sound();
	CHECK(snapshots_gone == 0);
	CHECK(origin_at(sp, 7).kind == ORIGIN_BLOCK);
	CHECK(where_data(physblock_where(&vm, origin_at(sp, 7).block)) == 4242);
	space_free(&vm, sp);
	CHECK(snapshots_gone == CHAIN && vm.blocks.used == 0);
	CHECK(stack_high - stack_low <
	      8192); /* of the stack, however long it is */
	end();
}

static void
snapshot_loses_its_holder(void)
{
	struct space *sp, *snap, *to;

	begin();
	sp = new_space();
	map(sp, 0, 6);
	put_resident(sp, 0);
	put_resident(sp, 1);
	put_out(sp, 2, 2);
	put_out(sp, 3, 3);
	region_clean(&vm, at(sp, 0), 3);
	snap = new_snapshot(sp, "s");
	to = new_space();
	CHECK(snapshot_clone(&vm, snap, to, ADDR(0), ADDR(6)) == 0);
	CHECK(snapshot_lose(&vm, snap) == 0);
	sound();
	CHECK(snap->counts.resident == 0 && snap->counts.out == 4);
	for (uint64_t i = 0; i < 2; i++)
		CHECK(where_kind(physblock_where(&vm,
			  origin_at(to, i).block)) == WHERE_LOST);
	CHECK(data_at(snap, 2) == 2 && data_at(snap, 3) == 3);
	CHECK(origin_at(to, 4).kind == ORIGIN_ZERO);
	CHECK(slot_state(slot_at(sp, 0)) == SLOT_RESIDENT);
	/* Nothing was lost: no block is left over. */
	CHECK(snapshot_lose(&vm, snap) == 0);
	CHECK(vm.blocks.used == 3);
	end();
}

/* Frames that clones have read are the last copy of what a holder lost. */
static void
snapshot_lost_frames_are_stored(void)
{
	struct space *sp, *snap, *to;
	struct object *o;
	uint32_t block;

	begin();
	sp = new_space();
	map(sp, 0, 3);
	put_resident(sp, 0);
	put_out(sp, 1, 2);
	snap = new_snapshot(sp, "s");
	to = new_space();
	CHECK(snapshot_clone(&vm, snap, to, ADDR(0), ADDR(3)) == 0);
	o = space_find(to, ADDR(0))->object;
	for (uint64_t i = 0; i < 3; i++) {
		object_filled(&vm, o, i, false);
		CHECK(object_leave(&vm, o, i) == LEAVE_DROP);
	}
	CHECK(snapshot_lose(&vm, snap) == 0);
	CHECK(object_leave(&vm, o, 0) == LEAVE_CAPTURE);
	CHECK(object_leave(&vm, o, 1) == LEAVE_DROP);
	CHECK(object_leave(&vm, o, 2) == LEAVE_DROP);
	CHECK(physblock_new(&vm, where_make(WHERE_STORED, 0, 7), &block) == 0);
	object_out(&vm, o, 0, block);
	sound();
	CHECK(origin_at(to, 0).block == block);
	object_filled(&vm, o, 0, true);
	CHECK(object_leave(&vm, o, 0) == LEAVE_KEPT);
	end();
}

static const struct test tests[] = {
	{ "snapshot_names", snapshot_names },
	{ "snapshot_never_changes", snapshot_never_changes },
	{ "snapshot_leaves_out_shared", snapshot_leaves_out_shared },
	{ "snapshot_become_of_a_fork", snapshot_become_of_a_fork },
	{ "snapshot_without_room", snapshot_without_room },
	{ "snapshot_goes_in_any_order", snapshot_goes_in_any_order },
	{ "snapshot_clone_rejects", snapshot_clone_rejects },
	{ "snapshot_clone_without_room", snapshot_clone_without_room },
	{ "snapshot_clone_parts", snapshot_clone_parts },
	{ "snapshot_clone_of_objects", snapshot_clone_of_objects },
	{ "snapshot_chain", snapshot_chain },
	{ "snapshot_loses_its_holder", snapshot_loses_its_holder },
	{ "snapshot_lost_frames_are_stored", snapshot_lost_frames_are_stored },
};

TEST_MAIN(tests)
