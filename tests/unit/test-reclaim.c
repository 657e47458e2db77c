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
	for (int i = 0; i < 3; i++)
		reclaim_installed(group, group->marks.limit / 8);
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
	for (int i = 0; i < 3; i++)
		reclaim_installed(group, group->marks.limit / 8);
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
	for (int i = 0; i < 3; i++)
		reclaim_installed(group, group->marks.limit / 8);
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
	{ "readahead_is_told", readahead_is_told },
	{ "readahead_of_objects", readahead_of_objects },
};

TEST_MAIN(tests)
