/*
 * What each kind of memory does about an access.
 */
#include "readahead.h"
#include "vm-fixture.h"

static void
anon_plans(void)
{
	struct space *sp;
	struct region *r;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	r = at(sp, 0);
	CHECK(memtype_anon.plan(&vm, r, 0, ACCESS_READ) == PLAN_ZERO);
	put_out(sp, 0, 1);
	CHECK(memtype_anon.plan(&vm, r, 0, ACCESS_READ) == PLAN_FILL);
	CHECK(memtype_anon.plan(&vm, r, 0, ACCESS_WRITE) == PLAN_FILL);
	region_clean(&vm, r, 0);
	CHECK(memtype_anon.plan(&vm, r, 0, ACCESS_PROTECTED) == PLAN_UNPROTECT);
	CHECK(memtype_anon.keep_copy(&vm, r, 0, ACCESS_READ));
	CHECK(!memtype_anon.keep_copy(&vm, r, 0, ACCESS_WRITE));
	end();
}

static void
pr_writable(void)
{
	struct space *sp, *child;
	struct region *r;
	struct object *o;

	begin();
	sp = new_space();
	o = new_image(4);
	map_all(sp, 0, o, 0);
	r = at(sp, 0);
	/* The page decides: one of them is the client's own. */
	object_resident(&vm, o, 0);
	object_resident(&vm, o, 1);
	put_resident(sp, 1);
	CHECK(!r->memtype->writable(&vm, r, 0));
	CHECK(r->memtype->writable(&vm, r, 1));
	CHECK(!r->memtype->writable(&vm, r, 2));
	child = new_space();
	CHECK(space_fork(&vm, sp, child) == 0);
	region_protect(&vm, r);
	CHECK(!r->memtype->writable(&vm, r, 1));
	r->rec->flags = REGION_READONLY;
	region_written(&vm, r, 1);
	CHECK(!r->memtype->writable(&vm, r, 1));
	end();
}

static void
image_plans(void)
{
	struct space *sp;
	struct object *o;
	struct region *r;

	begin();
	sp = new_space();
	o = new_image(4);
	map_all(sp, 0, o, 0);
	r = at(sp, 0);
	CHECK(plan_at(sp, 1, ACCESS_READ) == PLAN_FILL_OBJECT);
	CHECK(object_origin(&vm, o, 1).kind == ORIGIN_IMAGE);
	CHECK(object_origin(&vm, o, 1).image == 3);
	CHECK(object_origin(&vm, o, 1).object == o);
	CHECK(object_origin(&vm, o, 1).at == 101);
	object_filled(&vm, o, 1, true);
	CHECK(plan_at(sp, 1, ACCESS_READ) == PLAN_CONTINUE_PROTECTED);
	region_continued(&vm, r, 1, false);
	CHECK(plan_at(sp, 1, ACCESS_PROTECTED) == PLAN_BREAK);
	region_resident(&vm, r, 1);
	CHECK(object_slot(&vm, o, 1) != 0);
	/* Written at once: no frame of the object is needed for that. */
	CHECK(plan_at(sp, 2, ACCESS_WRITE) == PLAN_COPY);
	region_resident(&vm, r, 2);
	CHECK(object_slot(&vm, o, 2) == 0);
	/* Its own pages are like those of anon. */
	put_out(sp, 2, 7);
	CHECK(plan_at(sp, 2, ACCESS_READ) == PLAN_FILL);
	CHECK(plan_at(sp, 2, ACCESS_WRITE) == PLAN_FILL);
	CHECK(r->memtype->keep_copy(&vm, r, 2, ACCESS_READ));
	region_clean(&vm, r, 2);
	CHECK(plan_at(sp, 2, ACCESS_PROTECTED) == PLAN_UNPROTECT);
	region_written(&vm, r, 2);
	CHECK(released == 1);
	/* Thrown away, it is the image's page again; never zero. */
	CHECK(!region_forgets_to_zero(r));
	space_remove(&vm, sp, ADDR(1), ADDR(3));
	CHECK(plan_at(sp, 1, ACCESS_READ) == PLAN_CONTINUE_PROTECTED);
	CHECK(plan_at(sp, 2, ACCESS_READ) == PLAN_FILL_OBJECT);
	CHECK(object_leave(&vm, o, 1) == LEAVE_DROP);
	CHECK(object_leave(&vm, o, 2) == LEAVE_STAY);
	r->rec->flags = REGION_READONLY;
	CHECK(plan_at(sp, 2, ACCESS_WRITE) == PLAN_DENY);
	CHECK(plan_at(sp, 1, ACCESS_PROTECTED) == PLAN_DENY);
	end();
}

/*
 * The kernel's copy of a page was let go of before it was made (the frame went
 * between the unprotect and the write): what is shown is the object's.
 */
static void
image_break_undone(void)
{
	struct space *sp;
	struct object *o;

	begin();
	sp = new_space();
	o = new_image(2);
	map_all(sp, 0, o, 0);
	object_filled(&vm, o, 0, true);
	put_resident(sp, 0);
	object_forget(&vm, o, 0);
	CHECK(plan_at(sp, 0, ACCESS_READ) == PLAN_FILL_OBJECT);
	CHECK(plan_at(sp, 0, ACCESS_WRITE) == PLAN_COPY);
	CHECK(object_origin(&vm, o, 0).kind == ORIGIN_IMAGE);
	object_filled(&vm, o, 0, true);
	region_continued(&vm, at(sp, 0), 0, false);
	CHECK(slot_at(sp, 0) == 0 && sp->counts.resident == 0);
	end();
}

static void
cow_plans(void)
{
	struct space *sp, *snap, *a, *b;
	struct object *o;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	put_out(sp, 0, 10);
	put_resident(sp, 1);
	snap = new_snapshot(sp, "s");
	a = new_space();
	b = new_space();
	CHECK(snapshot_clone(&vm, snap, a, ADDR(0), ADDR(4)) == 0);
	CHECK(snapshot_clone(&vm, snap, b, ADDR(0), ADDR(4)) == 0);
	o = at(a, 0)->object;
	CHECK(at(b, 0)->object == o && vm.objects.used == 1);
	CHECK(plan_at(a, 0, ACCESS_READ) == PLAN_FILL_OBJECT);
	CHECK(object_origin(&vm, o, 0).kind == ORIGIN_BLOCK);
	object_filled(&vm, o, 0, true);
	CHECK(object_leave(&vm, o, 0) == LEAVE_DROP);
	CHECK(plan_at(a, 0, ACCESS_READ) == PLAN_CONTINUE_PROTECTED);
	CHECK(plan_at(b, 0, ACCESS_READ) == PLAN_CONTINUE_PROTECTED);
	CHECK(plan_at(b, 0, ACCESS_PROTECTED) == PLAN_BREAK);
	put_resident(b, 0);
	CHECK(origin_at(b, 0).kind == ORIGIN_CLIENT);
	CHECK(origin_at(b, 0).space == b && origin_at(b, 0).at == ADDR(0));
	CHECK(origin_at(a, 0).kind == ORIGIN_FRAME);
	CHECK(object_origin(&vm, o, 1).space == snap);
	CHECK(object_origin(&vm, o, 2).kind == ORIGIN_ZERO);
	/* The one that was cloned goes on: nobody sees that. */
	put_out(sp, 0, 11);
	put_out(sp, 1, 12);
	CHECK(object_origin(&vm, o, 1).kind == ORIGIN_CLIENT);
	object_forget(&vm, o, 0);
	CHECK(where_data(physblock_where(&vm,
		  object_origin(&vm, o, 0).block)) == 10);
	end();
}

static void
cache_plans(void)
{
	struct space *sp;
	struct object *o;
	struct region *r;

	begin();
	sp = new_space();
	o = new_cached(4, 1, 2);
	map_all(sp, 0, o, REGION_READONLY);
	r = at(sp, 0);
	CHECK(plan_at(sp, 0, ACCESS_READ) == PLAN_FILL_OBJECT);
	CHECK(plan_at(sp, 0, ACCESS_WRITE) == PLAN_DENY);
	CHECK(plan_at(sp, 0, ACCESS_PROTECTED) == PLAN_DENY);
	CHECK(r->memtype->keep_copy(&vm, r, 0, ACCESS_READ));
	object_filled(&vm, o, 0, true);
	CHECK(plan_at(sp, 0, ACCESS_READ) == PLAN_CONTINUE_PROTECTED);
	CHECK(object_leave(&vm, o, 0) == LEAVE_KEPT);
	object_resident(&vm, o, 0);
	CHECK(object_leave(&vm, o, 0) == LEAVE_CAPTURE);
	CHECK(!r->memtype->writable(&vm, r, 0));
	/* Nobody can bring it back: an error, not zeros. */
	object_forget(&vm, o, 1);
	CHECK(plan_at(sp, 1, ACCESS_READ) == PLAN_DENY);
	CHECK(object_origin(&vm, o, 1).kind == ORIGIN_NOWHERE);
	end();
}

/* Writes of the source of a sharing are not seen by its forked child. */
static void
cow_and_fork(void)
{
	struct space *sp, *child;
	struct object *o;

	begin();
	sp = new_space();
	o = new_image(2);
	map_all(sp, 0, o, 0);
	put_resident(sp, 0);
	child = new_space();
	CHECK(space_fork(&vm, sp, child) == 0);
	region_protect(&vm, at(sp, 0));
	region_protect(&vm, at(child, 0));
	CHECK(plan_at(child, 0, ACCESS_PROTECTED) == PLAN_UNPROTECT);
	CHECK(plan_at(child, 1, ACCESS_PROTECTED) == PLAN_BREAK);
	region_written(&vm, at(child, 0), 0);
	CHECK(slot_forked(slot_at(sp, 0)) && !slot_forked(slot_at(child, 0)));
	CHECK(origin_at(sp, 0).space == sp);
	CHECK(origin_at(child, 0).space == child);
	end();
}

/* Installed write-protected, or not. */
static void
map_ph_writept(void)
{
	struct space *sp;
	struct region *r;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	map_all(sp, 10, new_image(4), 0);
	map_all(sp, 20, new_shared(4), 0);
	for (uint64_t page = 0; page < 30; page += 10) {
		r = at(sp, page);
		CHECK(r->memtype->keep_copy(&vm, r, 0, ACCESS_READ));
		CHECK(!r->memtype->keep_copy(&vm, r, 0, ACCESS_WRITE));
		CHECK(!r->memtype->keep_copy(&vm, r, 0, ACCESS_PROTECTED));
		r->readahead.write = true;
		CHECK(!r->memtype->keep_copy(&vm, r, 0, ACCESS_READ));
	}
	end();
}

/* To decide changes nothing: whatever fails later, nothing was lost. */
static void
map_pf(void)
{
	struct space *sp;
	uint64_t before[4];

	begin();
	sp = new_space();
	map(sp, 0, 4);
	map_all(sp, 10, new_image(4), 0);
	map_all(sp, 20, new_shared(4), 0);
	map_all(sp, 30, new_cached(4, 1, 1), REGION_READONLY);
	for (uint64_t page = 0; page < 20; page += 10) {
		put_resident(sp, page + 1);
		put_out(sp, page + 2, 2);
		put_out(sp, page + 3, 3);
		region_clean(&vm, at(sp, page), 3);
	}
	for (uint64_t page = 0; page < 40; page++) {
		if (at(sp, page) == NULL)
			continue;
		before[0] = region_shown(&vm, at(sp, page), page % 10);
		before[1] = vm.blocks.used;
		before[2] = group->counts.resident;
		for (int i = 0; i < 30; i++)
			(void)plan_at(sp, page, (enum access)(i % 3));
		CHECK(before[0] == region_shown(&vm, at(sp, page), page % 10));
		CHECK(before[1] == vm.blocks.used && released == 0);
		CHECK(before[2] == group->counts.resident);
	}
	/* A page that is there, and is said not to be: an old message. */
	CHECK(plan_at(sp, 1, ACCESS_READ) == PLAN_ZERO);
	CHECK(plan_at(sp, 3, ACCESS_READ) == PLAN_FILL);
	CHECK(plan_at(sp, 13, ACCESS_WRITE) == PLAN_FILL);
	end();
}

/* Pages that are written soon after they were read keep no copies. */
static void
habits(void)
{
	struct habit *h;
	struct space *sp;
	struct region *r;
	uint32_t kept = 0;

	begin();
	sp = new_space();
	map(sp, 0, 4096);
	r = at(sp, 0);
	h = &r->habit;
	for (int i = 0; i < 1000; i++)
		habit_left(h);
	CHECK(r->memtype->keep_copy(&vm, r, 0, ACCESS_READ));
	/* What has long been so does not take as long to change. */
	for (int i = 0; i < 50; i++)
		habit_written(h);
	for (uint64_t i = 0; i < 4096; i++)
		kept += r->memtype->keep_copy(&vm, r, i, ACCESS_READ);
	CHECK(kept > 4096 / 32 && kept < 4096 / 8);
	/* A stride does not hide the samples. */
	for (uint64_t step = 1; step <= 64; step *= 2) {
		kept = 0;
		for (uint64_t i = 0; i < 4096; i += step)
			kept += habit_keeps(h, i);
		CHECK(kept > 0);
	}
	for (int i = 0; i < 50; i++)
		habit_left(h);
	CHECK(r->memtype->keep_copy(&vm, r, 0, ACCESS_READ));
	CHECK(!r->memtype->keep_copy(&vm, r, 0, ACCESS_WRITE));
	end();
}

/* Memory that is touched in order is filled ahead, as far as it is untouched.
 */
static void
first_touches(void)
{
	struct space *sp;
	struct region *r;
	uint64_t page = 0;
	uint32_t n = 0;

	begin();
	sp = new_space();
	map(sp, 0, 512);
	r = at(sp, 0);
	while (page < 256) {
		n = readahead_first(&vm, r, page, READAHEAD_MAX);
		CHECK(n >= 1 && n <= READAHEAD_MAX);
		for (uint32_t i = 0; i < n; i++)
			region_resident(&vm, r, page + i);
		page += n;
	}
	CHECK(n == READAHEAD_MAX);
	CHECK(readahead_first(&vm, r, 400, READAHEAD_MAX) == 1);
	put_out(sp, 403, 0);
	CHECK(readahead_first(&vm, r, 401, READAHEAD_MAX) == 2);
	CHECK(readahead_first(&vm, r, 510, 1) == 1);
	CHECK(readahead_first(&vm, r, 511, READAHEAD_MAX) == 1);
	end();
}

static const struct test tests[] = {
	{ "anon_plans", anon_plans },
	{ "pr_writable", pr_writable },
	{ "map_ph_writept", map_ph_writept },
	{ "map_pf", map_pf },
	{ "image_plans", image_plans },
	{ "image_break_undone", image_break_undone },
	{ "cow_plans", cow_plans },
	{ "cache_plans", cache_plans },
	{ "cow_and_fork", cow_and_fork },
	{ "habits", habits },
	{ "first_touches", first_touches },
};

TEST_MAIN(tests)
