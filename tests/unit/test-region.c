/*
 * Regions and spaces, by the rows of the region model.
 */
#include "vm-fixture.h"

static void
map_lookup(void)
{
	struct space *sp;

	begin();
	sp = new_space();
	CHECK(at(sp, 0) == NULL);
	map(sp, 10, 5);
	map(sp, 20, 1);
	CHECK(at(sp, 9) == NULL);
	CHECK(at(sp, 10) != NULL && at(sp, 10) == at(sp, 14));
	CHECK(at(sp, 15) == NULL);
	CHECK(space_find_from(sp, BASE + 15 * PAGE) == at(sp, 20));
	CHECK(space_find_from(sp, BASE + 21 * PAGE) == NULL);
	end();
}

/* An address that a client made up is an error, never an assertion. */
static void
physblock_get(void)
{
	struct space *sp;
	uint64_t slot;

	begin();
	sp = new_space();
	map(sp, 10, 5);
	put_out(sp, 12, 7);
	CHECK(space_slot(&vm, sp, ADDR(12), &slot) == 0);
	CHECK(slot_state(slot) == SLOT_OUT);
	CHECK(space_slot(&vm, sp, ADDR(12) + 8, &slot) == -EINVAL);
	CHECK(space_slot(&vm, sp, ADDR(15), &slot) == -ENOMEM);
	CHECK(space_slot(&vm, sp, 0, &slot) == -ENOMEM);
	CHECK(space_slot(&vm, sp, UINT64_MAX - PAGE + 1, &slot) == -ENOMEM);
	end();
}

static void
physblock_set(void)
{
	struct space *sp;

	begin();
	sp = new_space();
	map(sp, 0, 8);
	for (uint64_t i = 0; i < 8; i++)
		put_resident(sp, i);
	CHECK(sp->counts.resident == 8 && sp->peak == 8);
	/* A hole cuts the region: that is not more memory. */
	CHECK(unmap(sp, 3, 2) == 0);
	CHECK(sp->counts.resident == 6 && sp->peak == 8);
	put_out(sp, 0, 1);
	CHECK(sp->counts.resident == 5 && sp->counts.out == 1);
	CHECK(group->counts.resident == 5 && sp->peak == 8);
	end();
}

static void
physregions(void)
{
	struct space *sp;

	begin();
	sp = new_space();
	map(sp, 0, 100);
	put_resident(sp, 3);
	put_resident(sp, 99);
	put_out(sp, 50, 1);
	CHECK(at(sp, 0)->counts.resident == 2 && at(sp, 0)->counts.out == 1);
	region_forget(&vm, at(sp, 0), 3);
	CHECK(at(sp, 0)->counts.resident == 1);
	end();
}

static void
getnextvr(void)
{
	struct space *sp;
	struct region *r;
	uint64_t n = 0;

	begin();
	sp = new_space();
	for (uint64_t i = 0; i < 50; i++)
		map(sp, (i * 37 % 50) * 2, 1);
	RB_FOREACH(r, region_tree, &sp->regions)
		CHECK(r->rec->start == ADDR(2 * n++));
	CHECK(n == 50);
	CHECK(space_find_below(sp, ADDR(0)) == NULL);
	CHECK(space_find_below(sp, ADDR(1)) == at(sp, 0));
	CHECK(space_find_below(sp, ADDR(2)) == at(sp, 0));
	CHECK(space_find_below(sp, UINT64_MAX) == at(sp, 98));
	end();
}

/* Ids count from 1, and no two regions have the same. */
static void
region_new_ids(void)
{
	struct space *sp;
	uint64_t first, right;

	begin();
	sp = new_space();
	map(sp, 0, 8);
	first = at(sp, 0)->rec->id;
	CHECK(first == 1);
	CHECK(unmap(sp, 3, 2) == 0);
	right = at(sp, 6)->rec->id;
	CHECK(at(sp, 0)->rec->id == first && right > first);
	map(sp, 20, 1);
	CHECK(at(sp, 20)->rec->id > right);
	CHECK(at(sp, 20)->rec->id < OBJECT_ID);
	end();
}

static void
region_rejects(void)
{
	struct space *sp;

	begin();
	sp = new_space();
	map(sp, 10, 5);
	CHECK(space_add(&vm, sp, BASE + 1, BASE + PAGE, 0) == -EINVAL);
	CHECK(space_add(&vm, sp, BASE, BASE, 0) == -EINVAL);
	CHECK(space_add(&vm, sp, BASE + PAGE, BASE, 0) == -EINVAL);
	CHECK(space_add(&vm, sp, BASE + 14 * PAGE, BASE + 16 * PAGE, 0) ==
	      -EEXIST);
	CHECK(space_unmap(&vm, sp, BASE, BASE) == -EINVAL);
	CHECK(space_unmap(&vm, sp, BASE + 1, BASE + PAGE) == -EINVAL);
	CHECK(space_remap(&vm, sp, BASE + 10 * PAGE, BASE + 12 * PAGE,
		  5 * PAGE) == -EINVAL);
	CHECK(unmap(sp, 100, 4) == 0); /* nothing there is no error */
	/* A range that wraps; a memtype that needs an object. */
	CHECK(space_add(&vm, sp, UINT64_MAX - PAGE + 1, 0, 0) == -EINVAL);
	CHECK(space_add(&vm, sp, ADDR(30), ADDR(31), MEMTYPE_SHARED) ==
	      -EINVAL);
	end();
}

static void
map_page_region(void)
{
	struct map_spec spec = { .start = ADDR(2), .npages = 4 };
	struct space *sp;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	put_out(sp, 0, 10);
	put_out(sp, 3, 13);
	CHECK(space_map(&vm, sp, &spec) == -EEXIST);
	CHECK(data_at(sp, 3) == 13);
	spec.replace = true;
	CHECK(space_map(&vm, sp, &spec) == 0);
	CHECK(released == 1 && data_at(sp, 0) == 10 && slot_at(sp, 3) == 0);
	CHECK(sp->nregions == 2);
	spec.npages = UINT64_MAX / PAGE;
	CHECK(space_map(&vm, sp, &spec) == -EINVAL);
	spec.npages = UINT64_MAX;
	CHECK(space_map(&vm, sp, &spec) == -EINVAL);
	spec.npages = 0;
	CHECK(space_map(&vm, sp, &spec) == -EINVAL);
	end();
}

/* What was there stays until nothing can fail any more. */
static void
map_page_region_without_room(void)
{
	struct map_spec spec = {
		.start = ADDR(1), .npages = 1, .replace = true
	};
	struct space *sp;

	begin_with((struct vm_config){ .max_groups = 4,
	    .max_spaces = 4,
	    .max_regions = 4,
	    .max_blocks = 64,
	    .max_slots = 4096 });
	sp = new_space();
	map(sp, 0, 3);
	for (uint64_t i = 0; i < 3; i++)
		put_out(sp, i, i);
	CHECK(space_map(&vm, sp, &spec) == -ENOSPC);
	sound();
	for (uint64_t i = 0; i < 3; i++)
		CHECK(data_at(sp, i) == i);
	spec.start = ADDR(3);
	spec.npages = 8192; /* more slots than there are */
	CHECK(space_map(&vm, sp, &spec) == -ENOSPC);
	CHECK(at(sp, 3) == NULL);
	end();
}

static void
map_subfree(void)
{
	struct space *sp, *other;

	begin();
	sp = new_space();
	map(sp, 0, 8);
	for (uint64_t i = 0; i < 8; i++)
		put_out(sp, i, i);
	other = new_space();
	CHECK(space_fork(&vm, sp, other) == 0);
	space_remove(&vm, sp, ADDR(2), ADDR(6));
	CHECK(sp->counts.out == 4 && other->counts.out == 8);
	CHECK(released == 0);
	space_remove(&vm, other, ADDR(0), ADDR(8));
	CHECK(released == 4);
	end();
}

static void
map_free(void)
{
	struct space *sp;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	put_out(sp, 1, 1);
	map(sp, 8, 4);
	put_out(sp, 9, 2);
	CHECK(unmap(sp, 0, 4) == 0);
	CHECK(released == 1 && sp->nregions == 1 && vm.regions.used == 1);
	end();
}

static void
map_free_proc(void)
{
	struct space *sp;
	struct object *o;
	uint64_t id;

	begin();
	sp = new_space();
	id = sp->rec->id;
	o = new_shared(4);
	map(sp, 0, 4);
	put_out(sp, 1, 1);
	map_all(sp, 8, o, 0);
	object_out(&vm, o, 2, new_block(5));
	object_drop(&vm, o);
	CHECK(released == 0 && objects_gone == 0);
	space_free(&vm, sp);
	CHECK(released == 2 && objects_gone == 1 && vm.regions.used == 0);
	CHECK(space_get(&vm, id) == NULL);
	end();
}

/* Low, high, middle and whole; of every memtype. */
static void
map_unmap_region(void)
{
	struct space *sp;
	struct object *o;

	begin();
	sp = new_space();
	o = new_shared(16);
	map_all(sp, 0, o, 0);
	for (uint64_t i = 0; i < 16; i++)
		object_out(&vm, o, i, new_block(100 + i));
	CHECK(unmap(sp, 0, 2) == 0 && at(sp, 1) == NULL);
	CHECK(at(sp, 2)->rec->offset == 2);
	CHECK(unmap(sp, 14, 2) == 0 && at(sp, 14) == NULL);
	CHECK(unmap(sp, 6, 3) == 0);
	CHECK(at(sp, 9)->rec->offset == 9 && at(sp, 5)->rec->offset == 2);
	for (uint64_t i = 9; i < 14; i++)
		CHECK(where_data(physblock_where(&vm,
			  origin_at(sp, i).block)) == 100 + i);
	CHECK(released == 0); /* the object has them all the same */
	CHECK(object_users(&vm, o) == 2);
	CHECK(unmap(sp, 0, 16) == 0);
	CHECK(object_users(&vm, o) == 0);
	end();
}

static void
split_region(void)
{
	struct space *sp;
	struct region *left, *right;
	uint64_t id;

	begin();
	sp = new_space();
	map(sp, 0, 1000);
	for (uint64_t i = 0; i < 1000; i += 7)
		put_out(sp, i, i);
	left = at(sp, 0);
	id = left->rec->id;
	left->rec->flags = REGION_READONLY;
	CHECK(unmap(sp, 500, 1) == 0);
	right = at(sp, 501);
	CHECK(at(sp, 0) == left && left->rec->id == id && right != left);
	CHECK(right->rec->flags == REGION_READONLY);
	CHECK(left->counts.out == 72 && right->counts.out == 71);
	map(sp, 1000, 1); /* of another kind: not the same region */
	CHECK(at(sp, 1000) != right && at(sp, 1000)->rec->flags == 0);
	for (uint64_t i = 0; i < 1000; i += 7)
		CHECK(data_at(sp, i) == i);
	CHECK(released == 0);
	end();
}

static void
split_region_without_room(void)
{
	struct space *sp;

	begin_with((struct vm_config){ .max_groups = 4,
	    .max_spaces = 4,
	    .max_regions = 2,
	    .max_blocks = 64,
	    .max_slots = 4096 });
	sp = new_space();
	map(sp, 0, 9);
	put_out(sp, 4, 4);
	CHECK(unmap(sp, 4, 1) == -ENOSPC);
	CHECK(sp->nregions == 1 && data_at(sp, 4) == 4 && released == 0);
	end();
}

static void
map_unmap_range(void)
{
	struct space *sp;

	begin();
	sp = new_space();
	map(sp, 0, 32);
	for (uint64_t i = 0; i < 32; i++)
		put_out(sp, i, 1000 + i);
	CHECK(unmap(sp, 0, 4) == 0);  /* start */
	CHECK(unmap(sp, 28, 4) == 0); /* end */
	CHECK(unmap(sp, 10, 2) == 0); /* middle */
	CHECK(released == 10 && sp->nregions == 2);
	CHECK(at(sp, 3) == NULL && at(sp, 28) == NULL && at(sp, 10) == NULL);
	for (uint64_t i = 4; i < 28; i++)
		if (i != 10 && i != 11)
			CHECK(where_data(physblock_where(&vm,
				  slot_block(slot_at(sp, i)))) == 1000 + i);
	CHECK(unmap(sp, 2, 30) == 0); /* across regions and holes */
	CHECK(released == 32 && sp->nregions == 0);
	end();
}

/* The last region of all, and the highest address there is. */
static void
map_unmap_range_at_the_end(void)
{
	const uint64_t last = UINT64_MAX - 2 * PAGE + 1;
	struct space *sp;

	begin();
	sp = new_space();
	CHECK(space_add(&vm, sp, last - 4 * PAGE, last + PAGE, 0) == 0);
	CHECK(space_unmap(&vm, sp, last - PAGE, last + PAGE) == 0);
	CHECK(sp->nregions == 1);
	CHECK(space_unmap(&vm, sp, 0, last + PAGE) == 0);
	CHECK(sp->nregions == 0);
	CHECK(space_unmap(&vm, sp, 0, last) == 0);
	CHECK(space_unmap(&vm, sp, last, last) == -EINVAL);
	CHECK(space_unmap(&vm, sp, last + PAGE, PAGE) == -EINVAL);
	end();
}

/* A hole over anon, shared and cow, with blocks that others have too. */
static void
map_unmap_range_mixed(void)
{
	struct space *sp, *other;
	struct object *shared, *image;

	begin();
	sp = new_space();
	shared = new_shared(4);
	image = new_image(4);
	map(sp, 0, 4);
	map_all(sp, 4, shared, 0);
	map_all(sp, 8, image, 0);
	for (uint64_t i = 0; i < 4; i++) {
		put_out(sp, i, i);
		put_out(sp, 8 + i, 8 + i);
		object_out(&vm, shared, i, new_block(4 + i));
	}
	other = new_space();
	CHECK(space_fork(&vm, sp, other) == 0);
	CHECK(unmap(sp, 2, 8) == 0);
	CHECK(at(sp, 1) != NULL && at(sp, 2) == NULL && at(sp, 10) != NULL);
	CHECK(released == 0 && object_users(&vm, shared) == 1);
	sound();
	for (uint64_t i = 0; i < 4; i++)
		CHECK(data_at(other, i) == i && data_at(other, 8 + i) == 8 + i);
	CHECK(unmap(other, 2, 8) == 0);
	CHECK(released == 4); /* the shared ones are the object's */
	CHECK(object_users(&vm, shared) == 0 && object_users(&vm, image) == 2);
	end();
}

static void
region_extend_keeps_slots(void)
{
	struct space *sp, *other;
	uint64_t n = 3;

	begin();
	sp = new_space();
	other = new_space();
	map(sp, 0, n);
	put_out(sp, 2, 42);
	for (int i = 0; i < 200; i++) {
		map(other, (uint64_t)i * 2, 1); /* in the way of growth */
		map(sp, n, 7);
		n += 7;
		put_resident(sp, n - 1);
	}
	CHECK(sp->nregions == 1);
	CHECK(where_data(physblock_where(&vm, slot_block(slot_at(sp, 2)))) ==
	      42);
	CHECK(sp->counts.resident == 200 && sp->counts.out == 1);
	end();
}

static void
map_region_extend_upto_v(void)
{
	struct space *sp;
	struct object *o;

	begin();
	sp = new_space();
	o = new_shared(8);
	map(sp, 0, 4);
	put_out(sp, 3, 3);
	map(sp, 10, 2);
	CHECK(space_extend(&vm, sp, ADDR(0), ADDR(4)) == 0);
	CHECK(space_extend(&vm, sp, ADDR(0), ADDR(10)) == 0);
	CHECK(at(sp, 9) == at(sp, 0) && data_at(sp, 3) == 3);
	CHECK(space_extend(&vm, sp, ADDR(0), ADDR(11)) == -ENOMEM);
	CHECK(at(sp, 10) != at(sp, 0));
	/* Smaller is smaller. */
	CHECK(space_extend(&vm, sp, ADDR(0), ADDR(2)) == 0);
	CHECK(at(sp, 2) == NULL && released == 1);
	CHECK(space_extend(&vm, sp, ADDR(0), ADDR(0)) == -EINVAL);
	CHECK(space_extend(&vm, sp, ADDR(1), ADDR(4)) == -EINVAL);
	CHECK(space_extend(&vm, sp, ADDR(0), ADDR(2) + 1) == -EINVAL);
	CHECK(space_extend(&vm, sp, ADDR(30), ADDR(40)) == -EINVAL);
	/* It is the region that was named, never the one next to it. */
	CHECK(at(sp, 10)->rec->npages == 2);
	CHECK(try_map(sp, 20, 4, o, 2, 0) == 0);
	CHECK(space_extend(&vm, sp, ADDR(20), ADDR(26)) == 0);
	CHECK(space_extend(&vm, sp, ADDR(20), ADDR(27)) == -ENOMEM);
	CHECK(at(sp, 25)->rec->npages == 6);
	end();
}

static void
map_copy_region(void)
{
	struct space *a, *b;
	struct object *o;

	begin();
	a = new_space();
	o = new_shared(4);
	CHECK(try_map(a, 0, 3, o, 1, REGION_READONLY) == 0);
	map(a, 8, 4);
	put_out(a, 9, 9);
	CHECK(space_set_flags(&vm, a, ADDR(8), ADDR(12), REGION_PINNED, 0) ==
	      0);
	b = new_space();
	CHECK(space_fork(&vm, a, b) == 0);
	CHECK(at(b, 0)->rec->id != at(a, 0)->rec->id);
	CHECK(at(b, 0)->object == o && at(b, 0)->rec->offset == 1);
	CHECK(at(b, 0)->rec->flags == REGION_READONLY);
	CHECK(at(b, 8)->rec->flags == 0); /* a pin is not inherited */
	CHECK(object_users(&vm, o) == 2 && data_at(b, 9) == 9);
	end();
}

static void
map_proc_copy(void)
{
	struct space *a, *b, *c;
	uint32_t block;

	begin();
	a = new_space();
	map(a, 0, 8);
	block = put_out(a, 1, 7);
	put_resident(a, 2);
	b = new_space();
	CHECK(space_fork(&vm, a, b) == 0);
	c = new_space();
	CHECK(space_fork(&vm, b, c) == 0);
	CHECK(physblock_refs(&vm, block) == 3);
	CHECK(slot_block(slot_at(c, 1)) == block);
	CHECK(slot_state(slot_at(c, 2)) == SLOT_RESIDENT);
	put_resident(a, 1); /* written: the others keep theirs */
	CHECK(physblock_refs(&vm, block) == 2 && released == 0);
	space_free(&vm, b);
	CHECK(released == 0);
	space_free(&vm, c);
	CHECK(released == 1);
	end();
}

static void
map_proc_copy_more_than_256(void)
{
	const struct vm_config config = { .max_groups = 4,
		.max_spaces = 1024,
		.max_regions = 2048,
		.max_blocks = 64,
		.max_slots = 1 << 20 };
	struct space *first;
	uint32_t block;

	begin_with(config);
	first = new_space();
	map(first, 0, 1);
	block = put_out(first, 0, 1);
	for (int i = 0; i < 600; i++)
		CHECK(space_fork(&vm, first, new_space()) == 0);
	CHECK(physblock_refs(&vm, block) == 601);
	end();
}

static void
map_proc_copy_without_room(void)
{
	const struct vm_config config = { .max_groups = 4,
		.max_spaces = 8,
		.max_regions = 6,
		.max_blocks = 64,
		.max_slots = 4096 };
	struct space *a, *b;

	begin_with(config);
	a = new_space();
	b = new_space();
	for (uint64_t i = 0; i < 3; i++) {
		map(a, i * 2, 1);
		put_out(a, i * 2, i);
	}
	CHECK(space_fork(&vm, a, b) == -ENOSPC);
	CHECK(b->nregions == 0 && b->counts.out == 0);
	sound();
	end();
}

/* The child counts what it has, once; and a space may have no regions. */
static void
map_proc_copy_counts(void)
{
	struct space *a, *b, *c;

	begin();
	a = new_space();
	b = new_space();
	c = new_space();
	CHECK(space_fork(&vm, a, b) == 0 && b->nregions == 0);
	map(a, 0, 8);
	for (uint64_t i = 0; i < 8; i++)
		put_resident(a, i);
	CHECK(space_fork(&vm, a, c) == 0);
	CHECK(c->counts.resident == 8 && c->peak == 8);
	CHECK(a->counts.resident == 8 && group->counts.resident == 16);
	end();
}

static void
map_writept(void)
{
	struct space *sp;
	struct region *r;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	put_resident(sp, 0);
	put_out(sp, 1, 1);
	r = at(sp, 0);
	CHECK(r->memtype->writable(&vm, r, 0));
	region_protect(&vm, r);
	CHECK(slot_forked(slot_at(sp, 0)) && !r->memtype->writable(&vm, r, 0));
	CHECK(slot_state(slot_at(sp, 1)) == SLOT_OUT && slot_at(sp, 2) == 0);
	CHECK(plan_at(sp, 0, ACCESS_PROTECTED) == PLAN_UNPROTECT);
	region_written(&vm, r, 0);
	CHECK(r->memtype->writable(&vm, r, 0));
	region_written(&vm, r, 1); /* an old message: nothing to void */
	CHECK(slot_state(slot_at(sp, 1)) == SLOT_OUT);
	end();
}

static void
remap_moves_contents(void)
{
	struct space *sp;

	begin();
	sp = new_space();
	map(sp, 0, 16);
	for (uint64_t i = 0; i < 16; i++)
		put_out(sp, i, i);
	CHECK(space_remap(&vm, sp, BASE + 4 * PAGE, BASE + 100 * PAGE,
		  8 * PAGE) == 0);
	for (uint64_t i = 4; i < 12; i++) {
		CHECK(slot_at(sp, i) == 0); /* stays, and reads zero */
		CHECK(where_data(physblock_where(&vm,
			  slot_block(slot_at(sp, 96 + i)))) == i);
	}
	CHECK(slot_state(slot_at(sp, 3)) == SLOT_OUT);
	CHECK(slot_state(slot_at(sp, 12)) == SLOT_OUT);
	CHECK(released == 0);
	/* Onto something: that is gone. */
	CHECK(space_remap(&vm, sp, BASE, BASE + 100 * PAGE, 2 * PAGE) == 0);
	CHECK(released == 2);
	end();
}

/* Several regions, and no room for the last one's remainder. */
static void
remap_without_room(void)
{
	struct space *sp;

	begin_with((struct vm_config){ .max_groups = 4,
	    .max_spaces = 4,
	    .max_regions = 6,
	    .max_blocks = 64,
	    .max_slots = 4096 });
	sp = new_space();
	for (uint64_t i = 0; i < 3; i++) {
		map(sp, 2 * i, 1);
		put_out(sp, 2 * i, i);
	}
	CHECK(space_remap(&vm, sp, ADDR(0), ADDR(100), 5 * PAGE) == -ENOSPC);
	sound();
	CHECK(sp->nregions == 3 && at(sp, 100) == NULL);
	for (uint64_t i = 0; i < 3; i++)
		CHECK(data_at(sp, 2 * i) == i);
	end();
}

static void
remove_forgets(void)
{
	struct space *sp;

	begin();
	sp = new_space();
	map(sp, 0, 8);
	for (uint64_t i = 0; i < 8; i++)
		put_out(sp, i, i);
	space_remove(&vm, sp, BASE + 2 * PAGE, BASE + 5 * PAGE);
	CHECK(released == 3 && slot_at(sp, 2) == 0 && slot_at(sp, 4) == 0);
	CHECK(slot_state(slot_at(sp, 5)) == SLOT_OUT);
	CHECK(sp->nregions == 1);
	end();
}

static void
clean_pages(void)
{
	struct space *sp;
	struct region *r;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	put_out(sp, 0, 5);
	r = at(sp, 0);
	region_clean(&vm, r, 0);
	CHECK(slot_clean(slot_at(sp, 0)) && slot_protected(slot_at(sp, 0)));
	CHECK(sp->counts.clean == 1 && sp->counts.resident == 1);
	region_out(&vm, r, 0, 0); /* leaves again, its copy was kept */
	CHECK(slot_state(slot_at(sp, 0)) == SLOT_OUT && released == 0);
	region_clean(&vm, r, 0);
	region_resident(&vm, r, 0); /* written */
	CHECK(released == 1 && sp->counts.clean == 0);
	end();
}

/* What a page gets a copy of while it stays: as young as before, and clean. */
static void
region_kept_is_clean(void)
{
	struct space *sp, *child;
	struct region *r;
	uint16_t age;

	begin();
	sp = new_space();
	map_all(sp, 0, new_image(4), 0);
	put_resident(sp, 1);
	put_resident(sp, 2);
	r = at(sp, 0);
	age = slot_age(slot_at(sp, 1));
	group->epoch++;
	region_protect_page(&vm, r, 1);
	CHECK(slot_forked(slot_at(sp, 1)) && !slot_protected(slot_at(sp, 2)));
	region_protect_page(&vm, r, 3); /* nothing is there */
	CHECK(slot_at(sp, 3) == 0);
	region_kept(&vm, r, 1, new_block(7));
	CHECK(slot_clean(slot_at(sp, 1)) && slot_age(slot_at(sp, 1)) == age);
	CHECK(sp->counts.clean == 1 && sp->counts.resident == 2);
	/* A child has it, in memory or not. */
	child = new_space();
	CHECK(space_fork(&vm, sp, child) == 0);
	region_out(&vm, r, 1, 0);
	CHECK(slot_clean(slot_at(child, 1)));
	CHECK(r->memtype->plan(&vm, at(child, 1), 1, ACCESS_READ) == PLAN_FILL);
	CHECK(r->memtype->plan(&vm, r, 1, ACCESS_READ) == PLAN_FILL);
	region_forget(&vm, r, 1);
	CHECK(r->memtype->plan(&vm, r, 1, ACCESS_READ) == PLAN_FILL_OBJECT);
	CHECK(released == 0);
	region_resident(&vm, at(child, 1), 1);
	CHECK(released == 1);
	end();
}

static void
copy_abs2region(void)
{
	struct space *sp, *other;
	struct region *r;
	struct object *o;

	begin();
	sp = new_space();
	o = new_shared(4);
	map(sp, 0, 8);
	put_resident(sp, 0);
	put_resident(sp, 1);
	put_out(sp, 2, 2);
	put_out(sp, 3, 3);
	r = at(sp, 0);
	region_clean(&vm, r, 3);
	CHECK(region_may_poke(&vm, r, 0, 2) == 0);
	CHECK(region_may_poke(&vm, r, 1, 2) == -EFAULT); /* absent */
	CHECK(region_may_poke(&vm, r, 7, 1) == -EFAULT);
	CHECK(region_may_poke(&vm, r, 3, 1) == 0);
	CHECK(region_may_poke(&vm, r, 8, 1) == -EINVAL);
	CHECK(region_may_poke(&vm, r, 7, 2) == -EINVAL);
	CHECK(region_may_poke(&vm, r, 1, UINT64_MAX) == -EINVAL);
	other = new_space();
	CHECK(space_fork(&vm, sp, other) == 0);
	region_protect(&vm, r);
	CHECK(region_may_poke(&vm, r, 0, 1) == -EFAULT); /* shared */
	CHECK(region_may_poke(&vm, r, 3, 1) == -EFAULT);
	map_all(sp, 20, o, 0);
	CHECK(region_may_poke(&vm, at(sp, 20), 0, 1) == -EFAULT);
	object_resident(&vm, o, 0);
	CHECK(region_may_poke(&vm, at(sp, 20), 0, 1) == 0);
	map_all(other, 20, o, 0);
	CHECK(region_may_poke(&vm, at(sp, 20), 0, 1) == -EFAULT);
	end();
}

/* A region's record says whose it is, wherever it is moved or cut. */
static void
map_setparent(void)
{
	struct space *sp;
	struct region *r;

	begin();
	(void)new_space();
	sp = new_space();
	map(sp, 0, 16);
	CHECK(unmap(sp, 4, 1) == 0);
	CHECK(space_remap(&vm, sp, ADDR(8), ADDR(40), 4 * PAGE) == 0);
	RB_FOREACH(r, region_tree, &sp->regions)
		CHECK(r->rec->space == sp->index && r->space == sp);
	BROKEN("I1", at(sp, 0)->rec->space--, at(sp, 0)->rec->space++);
	end();
}

/* Equal contents: slots come to share a block, and nothing else changes. */
static void
region_rebind_shares_blocks(void)
{
	struct space *a, *b;
	uint32_t first, second, third;

	begin();
	a = new_space();
	b = new_space();
	map(a, 0, 4);
	map(b, 0, 4);
	put_out(a, 0, 5);
	put_out(a, 1, 6);
	put_out(b, 2, 7);
	first = slot_block(slot_at(a, 0));
	second = slot_block(slot_at(a, 1));
	third = slot_block(slot_at(b, 2));
	physblock_ref(&vm, first);
	region_rebind(&vm, at(a, 0), 1, first);
	CHECK(slot_at(a, 1) == slot_at(a, 0));
	CHECK(released == 1 && last_released == second);
	region_clean(&vm, at(b, 2), 2);
	physblock_ref(&vm, first);
	region_rebind(&vm, at(b, 2), 2, first);
	CHECK(slot_clean(slot_at(b, 2)) && slot_protected(slot_at(b, 2)));
	CHECK(slot_block(slot_at(b, 2)) == first);
	CHECK(released == 2 && last_released == third);
	CHECK(physblock_refs(&vm, first) == 3);
	CHECK(b->counts.clean == 1 && a->counts.out == 2);
	sound();
	region_resident(&vm, at(a, 0), 0);
	space_free(&vm, b);
	CHECK(released == 2 && physblock_refs(&vm, first) == 1);
	end();
	CHECK(released == 3 && last_released == first);
}

static const struct test tests[] = {
	{ "map_lookup", map_lookup },
	{ "physblock_get", physblock_get },
	{ "physblock_set", physblock_set },
	{ "physregions", physregions },
	{ "getnextvr", getnextvr },
	{ "region_new_ids", region_new_ids },
	{ "region_rejects", region_rejects },
	{ "map_page_region", map_page_region },
	{ "map_page_region_without_room", map_page_region_without_room },
	{ "map_subfree", map_subfree },
	{ "map_free", map_free },
	{ "map_free_proc", map_free_proc },
	{ "map_unmap_region", map_unmap_region },
	{ "split_region", split_region },
	{ "split_region_without_room", split_region_without_room },
	{ "map_unmap_range", map_unmap_range },
	{ "map_unmap_range_at_the_end", map_unmap_range_at_the_end },
	{ "map_unmap_range_mixed", map_unmap_range_mixed },
	{ "region_extend_keeps_slots", region_extend_keeps_slots },
	{ "map_region_extend_upto_v", map_region_extend_upto_v },
	{ "map_copy_region", map_copy_region },
	{ "map_proc_copy", map_proc_copy },
	{ "map_proc_copy_more_than_256", map_proc_copy_more_than_256 },
	{ "map_proc_copy_without_room", map_proc_copy_without_room },
	{ "map_proc_copy_counts", map_proc_copy_counts },
	{ "map_writept", map_writept },
	{ "remap_moves_contents", remap_moves_contents },
	{ "remap_without_room", remap_without_room },
	{ "remove_forgets", remove_forgets },
	{ "clean_pages", clean_pages },
	{ "region_kept_is_clean", region_kept_is_clean },
	{ "copy_abs2region", copy_abs2region },
	{ "map_setparent", map_setparent },
	{ "region_rebind_shares_blocks", region_rebind_shares_blocks },
};

TEST_MAIN(tests)
