/*
 * Which pages leave next, and how many come back.
 */
#include "readahead.h"
#include "reclaim.h"
#include "vm-fixture.h"

static void
readahead_grows_and_resets(void)
{
	struct space *sp;
	struct region *r;
	uint64_t page = 0;
	uint32_t n, last = 0;

	begin();
	sp = new_space();
	map(sp, 0, 512);
	for (uint64_t i = 0; i < 512; i++)
		put_out(sp, i, i);
	r = at(sp, 0);
	while (page < 256) {
		n = readahead_window(&vm, r, page, READAHEAD_MAX);
		CHECK(n >= 1 && n <= READAHEAD_MAX && n >= last / 2);
		for (uint32_t i = 0; i < n; i++)
			region_resident(&vm, r, page + i);
		page += n;
		last = n;
	}
	CHECK(last == READAHEAD_MAX);
	CHECK(readahead_window(&vm, r, 400, READAHEAD_MAX) == 1);
	CHECK(readahead_window(&vm, r, 300, READAHEAD_MAX) == 1);
	region_resident(&vm, r, 302);
	CHECK(readahead_window(&vm, r, 301, READAHEAD_MAX) == 1);
	CHECK(readahead_window(&vm, r, 302, 1) == 1);
	end();
}

/* Whatever is resident and old enough is found, once, in one lap. */
static void
reclaim_finds_all(void)
{
	struct victim v[64];
	struct space *sp;
	uint32_t n, npages, seen = 0;
	static bool picked[1000];
	enum way way;

	begin();
	memset(picked, 0, sizeof(picked));
	sp = new_space();
	map(sp, 0, 400);
	map(sp, 500, 500);
	for (uint64_t i = 0; i < 1000; i += 3)
		if (i < 400 || i >= 500)
			put_resident(sp, i);
	while (reclaim_lower(group))
		;
	for (int round = 0; round < 100 && seen < sp->counts.resident;
	     round++) {
		n = reclaim_pick(&vm, sp, 37, v, 64, &npages, &way);
		CHECK(npages <= 37 && n <= 64);
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t k = 0; k < v[i].npages; k++) {
				uint64_t page = (v[i].addr - BASE) / PAGE + k;

				CHECK(slot_state(slot_at(sp, page)) ==
				      SLOT_RESIDENT);
				CHECK(!picked[page]);
				picked[page] = true;
				seen++;
				if (seen == sp->counts.resident)
					goto out;
			}
	}
out:
	CHECK(seen == sp->counts.resident);
	end();
}

static void
pass(unsigned int epochs)
{
	reclaim_installed(group, epochs * (group->marks.limit / 32 + 1));
}

/* What is resident by now is older than what comes next. */
static void
let_age(void)
{
	for (int i = 0; i < 9; i++)
		pass(8);
}

static void
reclaim_prefers_old(void)
{
	struct victim v[8];
	struct space *sp;
	uint32_t npages;
	enum way way;

	begin();
	sp = new_space();
	map(sp, 0, 100);
	for (uint64_t i = 0; i < 50; i++)
		put_resident(sp, i);
	let_age();
	for (uint64_t i = 50; i < 100; i++)
		put_resident(sp, i);
	sp->hand = BASE + 50 * PAGE;
	CHECK(reclaim_pick(&vm, sp, 50, v, 8, &npages, &way) == 1);
	CHECK(npages == 50 && v[0].addr == BASE);
	end();
}

static void
reclaim_finds_frames(void)
{
	struct victim v[8];
	struct object *o;
	uint32_t npages;

	begin();
	o = new_shared(100);
	for (uint64_t i = 0; i < 60; i++)
		object_resident(&vm, o, i);
	let_age();
	for (uint64_t i = 60; i < 100; i++)
		object_resident(&vm, o, i);
	o->hand = 50;
	CHECK(reclaim_pick_object(&vm, o, 20, v, 8, &npages) == 2);
	CHECK(npages == 20 && v[0].addr == 50 * PAGE && v[0].npages == 10);
	CHECK(v[1].addr == 0 && v[1].npages == 10);
	CHECK(reclaim_pick_object(&vm, o, 100, v, 8, &npages) == 2);
	CHECK(v[0].addr == 10 * PAGE && npages == 60);
	/* Whose group is gone has no age. */
	object_discharge(o);
	CHECK(reclaim_pick_object(&vm, o, 200, v, 8, &npages) > 0);
	CHECK(npages == 100);
	end();
}

/* What is said to be cold leaves before what is old. */
static void
reclaim_takes_cold_first(void)
{
	struct victim v[8];
	struct space *sp;
	struct object *o;
	uint32_t npages;
	enum way way;

	begin();
	sp = new_space();
	map(sp, 0, 100);
	o = new_shared(100);
	let_age();
	for (uint64_t i = 0; i < 100; i++) {
		put_resident(sp, i);
		object_resident(&vm, o, i);
	}
	region_age(&vm, at(sp, 0), 70);
	object_age(&vm, o, 80);
	CHECK(reclaim_pick(&vm, sp, 10, v, 8, &npages, &way) == 1);
	CHECK(npages == 1 && v[0].addr == ADDR(70));
	CHECK(reclaim_pick_object(&vm, o, 10, v, 8, &npages) == 1);
	CHECK(npages == 1 && v[0].addr == 80 * PAGE);
	end();
}

/* Private pages of a mapped file leave too, but not together with others. */
static void
reclaim_tells_ways(void)
{
	struct victim v[8];
	struct space *sp;
	uint32_t npages;
	enum way way;

	begin();
	sp = new_space();
	map(sp, 0, 10);
	map_all(sp, 10, new_image(10), 0);
	put_resident(sp, 8);
	put_resident(sp, 9);
	put_resident(sp, 10);
	put_resident(sp, 13);
	while (reclaim_lower(group))
		;
	sp->hand = 0;
	CHECK(reclaim_pick(&vm, sp, 10, v, 8, &npages, &way) == 1);
	CHECK(way == WAY_MOVE && v[0].addr == ADDR(8) && npages == 2);
	CHECK(reclaim_pick(&vm, sp, 10, v, 8, &npages, &way) == 2);
	CHECK(way == WAY_DROP && v[0].addr == ADDR(10) && npages == 2);
	CHECK(v[1].addr == ADDR(13));
	for (uint64_t i = 8; i < 20; i++)
		region_forget(&vm, at(sp, i), i < 10 ? i : i - 10);
	CHECK(reclaim_pick(&vm, sp, 10, v, 8, &npages, &way) == 0);
	CHECK(npages == 0 && way == WAY_NONE);
	end();
}

/* => the level of a page that had that one, and comes back so much later */
static unsigned int
level_after(unsigned int level, uint16_t out)
{
	uint64_t slot = slot_make(SLOT_RESIDENT, 0, level << 16, false);

	slot = slot_make(SLOT_OUT, 1, reclaim_goes(group, slot), false);
	CHECK(slot_level(slot) == level && slot_age(slot) == group->epoch);
	group->epoch = (uint16_t)(group->epoch + out);
	slot = slot_make(SLOT_RESIDENT, 0, reclaim_comes(group, slot), false);
	CHECK(slot_age(slot) == group->epoch);
	return slot_level(slot);
}

static void
reclaim_learns_levels(void)
{
	/* Also where epochs wrap. */
	static const uint16_t epochs[] = { 0, 1000, UINT16_MAX - 3,
		UINT16_MAX };

	begin();
	for (int i = 0; i < 4; i++) {
		group->epoch = epochs[i];
		CHECK(level_after(0, 0) == 3 && level_after(4, 1) == 7);
		CHECK(level_after(3, 2) == 5 && level_after(3, 7) == 5);
		CHECK(level_after(3, 8) == 4 && level_after(3, 31) == 4);
		CHECK(level_after(3, 32) == 2 && level_after(3, 127) == 2);
		CHECK(level_after(4, 128) == 1 && level_after(4, 60000) == 1);
		CHECK(level_after(2, 128) == 0 && level_after(0, 32) == 0);
		CHECK(level_after(5, 0) == 7 && level_after(7, 8) == 7);
	}
	end();
}

/* What goes on in memory, or while a page is out, is no lesson. */
static void
reclaim_keeps_levels(void)
{
	struct space *sp, *child;
	struct object *o;
	uint32_t block;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	o = new_shared(2);
	put_resident(sp, 0);
	CHECK(slot_level(slot_at(sp, 0)) == RECLAIM_FIRST_LEVEL);
	put_out(sp, 0, 1);
	pass(8);
	region_clean(&vm, at(sp, 0), 0);
	CHECK(slot_level(slot_at(sp, 0)) == 4);
	pass(5);
	region_written(&vm, at(sp, 0), 0);
	CHECK(slot_level(slot_at(sp, 0)) == 4);
	CHECK(slot_age(slot_at(sp, 0)) == group->epoch);
	region_protect(&vm, at(sp, 0));
	block = put_out(sp, 0, 2);
	pass(1);
	physblock_ref(&vm, block);
	region_rebind(&vm, at(sp, 0), 0, block);
	put_out(sp, 0, 3);
	CHECK(slot_level(slot_at(sp, 0)) == 4);
	CHECK(slot_age(slot_at(sp, 0)) == group->epoch - 1);
	child = new_space();
	CHECK(space_fork(&vm, sp, child) == 0);
	CHECK(slot_at(child, 0) == slot_at(sp, 0));
	put_resident(sp, 0);
	CHECK(slot_level(slot_at(sp, 0)) == 7);
	region_age(&vm, at(sp, 0), 0);
	CHECK(slot_level(slot_at(sp, 0)) == 0);
	/* What nobody saw leave has not just left. */
	put_out(sp, 1, 4);
	put_resident(sp, 1);
	CHECK(slot_level(slot_at(sp, 1)) < RECLAIM_FIRST_LEVEL);
	/* An object's are like a region's. */
	object_resident(&vm, o, 0);
	object_out(&vm, o, 0, new_block(5));
	object_filled(&vm, o, 0, true);
	CHECK(slot_level(object_slot(&vm, o, 0)) == 6);
	object_age(&vm, o, 0);
	CHECK(slot_level(object_slot(&vm, o, 0)) == 0);
	end();
}

/* However dear all pages are, some leave. */
static void
reclaim_never_starves(void)
{
	struct victim v[8];
	struct space *sp;
	uint32_t npages;
	enum way way;
	int lowered = 0;

	begin();
	sp = new_space();
	map(sp, 0, 2000);
	for (int times = 0; times < 4; times++)
		for (uint64_t i = 0; i < 2000; i++) {
			put_resident(sp, i);
			put_out(sp, i, i);
			put_resident(sp, i);
		}
	CHECK(slot_level(slot_at(sp, 1999)) == RECLAIM_MAX_LEVEL);
	for (int i = 0; i < 15; i++)
		pass(8);
	CHECK(group->min_age == RECLAIM_MAX_AGE);
	while (reclaim_pick(&vm, sp, 64, v, 8, &npages, &way) == 0) {
		CHECK(reclaim_lower(group));
		lowered++;
	}
	CHECK(lowered == RECLAIM_MAX_AGE && npages == 64);
	CHECK(!reclaim_lower(group));
	/* Level 7, min_age 1: 128 epochs. */
	pass(7);
	group->min_age = 1;
	CHECK(reclaim_pick(&vm, sp, 64, v, 8, &npages, &way) == 0);
	pass(1);
	group->min_age = 1;
	CHECK(reclaim_pick(&vm, sp, 64, v, 8, &npages, &way) == 1);
	end();
}

/*
 * A little pager: 8192 pages in a quarter of that, each of which is stored.
 */
#define WORLD 8192u

static struct space *world;
static uint64_t random_state;

static uint64_t
random_below(uint64_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1;
	return (random_state >> 33) * n >> 31;
}

static void
world_begin(void)
{
	begin();
	random_state = 1;
	world = new_space();
	group_set_limit(group, WORLD / 4 * PAGE);
	map(world, 0, WORLD);
	for (uint64_t i = 0; i < WORLD; i++)
		put_out(world, i, i);
}

static void
world_evict(void)
{
	struct region *r = at(world, 0);
	struct victim v[64];
	uint32_t n, npages;
	enum way way;

	while ((n = reclaim_pick(&vm, world, 64, v, 64, &npages, &way)) == 0)
		CHECK(reclaim_lower(group));
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < v[i].npages; k++)
			region_out(&vm, r, region_page(r, v[i].addr) + k, 0);
}

/* => did it miss? */
static bool
touch(uint64_t page)
{
	struct region *r = at(world, 0);

	if (slot_resident(region_slot(&vm, r, page)))
		return false;
	if (group->counts.resident == WORLD / 4)
		world_evict();
	region_clean(&vm, r, page);
	reclaim_installed(group, 1);
	return true;
}

/* => misses of n accesses, nine of ten to a set half as large as the limit */
static int
touch_hot(uint64_t hot, int n)
{
	int misses = 0;

	for (int i = 0; i < n; i++)
		misses +=
		    touch(random_below(10) > 0 ? hot + random_below(WORLD / 8)
					       : random_below(WORLD));
	return misses;
}

static uint64_t
resident_from(uint64_t page)
{
	uint64_t n = 0;

	for (uint64_t i = page; i < page + WORLD / 8; i++)
		n += slot_resident(slot_at(world, i));
	return n;
}

/* FIFO misses 16 % of these, LRU 9 %, and who knows the future 5 %. */
static void
reclaim_keeps_what_is_hot(void)
{
	world_begin();
	(void)touch_hot(0, 200000);
	CHECK(touch_hot(0, 100000) < 10000);
	/* It leaves when another set is. */
	(void)touch_hot(WORLD / 2, 400000);
	CHECK(touch_hot(WORLD / 2, 100000) < 10000);
	CHECK(resident_from(0) < WORLD / 8 / 2);
	end();
}

/* A pass over all there is, which nobody will do again, takes room from none.
 */
static void
reclaim_resists_scans(void)
{
	uint64_t before;

	world_begin();
	(void)touch_hot(0, 300000);
	before = resident_from(0);
	CHECK(before > WORLD / 8 * 3 / 4);
	for (uint64_t i = WORLD / 8; i < WORLD; i++)
		(void)touch(i);
	CHECK(resident_from(0) > before * 3 / 4);
	end();
}

static void
readahead_is_told(void)
{
	struct space *sp;

	begin();
	sp = new_space();
	map(sp, 0, 100);
	for (uint64_t i = 0; i < 100; i++)
		put_out(sp, i, i);
	at(sp, 0)->readahead.sequential = true;
	CHECK(readahead_window(&vm, at(sp, 0), 50, READAHEAD_MAX) ==
	      READAHEAD_MAX);
	CHECK(readahead_window(&vm, at(sp, 0), 90, READAHEAD_MAX) == 10);
	end();
}

/* A fault that has to wait looks again: its stream does not start anew. */
static void
readahead_waits(void)
{
	struct space *sp;
	struct region *r;

	begin();
	sp = new_space();
	map(sp, 0, 100);
	for (uint64_t i = 0; i < 100; i++)
		put_out(sp, i, i);
	r = at(sp, 0);
	CHECK(readahead_window(&vm, r, 50, READAHEAD_MAX) == 1);
	CHECK(readahead_window(&vm, r, 51, READAHEAD_MAX) == 2);
	CHECK(readahead_window(&vm, r, 53, READAHEAD_MAX) == 4);
	CHECK(readahead_run(&vm, r, 53, 4) == 4);
	region_resident(&vm, r, 56);
	CHECK(readahead_run(&vm, r, 53, 4) == 3);
	CHECK(readahead_run(&vm, r, 53, 2) == 2);
	readahead_filled(r, 53, 2);
	CHECK(readahead_window(&vm, r, 55, READAHEAD_MAX) == 1);
	CHECK(readahead_window(&vm, r, 57, READAHEAD_MAX) == 1);
	CHECK(readahead_window(&vm, r, 58, READAHEAD_MAX) == 2);
	CHECK(readahead_run(&vm, r, 99, 4) == 1);
	end();
}

/* Pages of an object: looking changes nothing, taking does. */
static void
readahead_of_objects(void)
{
	uint64_t page = 0;
	struct space *sp;
	struct region *r;
	uint32_t n;

	begin();
	sp = new_space();
	map_all(sp, 0, new_image(200), 0);
	r = at(sp, 0);
	CHECK(readahead_peek(r, 0) == 1 && readahead_peek(r, 0) == 1);
	for (uint32_t want = 1; page < 190; want = want < 16 ? 2 * want : 32) {
		n = readahead_peek(r, page);
		CHECK(n == (want < 200 - page ? want : 200 - page));
		readahead_took(r, page, n);
		page += n;
	}
	CHECK(readahead_peek(r, 17) == 1);
	readahead_took(r, 17, 1);
	CHECK(readahead_peek(r, 18) == 2 && readahead_peek(r, 199) == 1);
	end();
}

static const struct test tests[] = {
	{ "readahead_grows_and_resets", readahead_grows_and_resets },
	{ "reclaim_finds_all", reclaim_finds_all },
	{ "reclaim_prefers_old", reclaim_prefers_old },
	{ "reclaim_finds_frames", reclaim_finds_frames },
	{ "reclaim_takes_cold_first", reclaim_takes_cold_first },
	{ "reclaim_tells_ways", reclaim_tells_ways },
	{ "reclaim_learns_levels", reclaim_learns_levels },
	{ "reclaim_keeps_levels", reclaim_keeps_levels },
	{ "reclaim_never_starves", reclaim_never_starves },
	{ "reclaim_keeps_what_is_hot", reclaim_keeps_what_is_hot },
	{ "reclaim_resists_scans", reclaim_resists_scans },
	{ "readahead_is_told", readahead_is_told },
	{ "readahead_waits", readahead_waits },
	{ "readahead_of_objects", readahead_of_objects },
};

TEST_MAIN(tests)
