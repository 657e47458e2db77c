/*
 * Where regions go, and what has to be there from the start.
 */
#include "arena.h"
#include "populate.h"
#include "reclaim.h"
#include "vm-fixture.h"

/* What there is to map in, and where. */
#define ARENA_PAGES 1000

static int
find_in(struct space *sp, uint64_t from, uint64_t to, uint64_t n,
    uint64_t *page)
{
	uint64_t addr;
	int rc = space_find_slot(sp, ADDR(from), ADDR(to), n, &addr);

	if (rc == 0)
		*page = (addr - BASE) / PAGE;
	return rc;
}

static int
find(struct space *sp, uint64_t n, uint64_t *page)
{
	return find_in(sp, 0, ARENA_PAGES, n, page);
}

static void
region_find_slot_range(void)
{
	struct space *sp;
	uint64_t page;

	begin();
	sp = new_space();
	CHECK(find(sp, 1, &page) == 0 && page == ARENA_PAGES - 2);
	map(sp, page, 1);
	/* The one below ends a free page below the last. */
	CHECK(find(sp, 1, &page) == 0 && page == ARENA_PAGES - 4);
	map(sp, page, 1);
	CHECK(find(sp, 1, &page) == 0 && page == ARENA_PAGES - 6);
	/* What is below the range is not looked at. */
	CHECK(space_add(&vm, sp, ADDR(ARENA_PAGES), ADDR(ARENA_PAGES + 1), 0) ==
	      0);
	CHECK(find_in(sp, ARENA_PAGES + 10, ARENA_PAGES + 14, 5, &page) ==
	      -ENOMEM);
	CHECK(find_in(sp, ARENA_PAGES + 10, ARENA_PAGES + 14, 4, &page) == 0);
	/* All of it, then nothing more. */
	sp->top = 0;
	CHECK(unmap(sp, 0, ARENA_PAGES) == 0);
	CHECK(find(sp, ARENA_PAGES, &page) == 0 && page == 0);
	CHECK(find(sp, ARENA_PAGES + 1, &page) == -ENOMEM);
	map(sp, 0, ARENA_PAGES);
	CHECK(find(sp, 1, &page) == -ENOMEM);
	end();
}

/* A high gap that is tight wins over a low one that is roomy. */
static void
region_find_slot_range_guards(void)
{
	struct space *sp;
	uint64_t page;

	begin();
	sp = new_space();
	map(sp, 102, ARENA_PAGES - 102);
	map(sp, 50, 50);
	CHECK(find(sp, 2, &page) == 0 && page == 100);
	CHECK(unmap(sp, 99, 1) == 0);
	sp->top = 0;
	CHECK(find(sp, 2, &page) == 0 && page == 100); /* room for one guard */
	CHECK(unmap(sp, 98, 1) == 0);
	sp->top = 0;
	CHECK(find(sp, 2, &page) == 0 && page == 99); /* for both */
	sp->top = 0;
	CHECK(find(sp, 5, &page) == 0 && page == 44);
	end();
}

static void
region_find_slot_range_exact(void)
{
	struct space *sp;
	uint64_t addr;

	begin();
	sp = new_space();
	map(sp, 10, 5);
	CHECK(space_find_slot(sp, ADDR(5), 0, 5, &addr) == 0);
	CHECK(addr == ADDR(5));
	CHECK(space_find_slot(sp, ADDR(5), 0, 6, &addr) == -EEXIST);
	CHECK(space_find_slot(sp, ADDR(14), 0, 1, &addr) == -EEXIST);
	CHECK(space_find_slot(sp, ADDR(15), 0, 1, &addr) == 0);
	CHECK(space_find_slot(sp, UINT64_MAX - PAGE + 1, 0, 1, &addr) ==
	      -EINVAL);
	end();
}

/* The guard page below address 0 is not at the end of memory. */
static void
region_find_slot_underflow(void)
{
	struct space *sp;
	uint64_t addr;

	begin();
	sp = new_space();
	CHECK(space_add(&vm, sp, 0, PAGE, 0) == 0);
	CHECK(space_add(&vm, sp, PAGE, 5 * PAGE, 0) == 0);
	CHECK(space_find_slot(sp, 0, 5 * PAGE, 1, &addr) == -ENOMEM);
	CHECK(space_find_slot(sp, 0, 6 * PAGE, 1, &addr) == 0);
	CHECK(addr == 5 * PAGE);
	CHECK(space_unmap(&vm, sp, 0, PAGE) == 0);
	sp->top = 0;
	CHECK(space_find_slot(sp, 0, 5 * PAGE, 1, &addr) == 0 && addr == 0);
	sp->top = 0;
	CHECK(space_find_slot(sp, 0, 5 * PAGE, 2, &addr) == -ENOMEM);
	end();
}

static void
region_find_slot_rejects(void)
{
	struct space *sp;
	uint64_t addr = 77, n = UINT64_MAX / PAGE + 1;

	begin();
	sp = new_space();
	CHECK(space_find_slot(sp, 0, 8 * PAGE, 0, &addr) == -EINVAL);
	CHECK(space_find_slot(sp, 1, 8 * PAGE, 1, &addr) == -EINVAL);
	CHECK(space_find_slot(sp, 0, 8 * PAGE + 1, 1, &addr) == -EINVAL);
	CHECK(space_find_slot(sp, PAGE, PAGE, 1, &addr) == -EINVAL);
	CHECK(space_find_slot(sp, 2 * PAGE, PAGE, 1, &addr) == -EINVAL);
	CHECK(space_find_slot(sp, 0, 8 * PAGE, n, &addr) == -EINVAL);
	CHECK(space_find_slot(sp, 0, 8 * PAGE, n - 1, &addr) == -ENOMEM);
	CHECK(space_find_slot(sp, PAGE, 0, n - 1, &addr) == -EINVAL);
	CHECK(addr == 77); /* written on success alone */
	end();
}

/* What was given up is not given out again while there is room below. */
static void
region_find_slot(void)
{
	struct space *sp;
	uint64_t page, first;
	int n = 0;

	begin();
	sp = new_space();
	CHECK(find(sp, 10, &first) == 0);
	map(sp, first, 10);
	CHECK(unmap(sp, first, 10) == 0);
	CHECK(find(sp, 10, &page) == 0 && page < first);
	while (page != first) {
		CHECK(find(sp, 10, &page) == 0);
		n++;
	}
	CHECK(n >= 80);
	/* A hint from elsewhere does not matter. */
	sp->top = 1;
	CHECK(find(sp, 10, &page) == 0 && page == first);
	sp->top = UINT64_MAX;
	CHECK(find(sp, 10, &page) == 0 && page == first);
	end();
}

static int
ask(struct space *sp, uint64_t hint, uint64_t n, uint32_t flags, uint64_t *page)
{
	struct arena_request q = { .min = ADDR(0),
		.max = ADDR(ARENA_PAGES),
		.hint = hint,
		.npages = n,
		.flags = flags };
	uint64_t addr;
	int rc = arena_map(&vm, sp, &q, &addr);

	if (rc >= 0)
		*page = (addr - BASE) / PAGE;
	return rc;
}

static void
vm_mmap(void)
{
	struct space *sp;
	uint64_t page;

	begin();
	sp = new_space();
	CHECK(ask(sp, ADDR(7), 3, 0, &page) == 0 && page == 7);
	CHECK(ask(sp, ADDR(9), 3, 0, &page) == 0 && page == ARENA_PAGES - 4);
	CHECK(ask(sp, ADDR(9), 3, ARENA_FIXED, &page) == -EEXIST);
	put_out(sp, 9, 9);
	CHECK(ask(sp, ADDR(9), 3, ARENA_FIXED | ARENA_REPLACE, &page) == 0);
	CHECK(page == 9 && slot_at(sp, 9) == 0 && released == 1);
	CHECK(ask(sp, ADDR(5), 1, ARENA_READONLY, &page) == 0);
	CHECK(at(sp, 5)->rec->flags == REGION_READONLY);
	/* Not inside the arena, or not a page's address. */
	CHECK(ask(sp, PAGE, 1, ARENA_FIXED, &page) == -EINVAL);
	CHECK(ask(sp, ADDR(ARENA_PAGES - 1), 2, ARENA_FIXED, &page) == -EINVAL);
	CHECK(ask(sp, ADDR(20) + 1, 1, ARENA_FIXED, &page) == -EINVAL);
	CHECK(ask(sp, ADDR(20) + 1, 1, 0, &page) == 0);
	CHECK(ask(sp, 0, 0, 0, &page) == -EINVAL);
	CHECK(ask(sp, 0, ARENA_PAGES + 1, 0, &page) == -EINVAL);
	CHECK(ask(sp, 0, UINT64_MAX / PAGE + 2, 0, &page) == -EINVAL);
	CHECK(ask(sp, ADDR(1), 1, ARENA_REPLACE, &page) == -EINVAL);
	CHECK(ask(sp, 0, 1, 1 << 20, &page) == -EINVAL);
	end();
}

static void
vm_mmap_without_room(void)
{
	struct space *sp;
	uint64_t page, top;

	begin_with((struct vm_config){ .max_groups = 4,
	    .max_spaces = 4,
	    .max_regions = 3,
	    .max_blocks = 64,
	    .max_slots = 512 });
	sp = new_space();
	CHECK(ask(sp, 0, 2, 0, &page) == 0);
	top = sp->top;
	CHECK(ask(sp, 0, 600, 0, &page) == -ENOSPC && sp->top == top);
	CHECK(ask(sp, 0, 2, 0, &page) == 0);
	CHECK(ask(sp, 0, 2, 0, &page) == -ENOSPC);
	CHECK(sp->nregions == 2);
	end();
}

static void
prealloc(void)
{
	struct populate step;
	struct space *sp;
	uint64_t page, n = 0, where;
	int rc;

	begin();
	sp = new_space();
	CHECK(ask(sp, 0, 8, ARENA_PREALLOC, &page) == ARENA_POPULATE);
	where = ADDR(page);
	while ((rc = populate_next(&vm, sp, &where, ADDR(page + 8), &step)) ==
	       POPULATE_STEP) {
		CHECK(step.access == ACCESS_WRITE && step.page == n++);
		CHECK(step.region->memtype->plan(&vm, step.region, step.page,
			  step.access) == PLAN_ZERO);
		region_resident(&vm, step.region, step.page);
	}
	CHECK(rc == 0 && n == 8 && sp->counts.resident == 8);
	/* It did not work out: all of it goes. */
	CHECK(unmap(sp, page, 8) == 0);
	CHECK(sp->counts.resident == 0 && vm.regions.used == 0);
	end();
}

/* Memory is always cleared: to ask for less changes nothing. */
static void
uninitialized(void)
{
	struct space *sp;
	uint64_t page;

	begin();
	sp = new_space();
	CHECK(ask(sp, 0, 2, ARENA_UNINITIALIZED, &page) == 0);
	CHECK(at(sp, page)->rec->flags == 0);
	CHECK(plan_at(sp, page, ACCESS_READ) == PLAN_ZERO);
	end();
}

static void
phys_constraints_are_refused(void)
{
	const uint32_t flags[] = { ARENA_CONTIG, ARENA_PHYS64K, ARENA_LOWER16MB,
		ARENA_LOWER1MB };
	struct space *sp;
	uint64_t page;

	begin();
	sp = new_space();
	for (int i = 0; i < 4; i++)
		CHECK(ask(sp, 0, 1, flags[i] | ARENA_PREALLOC, &page) ==
		      -EOPNOTSUPP);
	CHECK(sp->nregions == 0);
	end();
}

static void
map_handle_memory(void)
{
	struct populate step;
	struct space *sp;
	uint64_t where = ADDR(0);

	begin();
	sp = new_space();
	map(sp, 0, 6);
	put_resident(sp, 0);
	put_out(sp, 1, 1);
	put_out(sp, 2, 2);
	region_clean(&vm, at(sp, 0), 2);
	CHECK(populate_next(&vm, sp, &where, ADDR(7), &step) == POPULATE_STEP);
	CHECK(step.page == 1 && step.access == ACCESS_WRITE);
	CHECK(populate_next(&vm, sp, &where, ADDR(7), &step) == POPULATE_STEP);
	CHECK(step.page == 2 && step.access == ACCESS_PROTECTED);
	CHECK(populate_next(&vm, sp, &where, ADDR(7), &step) == POPULATE_STEP);
	CHECK(step.page == 3 && where == ADDR(4));
	/* What may only be read is there when it can be. */
	where = ADDR(2);
	CHECK(space_set_flags(&vm, sp, ADDR(2), ADDR(3), REGION_READONLY, 0) ==
	      0);
	CHECK(populate_next(&vm, sp, &where, ADDR(3), &step) == 0);
	where = ADDR(6);
	CHECK(populate_next(&vm, sp, &where, ADDR(7), &step) == -ENOMEM);
	CHECK(where == ADDR(6));
	CHECK(populate_next(&vm, sp, &where, ADDR(6), &step) == 0);
	CHECK(populate_next(&vm, sp, &where, ADDR(5), &step) == -EINVAL);
	where = ADDR(0) + 1;
	CHECK(populate_next(&vm, sp, &where, ADDR(5), &step) == -EINVAL);
	end();
}

static uint64_t
populate_all(struct space *sp, uint64_t from, uint64_t to, enum access want)
{
	struct populate step;
	uint64_t where = ADDR(from), n = 0;
	int rc;

	while ((rc = populate_next(&vm, sp, &where, ADDR(to), &step)) ==
	       POPULATE_STEP) {
		CHECK(step.access == want);
		n++;
	}
	CHECK(rc == 0);
	return n;
}

static void
map_pin_memory(void)
{
	struct victim v[8];
	struct space *sp;
	struct object *o;
	uint32_t npages;
	enum way way;

	begin();
	sp = new_space();
	o = new_shared(4);
	map(sp, 0, 8);
	map_all(sp, 8, o, 0);
	CHECK(try_map(sp, 12, 4, o, 0, REGION_READONLY) == 0);
	CHECK(space_set_flags(&vm, sp, ADDR(0), ADDR(17), REGION_PINNED, 0) ==
	      -ENOMEM);
	CHECK(sp->nregions == 3);
	CHECK(space_set_flags(&vm, sp, ADDR(4), ADDR(16), REGION_PINNED, 0) ==
	      0);
	/* Of a region that may not be written it is enough to read. */
	CHECK(populate_all(sp, 4, 12, ACCESS_WRITE) == 8);
	CHECK(populate_all(sp, 12, 16, ACCESS_READ) == 4);
	for (uint64_t i = 0; i < 8; i++)
		put_resident(sp, i);
	object_resident(&vm, o, 1);
	while (reclaim_lower(group))
		;
	CHECK(reclaim_pick(&vm, sp, 8, v, 8, &npages, &way) == 1 &&
	      npages == 4);
	CHECK(object_leave(&vm, o, 1) == LEAVE_STAY);
	CHECK(reclaim_pick_object(&vm, o, 8, v, 8, &npages) == 0);
	/* One region is enough for that, if it has the page. */
	CHECK(unmap(sp, 9, 1) == 0 && object_leave(&vm, o, 1) == LEAVE_STAY);
	CHECK(unmap(sp, 13, 1) == 0);
	CHECK(object_leave(&vm, o, 1) == LEAVE_CAPTURE);
	map(sp, 9, 1);
	map(sp, 13, 1);
	CHECK(space_set_flags(&vm, sp, ADDR(0), ADDR(16), 0, REGION_PINNED) ==
	      0);
	CHECK(reclaim_pick_object(&vm, o, 8, v, 8, &npages) == 1);
	CHECK(v[0].addr == PAGE && npages == 1);
	CHECK(at(sp, 5)->rec->flags == 0);
	CHECK(at(sp, 14)->rec->flags == REGION_READONLY);
	end();
}

static const struct test tests[] = {
	{ "region_find_slot_range", region_find_slot_range },
	{ "region_find_slot_range_guards", region_find_slot_range_guards },
	{ "region_find_slot_range_exact", region_find_slot_range_exact },
	{ "region_find_slot_underflow", region_find_slot_underflow },
	{ "region_find_slot_rejects", region_find_slot_rejects },
	{ "region_find_slot", region_find_slot },
	{ "vm_mmap", vm_mmap },
	{ "vm_mmap_without_room", vm_mmap_without_room },
	{ "prealloc", prealloc },
	{ "uninitialized", uninitialized },
	{ "phys_constraints_are_refused", phys_constraints_are_refused },
	{ "map_handle_memory", map_handle_memory },
	{ "map_pin_memory", map_pin_memory },
};

TEST_MAIN(tests)
