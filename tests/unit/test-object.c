/*
 * Objects: who keeps them, what they are called, how they are shared.
 */
#include "vm-fixture.h"

static void
object_lives_while_mapped_or_kept(void)
{
	struct space *a, *b;
	struct object *o;
	uint64_t id;

	begin();
	a = new_space();
	b = new_space();
	o = new_shared(8);
	id = o->rec->id;
	CHECK(id > OBJECT_ID && object_get(&vm, id) == o);
	map_all(a, 0, o, 0);
	CHECK(try_map(b, 100, 3, o, 5, 0) == 0);
	CHECK(object_users(&vm, o) == 2);
	object_drop(&vm, o);
	object_drop(&vm, o); /* no more than once */
	CHECK(unmap(a, 2, 2) == 0 && object_users(&vm, o) == 3);
	object_resident(&vm, o, 3);
	CHECK(unmap(a, 0, 8) == 0 && objects_gone == 0);
	CHECK(object_slot(&vm, o, 3) != 0); /* nobody sees it, all the same */
	CHECK(unmap(b, 100, 3) == 0 && objects_gone == 1);
	CHECK(object_get(&vm, id) == NULL && object_get(&vm, 0) == NULL);
	CHECK(new_shared(1)->rec->id != id);
	CHECK(object_get(&vm, id) == NULL); /* though it has its index */
	end();
}

static void
object_names(void)
{
	struct object_spec spec = { .memtype = MEMTYPE_SHARED,
		.uid = USER,
		.npages = 4,
		.name = "heap" };
	char longest[NAME_BYTES + 1];
	struct object *o, *other;
	struct space *sp;

	begin();
	sp = new_space();
	o = new_object(&spec);
	CHECK(object_new(&vm, group, &spec, &other) == -EEXIST);
	CHECK(object_find(&vm, USER, "heap") == o);
	CHECK(object_find(&vm, USER, "hea") == NULL);
	CHECK(object_find(&vm, USER + 1, "heap") == NULL);
	spec.uid++;
	other = new_object(&spec);
	CHECK(object_find(&vm, USER + 1, "heap") == other);
	spec.uid--;
	/* Its name goes before it does. */
	map_all(sp, 0, o, 0);
	object_drop(&vm, o);
	CHECK(object_find(&vm, USER, "heap") == NULL && objects_gone == 0);
	CHECK(new_object(&spec) == object_find(&vm, USER, "heap"));
	memset(longest, 'x', NAME_BYTES);
	longest[NAME_BYTES] = '\0';
	spec.name = longest;
	CHECK(object_new(&vm, group, &spec, &other) == -EINVAL);
	longest[NAME_BYTES - 1] = '\0';
	CHECK(object_find(&vm, USER, longest) == NULL);
	CHECK(new_object(&spec) == object_find(&vm, USER, longest));
	spec.name = "";
	CHECK(object_new(&vm, group, &spec, &other) == -EINVAL);
	spec.name = "a\nb";
	CHECK(object_new(&vm, group, &spec, &other) == -EINVAL);
	spec.name = "\x7f";
	CHECK(object_new(&vm, group, &spec, &other) == -EINVAL);
	spec.name = "\xc3\xa4";
	CHECK(object_new(&vm, group, &spec, &other) == -EINVAL);
	end();
}

static int
try_object(uint8_t memtype, uint8_t source, uint64_t npages, uint64_t id,
    uint64_t where)
{
	struct object *o;

	return object_new(&vm, NULL,
	    &(struct object_spec){ .memtype = memtype,
		.source = source,
		.uid = USER,
		.npages = npages,
		.source_id = id,
		.source_at = where },
	    &o);
}

static void
object_rejects(void)
{
	struct space *sp, *snap;
	struct object *o;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	map(sp, 10, 4);
	snap = new_snapshot(sp, "s");
	CHECK(try_object(MEMTYPE_ANON, SOURCE_ZERO, 1, 0, 0) == -EINVAL);
	CHECK(try_object(MEMTYPE_COUNT, SOURCE_ZERO, 1, 0, 0) == -EINVAL);
	CHECK(try_object(MEMTYPE_SHARED, SOURCE_COUNT, 1, 0, 0) == -EINVAL);
	CHECK(try_object(MEMTYPE_SHARED, SOURCE_CACHE, 1, 0, 0) == -EINVAL);
	CHECK(try_object(MEMTYPE_COW, SOURCE_IMAGE, 1, 0, 0) == -EINVAL);
	CHECK(try_object(MEMTYPE_IMAGE, SOURCE_ZERO, 1, 0, 0) == -EINVAL);
	CHECK(try_object(MEMTYPE_SHARED, SOURCE_ZERO, 0, 0, 0) == -EINVAL);
	CHECK(try_object(MEMTYPE_IMAGE, SOURCE_IMAGE, 2, 0, UINT64_MAX - 1) ==
	      -EINVAL);
#define COW(n, id, at) try_object(MEMTYPE_COW, SOURCE_SNAPSHOT, n, id, at)
	CHECK(COW(1, 0, ADDR(0)) == -ENOENT);
	CHECK(COW(1, sp->rec->id, ADDR(0)) == -ENOENT); /* no snapshot */
	CHECK(COW(1, snap->rec->id, ADDR(0) + 1) == -EINVAL);
	CHECK(COW(1, snap->rec->id, ADDR(4)) == -ENOENT);
	CHECK(COW(5, snap->rec->id, ADDR(0)) == -ENOENT);
	CHECK(COW(UINT64_MAX, snap->rec->id, ADDR(0)) == -ENOENT);
	CHECK(COW(4, snap->rec->id, ADDR(10)) == 0);
	snap->rec->uid++;
	CHECK(COW(4, snap->rec->id, ADDR(0)) == -EACCES);
	snap->rec->uid--;
#undef COW
	CHECK(snap->nsources == 1);
	o = new_shared(4);
	CHECK(try_map(sp, 20, 5, o, 0, 0) == -EINVAL);
	CHECK(try_map(sp, 20, 1, o, 4, 0) == -EINVAL);
	CHECK(try_map(sp, 20, 2, o, UINT64_MAX, 0) == -EINVAL);
	CHECK(try_map(sp, 13, 2, o, 0, 0) == -EEXIST);
	CHECK(try_map(snap, 20, 2, o, 0, 0) == -EPERM);
	o->rec->uid++;
	CHECK(try_map(sp, 20, 2, o, 0, 0) == -EACCES);
	o->rec->uid--;
	end();
}

static void
object_without_room(void)
{
	struct object *o;
	struct space *sp;

	begin_with((struct vm_config){ .max_groups = 4,
	    .max_spaces = 4,
	    .max_regions = 4,
	    .max_blocks = 8,
	    .max_objects = 2,
	    .max_slots = 512 });
	sp = new_space();
	CHECK(try_object(MEMTYPE_SHARED, SOURCE_ZERO, 513, 0, 0) == -ENOSPC);
	CHECK(vm.objects.used == 0);
	o = new_shared(500);
	CHECK(try_object(MEMTYPE_SHARED, SOURCE_ZERO, 1, 0, 0) == -ENOSPC);
	CHECK(try_map(sp, 0, 13, o, 0, 0) == -ENOSPC);
	CHECK(object_users(&vm, o) == 0);
	CHECK(try_map(sp, 0, 12, o, 0, 0) == 0);
	CHECK(unmap(sp, 3, 1) == 0);
	CHECK(unmap(sp, 6, 1) == -ENOSPC); /* no room to cut twice */
	CHECK(object_users(&vm, o) == 2);
	end();
}

static void
object_setters_count(void)
{
	struct object *o;
	uint32_t block;

	begin();
	o = new_shared(8);
	block = new_block(1);
	object_out(&vm, o, 0, block);
	object_resident(&vm, o, 1);
	CHECK(o->counts.resident == 1 && o->counts.out == 1);
	CHECK(group->counts.resident == 1 && group->counts.out == 1);
	object_filled(&vm, o, 0, true);
	CHECK(o->counts.clean == 1 && slot_clean(object_slot(&vm, o, 0)));
	object_out(&vm, o, 0, 0);
	CHECK(released == 0 && o->counts.out == 1);
	object_filled(&vm, o, 0, false);
	CHECK(released == 1 && o->counts.clean == 0);
	object_filled(&vm, o, 2, true); /* of nothing that was stored */
	CHECK(!slot_clean(object_slot(&vm, o, 2)));
	group->epoch = 9;
	object_restamp(&vm, o, 2);
	object_restamp(&vm, o, 3);
	CHECK(slot_age(object_slot(&vm, o, 2)) == 9);
	CHECK(object_slot(&vm, o, 3) == 0);
	sound();
	end();
}

/* Its group goes; it counts against nobody then. */
static void
object_outlives_its_group(void)
{
	struct group_record rec = { 0 };
	struct object_spec spec = {
		.memtype = MEMTYPE_SHARED, .uid = USER, .npages = 4
	};
	struct group *g;
	struct object *o;
	struct space *sp;

	begin();
	sp = new_space();
	CHECK(group_new(&vm, &rec, &g) == 0);
	CHECK(object_new(&vm, g, &spec, &o) == 0);
	map_all(sp, 0, o, 0);
	object_resident(&vm, o, 0);
	object_out(&vm, o, 1, new_block(1));
	CHECK(g->counts.resident == 1 && group->counts.resident == 0);
	group_free(&vm, g);
	CHECK(o->group == NULL && o->rec->group == 0);
	sound();
	object_resident(&vm, o, 2);
	CHECK(o->counts.resident == 2);
	end();
}

/* What a client writes the others see; it is out for all of them. */
static void
vm_remap(void)
{
	struct space *a, *b;
	struct object *o;
	struct region *r;

	begin();
	a = new_space();
	b = new_space();
	o = new_shared(4);
	map_all(a, 0, o, 0);
	map_all(b, 50, o, REGION_READONLY);
	CHECK(plan_at(a, 1, ACCESS_WRITE) == PLAN_FILL_OBJECT);
	CHECK(origin_at(a, 1).kind == ORIGIN_ZERO);
	object_filled(&vm, o, 1, false);
	CHECK(plan_at(a, 1, ACCESS_WRITE) == PLAN_CONTINUE);
	CHECK(plan_at(b, 51, ACCESS_READ) == PLAN_CONTINUE_PROTECTED);
	CHECK(plan_at(b, 51, ACCESS_PROTECTED) == PLAN_DENY);
	CHECK(plan_at(b, 51, ACCESS_WRITE) == PLAN_DENY);
	CHECK(origin_at(a, 1).object == o && origin_at(b, 51).object == o);
	CHECK(object_leave(&vm, o, 1) == LEAVE_CAPTURE);
	object_out(&vm, o, 1, new_block(7));
	CHECK(plan_at(a, 1, ACCESS_READ) == PLAN_FILL_OBJECT);
	CHECK(plan_at(b, 51, ACCESS_READ) == PLAN_FILL_OBJECT);
	/* Back as it was stored: the first to write voids the copy. */
	r = at(a, 1);
	CHECK(r->memtype->keep_copy(&vm, r, 1, ACCESS_READ));
	object_filled(&vm, o, 1, true);
	CHECK(object_leave(&vm, o, 1) == LEAVE_KEPT);
	CHECK(plan_at(a, 1, ACCESS_READ) == PLAN_CONTINUE_PROTECTED);
	region_continued(&vm, r, 1, false);
	CHECK(released == 0 && !r->memtype->writable(&vm, r, 1));
	CHECK(plan_at(a, 1, ACCESS_PROTECTED) == PLAN_UNPROTECT);
	region_written(&vm, r, 1);
	CHECK(released == 1 && r->memtype->writable(&vm, r, 1));
	CHECK(!at(b, 51)->memtype->writable(&vm, at(b, 51), 1));
	/* The same by a write to a page that was not mapped. */
	object_out(&vm, o, 1, new_block(8));
	object_filled(&vm, o, 1, true);
	CHECK(plan_at(a, 1, ACCESS_WRITE) == PLAN_CONTINUE);
	region_continued(&vm, r, 1, true);
	CHECK(released == 2 && o->counts.clean == 0);
	end();
}

/* A remap of a remap; the source exits, is cut, forks. */
static void
vm_remap_outlives_source(void)
{
	struct space *a, *b, *c, *child;
	struct object *o;

	begin();
	a = new_space();
	b = new_space();
	c = new_space();
	o = new_shared(8);
	map_all(a, 0, o, 0);
	map_all(b, 20, o, 0);
	CHECK(try_map(c, 3, 4, at(b, 20)->object, 2, 0) == 0);
	object_drop(&vm, o);
	object_resident(&vm, o, 3);
	child = new_space();
	CHECK(space_fork(&vm, a, child) == 0);
	CHECK(unmap(a, 0, 1) == 0 && unmap(a, 6, 2) == 0);
	CHECK(origin_at(a, 3).object == o && origin_at(c, 4).object == o);
	space_free(&vm, a);
	space_free(&vm, b);
	CHECK(origin_at(child, 3).kind == ORIGIN_FRAME);
	CHECK(origin_at(c, 4).at == 3 && origin_at(child, 3).at == 3);
	/* Memory that is shared is not frozen by a fork of the sharer. */
	CHECK(plan_at(c, 4, ACCESS_WRITE) == PLAN_CONTINUE);
	space_free(&vm, c);
	space_free(&vm, child);
	CHECK(objects_gone == 1);
	end();
}

/* One part of it, wherever it is, and no more than was named. */
static void
vm_shm_unmap(void)
{
	struct space *sp;
	struct object *o;

	begin();
	sp = new_space();
	o = new_shared(4);
	map_all(sp, 0, o, 0);
	map(sp, 4, 4);
	CHECK(unmap(sp, 2, 2) == 0);
	CHECK(at(sp, 1) != NULL && at(sp, 2) == NULL && at(sp, 4) != NULL);
	CHECK(object_users(&vm, o) == 1);
	end();
}

static void
remap_moves_objects(void)
{
	struct space *sp;
	struct object *o;

	begin();
	sp = new_space();
	o = new_image(8);
	map_all(sp, 0, o, REGION_READONLY);
	put_out(sp, 3, 3);
	CHECK(space_remap(&vm, sp, ADDR(2), ADDR(50), 4 * PAGE) == 0);
	CHECK(data_at(sp, 51) == 3 && origin_at(sp, 50).at == 102);
	/* What stays shows what the image has. */
	CHECK(origin_at(sp, 3).kind == ORIGIN_IMAGE);
	CHECK(origin_at(sp, 3).at == 103 && origin_at(sp, 7).at == 107);
	CHECK(at(sp, 3)->rec->flags == REGION_READONLY);
	CHECK(object_users(&vm, o) == 4);
	end();
}

static void
vm_mapcachepage(void)
{
	struct object_spec spec = { .memtype = MEMTYPE_CACHE,
		.source = SOURCE_CACHE,
		.uid = USER,
		.npages = 2,
		.source_id = UINT64_MAX,
		.source_at = UINT64_C(1) << 63 };
	struct space *sp;
	struct object *o, *other;

	begin();
	sp = new_space();
	o = new_object(&spec);
	CHECK(object_new(&vm, group, &spec, &other) == -EEXIST);
	CHECK(cache_find(&vm, USER, UINT64_MAX, UINT64_C(1) << 63) == o);
	CHECK(cache_find(&vm, USER, UINT64_MAX, 0) == NULL);
	CHECK(cache_find(&vm, USER, UINT32_MAX, UINT64_C(1) << 63) == NULL);
	CHECK(cache_find(&vm, USER + 1, UINT64_MAX, UINT64_C(1) << 63) == NULL);
	/* Not before all of it is there, and to read only. */
	object_out(&vm, o, 0, new_block(1));
	CHECK(!cache_complete(&vm, o));
	CHECK(try_map(sp, 0, 1, o, 0, REGION_READONLY) == -ENOENT);
	object_resident(&vm, o, 1);
	CHECK(try_map(sp, 0, 2, o, 0, 0) == -EACCES);
	map_all(sp, 0, o, REGION_READONLY);
	CHECK(unmap(sp, 0, 2) == 0 && objects_gone == 0);
	CHECK(cache_find(&vm, USER, UINT64_MAX, UINT64_C(1) << 63) == o);
	end();
}

/* Those that nobody uses, in the order in which they lost their last user. */
static void
cache_is_given_up(void)
{
	struct object *o[5], *picked[8];
	struct space *sp;

	begin();
	sp = new_space();
	for (uint64_t i = 0; i < 5; i++) {
		o[i] = new_cached(10, 1, i);
		map_all(sp, 20 * i, o[i], REGION_READONLY);
	}
	CHECK(cache_pick(&vm, 100, picked, 8) == 0);
	CHECK(unmap(sp, 60, 10) == 0);
	CHECK(unmap(sp, 20, 10) == 0);
	CHECK(unmap(sp, 0, 10) == 0);
	CHECK(cache_pick(&vm, 15, picked, 8) == 2);
	CHECK(picked[0] == o[3] && picked[1] == o[1]);
	CHECK(cache_pick(&vm, 10, picked, 8) == 1);
	CHECK(cache_pick(&vm, 100, picked, 8) == 3 && picked[2] == o[0]);
	CHECK(cache_pick(&vm, 100, picked, 2) == 2);
	CHECK(cache_pick(&vm, 0, picked, 8) == 0);
	/* Used again: the youngest once it is not. */
	map_all(sp, 60, o[3], REGION_READONLY);
	CHECK(unmap(sp, 60, 10) == 0);
	CHECK(cache_pick(&vm, 10, picked, 8) == 1 && picked[0] == o[1]);
	object_drop(&vm, o[1]);
	CHECK(released == 10 && cache_find(&vm, USER, 1, 1) == NULL);
	/* In use: forgotten, and there until its user goes. */
	object_drop(&vm, o[4]);
	CHECK(cache_find(&vm, USER, 1, 4) == NULL && released == 10);
	CHECK(unmap(sp, 80, 10) == 0 && released == 20);
	end();
}

static void
vm_clearcache(void)
{
	struct space *sp;

	begin();
	sp = new_space();
	for (uint64_t i = 0; i < 6; i++)
		(void)new_cached(2, i % 3, i);
	map_all(sp, 0, cache_find(&vm, USER, 1, 4), REGION_READONLY);
	CHECK(cache_clear(&vm, USER + 1, 1) == 0);
	CHECK(cache_clear(&vm, USER, 7) == 0);
	CHECK(cache_clear(&vm, USER, 1) == 2);
	CHECK(cache_find(&vm, USER, 1, 1) == NULL && objects_gone == 1);
	CHECK(cache_find(&vm, USER, 0, 3) != NULL);
	CHECK(cache_find(&vm, USER, 2, 2) != NULL);
	CHECK(at(sp, 0)->object->counts.out == 2); /* its user has it */
	end();
}

/* Named memory outlives its group, and counts against the next one. */
static void
object_charge_again(void)
{
	struct group_record rec = { .limit_bytes = 64 << 20 };
	struct object *o;
	struct group *g;

	begin();
	o = new_shared(4);
	object_resident(&vm, o, 0);
	object_out(&vm, o, 1, new_block(1));
	CHECK(group_new(&vm, &rec, &g) == 0);
	object_charge(o, g);
	CHECK(o->group == group && g->counts.resident == 0);
	object_discharge(o);
	CHECK(o->group == NULL && group->counts.resident == 0);
	sound();
	object_charge(o, g);
	CHECK(o->group == g && g->counts.resident == 1 && g->counts.out == 1);
	sound();
	object_drop(&vm, o);
	CHECK(g->counts.resident == 0 && g->counts.out == 0);
	group_free(&vm, g);
	end();
}

static const struct test tests[] = {
	{ "object_lives_while_mapped_or_kept",
	    object_lives_while_mapped_or_kept },
	{ "object_names", object_names },
	{ "object_rejects", object_rejects },
	{ "object_without_room", object_without_room },
	{ "object_setters_count", object_setters_count },
	{ "object_outlives_its_group", object_outlives_its_group },
	{ "vm_remap", vm_remap },
	{ "vm_remap_outlives_source", vm_remap_outlives_source },
	{ "vm_shm_unmap", vm_shm_unmap },
	{ "remap_moves_objects", remap_moves_objects },
	{ "vm_mapcachepage", vm_mapcachepage },
	{ "cache_is_given_up", cache_is_given_up },
	{ "vm_clearcache", vm_clearcache },
	{ "object_charge_again", object_charge_again },
};

TEST_MAIN(tests)
