/*
 * What a space looks like and costs.
 */
#include "info.h"
#include "usage.h"
#include "vm-fixture.h"

/* A picture of a space, one letter for a page. */
static const char letters[] = "?rpcsoX";

static void
draw(struct space *sp, uint32_t max, char *to)
{
	struct page_run runs[8];
	uint64_t cursor = 0;
	uint32_t n;

	while ((n = info_pages(&vm, sp, &cursor, runs, max)) > 0)
		for (uint32_t i = 0; i < n; i++)
			for (uint64_t k = 0; k < runs[i].npages; k++)
				*to++ = letters[runs[i].state];
	*to = '\0';
	CHECK(cursor == 0 || space_find_from(sp, cursor) == NULL);
}

static struct space *
colourful(void)
{
	struct space *sp = new_space();
	uint32_t block;

	map(sp, 0, 10);
	map(sp, 20, 2);
	put_resident(sp, 1);
	region_protect(&vm, at(sp, 0));
	put_resident(sp, 2);
	put_resident(sp, 3);
	put_out(sp, 4, 4);
	region_clean(&vm, at(sp, 4), 4);
	block = put_out(sp, 5, 5);
	physblock_move(&vm, block, where_make(WHERE_STAGED, 0, 1));
	put_out(sp, 6, 6);
	block = put_out(sp, 7, 7);
	physblock_move(&vm, block, where_make(WHERE_LOST, 0, 0));
	block = put_out(sp, 21, 21);
	physblock_move(&vm, block, where_make(WHERE_STORED, 5, 0));
	return sp;
}

static void
map_printmap(void)
{
	struct page_run runs[16];
	struct space *sp, *child;
	uint64_t cursor = 0;
	char picture[64];

	begin();
	sp = colourful();
	for (uint32_t max = 1; max <= 8; max++) {
		draw(sp, max, picture);
		CHECK(strcmp(picture, "?prrcsoX???o") == 0);
	}
	CHECK(info_pages(&vm, sp, &cursor, runs, 16) == 10);
	CHECK(runs[0].addr == ADDR(0) && runs[0].npages == 1 && !runs[0].own);
	CHECK(runs[2].addr == ADDR(2) && runs[2].npages == 2 && runs[2].own);
	CHECK(runs[9].addr == ADDR(21) && runs[9].backend == 5);
	CHECK(!runs[9].common && cursor == ADDR(22));
	child = new_space();
	CHECK(space_fork(&vm, sp, child) == 0);
	cursor = ADDR(21);
	CHECK(info_pages(&vm, child, &cursor, runs, 16) == 1 && runs[0].common);
	cursor = ADDR(2); /* inside a region, and of a run */
	CHECK(info_pages(&vm, sp, &cursor, runs, 1) == 1);
	CHECK(runs[0].addr == ADDR(2) && runs[0].npages == 2);
	end();
}

static void
map_printmap_of_objects(void)
{
	struct page_run runs[8];
	struct space *sp;
	struct object *o;
	uint64_t cursor = 0;

	begin();
	sp = new_space();
	o = new_image(UINT64_C(1) << 18);
	map_all(sp, 0, o, 0);
	object_resident(&vm, o, 70000);
	object_resident(&vm, o, 70001);
	put_out(sp, 70001, 1);
	CHECK(info_pages(&vm, sp, &cursor, runs, 8) == 4);
	CHECK(runs[0].state == PAGE_UNKNOWN && runs[0].npages == 70000);
	CHECK(runs[1].state == PAGE_RESIDENT && !runs[1].own);
	CHECK(!runs[1].common && runs[1].npages == 1);
	CHECK(runs[2].state == PAGE_OUT && runs[2].own);
	CHECK(runs[3].npages == (1 << 18) - 70002);
	CHECK(try_map(sp, 1 << 20, 4, o, 70000, 0) == 0);
	cursor = ADDR(70000);
	CHECK(info_pages(&vm, sp, &cursor, runs, 2) == 2);
	CHECK(runs[0].common && !runs[1].common);
	end();
}

static void
get_region_info(void)
{
	struct region_view v[8];
	struct space *sp;
	struct object *o;
	uint64_t cursor = 0;

	begin();
	sp = new_space();
	o = new_shared(8);
	CHECK(info_regions(&vm, sp, &cursor, v, 8) == 0 && cursor == 0);
	map(sp, 0, 4); /* nothing present */
	map(sp, 10, 8);
	put_resident(sp, 12);
	put_out(sp, 14, 14);
	CHECK(try_map(sp, 20, 4, o, 2, REGION_READONLY | REGION_PINNED) == 0);
	object_resident(&vm, o, 2);
	object_resident(&vm, o, 7);
	CHECK(info_regions(&vm, sp, &cursor, v, 1) == 1);
	CHECK(v[0].start == ADDR(0) && v[0].end == ADDR(4));
	CHECK(v[0].resident == 0 && strcmp(v[0].memtype, "anon") == 0);
	CHECK(info_regions(&vm, sp, &cursor, v, 8) == 2);
	CHECK(v[0].start == ADDR(10) && v[0].end == ADDR(18));
	CHECK(v[0].resident == 1 && v[0].out == 1 && v[0].object == 0);
	CHECK(v[1].object == o->rec->id && v[1].offset == 2);
	CHECK(v[1].resident == 1 && v[1].readonly && v[1].pinned);
	CHECK(info_regions(&vm, sp, &cursor, v, 8) == 0);
	/* A cursor inside a region: that one is not left out. */
	cursor = ADDR(12);
	CHECK(info_regions(&vm, sp, &cursor, v, 8) == 2);
	CHECK(v[0].id == at(sp, 10)->rec->id);
	end();
}

static void
map_get_phys(void)
{
	struct space *a, *b;
	struct object *o;
	uint64_t x, y = 1;

	begin();
	a = new_space();
	b = new_space();
	o = new_shared(4);
	map(a, 0, 4);
	map_all(a, 10, o, 0);
	map_all(b, 30, o, 0);
	CHECK(info_get_phys(a, ADDR(0), &x) == 0);
	CHECK(x == at(a, 0)->rec->id);
	CHECK(info_get_phys(a, ADDR(10), &x) == 0 && x == o->rec->id);
	CHECK(info_get_phys(b, ADDR(30), &y) == 0 && x == y);
	CHECK(info_get_phys(a, ADDR(11), &x) == -EINVAL);
	CHECK(info_get_phys(a, ADDR(50), &x) == -EINVAL && x == y);
	end();
}

static void
map_get_ref(void)
{
	struct space *a, *b;
	struct object *o;
	uint32_t refs = 77;

	begin();
	a = new_space();
	b = new_space();
	o = new_shared(4);
	map(a, 0, 4);
	CHECK(info_get_ref(&vm, a, ADDR(0), &refs) == 0 && refs == 1);
	map_all(a, 10, o, 0);
	CHECK(info_get_ref(&vm, a, ADDR(10), &refs) == 0 && refs == 1);
	for (uint64_t i = 0; i < 300; i++)
		map_all(b, 10 * i, o, 0);
	/* The same for all of them, and more than fit in a byte. */
	CHECK(info_get_ref(&vm, a, ADDR(10), &refs) == 0 && refs == 301);
	CHECK(info_get_ref(&vm, b, ADDR(10), &refs) == 0 && refs == 301);
	CHECK(info_get_ref(&vm, b, ADDR(11), &refs) == -EINVAL);
	CHECK(info_get_ref(&vm, b, 0, &refs) == -EINVAL && refs == 301);
	end();
}

static void
get_usage_info(void)
{
	struct usage u = { 0 }, v = { 0 };
	struct space *sp, *child;
	struct object *o;

	begin();
	sp = new_space();
	o = new_shared(4);
	map(sp, 0, 8);
	for (uint64_t i = 0; i < 4; i++)
		put_resident(sp, i);
	for (uint64_t i = 4; i < 7; i++)
		put_out(sp, i, i);
	map_all(sp, 20, o, 0);
	object_resident(&vm, o, 1);
	object_out(&vm, o, 2, new_block(2));
	usage_space(&vm, sp, &u);
	CHECK(u.total == 9 && u.resident == 5 && u.out == 4);
	CHECK(u.common == 0 && u.shared == 0);
	CHECK(u.weight.pages == 9 && u.weight.part == 0);
	/* That it is kept by a name or the cache does not share it. */
	child = new_space();
	CHECK(space_fork(&vm, sp, child) == 0);
	u = (struct usage){ 0 };
	usage_space(&vm, sp, &u);
	CHECK(u.total == 9 && u.common == 5 && u.shared == 2);
	usage_space(&vm, child, &v);
	CHECK(v.total == 9 && v.common == 5 && v.shared == 2);
	end();
}

/* Thirds are pages again when they come together. */
static void
printregionstats(void)
{
	struct space *a, *b, *c;
	struct usage u = { 0 }, sum = { 0 };

	begin();
	a = new_space();
	b = new_space();
	c = new_space();
	map(a, 0, 4);
	for (uint64_t i = 0; i < 4; i++)
		put_out(a, i, i);
	CHECK(space_fork(&vm, a, b) == 0 && space_fork(&vm, a, c) == 0);
	usage_space(&vm, a, &u);
	CHECK(u.weight.pages == 1);
	CHECK(weight_bytes(&u.weight) == 4 * 4096 / 3);
	usage_space(&vm, a, &sum);
	usage_space(&vm, b, &sum);
	usage_space(&vm, c, &sum);
	CHECK(sum.weight.pages == 4 && sum.weight.part < 100);
	end();
}

/* Whatever is mapped, cut and written: the parts are what there is. */
static void
printregionstats_adds_up(void)
{
	struct weight sum = { 0 };
	struct space *sp[7];
	struct object *o;
	uint64_t own = 0;

	begin();
	o = new_image(64);
	for (uint64_t i = 0; i < 64; i++)
		object_resident(&vm, o, i);
	for (uint64_t i = 0; i < 7; i++) {
		sp[i] = new_space();
		CHECK(try_map(sp[i], 0, 64 - 9 * i, o, 9 * i, 0) == 0);
		for (uint64_t k = 0; k < 64 - 9 * i; k += 1 + i, own++)
			put_resident(sp[i], k);
		CHECK(unmap(sp[i], i, 1) == 0);
		own -= i % (1 + i) == 0;
	}
	/* Of what nobody maps any longer nobody has a part. */
	for (int i = 0; i < 7; i++) {
		struct usage u = { 0 };

		usage_space(&vm, sp[i], &u);
		CHECK(u.common <= u.total && u.shared == 0);
		weight_sum(&sum, &u.weight);
	}
	CHECK(sum.pages == own + 63 && sum.part < 1000);
	end();
}

static bool
same_usage(const struct usage *a, const struct usage *b)
{
	return a->resident == b->resident && a->out == b->out &&
	       a->clean == b->clean && a->total == b->total &&
	       a->common == b->common && a->shared == b->shared &&
	       a->weight.pages == b->weight.pages &&
	       a->weight.part == b->weight.part &&
	       a->out_weight.pages == b->out_weight.pages &&
	       a->out_weight.part == b->out_weight.part;
}

/* However little is looked at in one go, the sum is the same. */
static void
check_slices(const struct region *r)
{
	struct usage all = { 0 };

	usage_region(&vm, r, &all);
	for (uint64_t most = 1; most < 5000; most = 3 * most + 1) {
		struct usage u = { 0 };
		uint64_t page = 0, slices = 0;

		for (; page < r->rec->npages; slices++) {
			uint64_t work = most, from = page;

			page = usage_slice(&vm, r, page, &work, &u);
			CHECK(page > from && work < most);
			CHECK(page == r->rec->npages || work == 0);
		}
		CHECK(same_usage(&u, &all) && slices > 0);
		CHECK(most > 1 || r->counts.out == 0 || slices == 16);
	}
}

static void
usage_in_slices(void)
{
	struct usage alone = { 0 }, looked_at = { 0 };
	struct space *sp, *other, *child;
	struct object *o;

	begin();
	sp = new_space();
	other = new_space();
	child = new_space();
	o = new_shared(2000);
	map(sp, 0, 8000);
	map(other, 0, 1);
	for (uint64_t i = 0; i < 8000; i += 1 + i % 7)
		put_out(sp, i, i);
	for (uint64_t i = 3000; i < 3500; i += 3)
		put_resident(sp, i);
	region_clean(&vm, at(sp, 0), 0);
	/* Nobody shares anything, and then others do. */
	usage_region(&vm, at(sp, 0), &alone);
	CHECK(alone.resident == at(sp, 0)->counts.resident && alone.out > 1000);
	CHECK(alone.clean == 1 && alone.common == 0);
	put_out(other, 0, 9000);
	CHECK(space_fork(&vm, other, child) == 0);
	usage_region(&vm, at(sp, 0), &looked_at);
	CHECK(same_usage(&alone, &looked_at));
	check_slices(at(sp, 0));
	space_free(&vm, child);
	child = new_space();
	map_all(sp, 10000, o, 0);
	for (uint64_t i = 1500; i < 2000; i += 2)
		object_resident(&vm, o, i);
	CHECK(space_fork(&vm, sp, child) == 0);
	check_slices(at(sp, 0));
	check_slices(at(sp, 10000));
	end();
}

static void
object_sharers_by_range(void)
{
	struct space *sp;
	struct object *o;
	uint64_t until;

	begin();
	sp = new_space();
	o = new_shared(16);
	CHECK(object_sharers(o, 0, &until) == 0 && until == 16);
	CHECK(try_map(sp, 0, 8, o, 4, 0) == 0);
	CHECK(try_map(sp, 20, 4, o, 6, 0) == 0);
	CHECK(object_sharers(o, 0, &until) == 0 && until == 4);
	CHECK(object_sharers(o, 5, &until) == 1 && until == 6);
	CHECK(object_sharers(o, 6, &until) == 2 && until == 10);
	CHECK(object_sharers(o, 10, &until) == 1 && until == 12);
	CHECK(object_sharers(o, 12, &until) == 0 && until == 16);
	end();
}

static const struct test tests[] = {
	{ "map_printmap", map_printmap },
	{ "map_printmap_of_objects", map_printmap_of_objects },
	{ "get_region_info", get_region_info },
	{ "map_get_phys", map_get_phys },
	{ "map_get_ref", map_get_ref },
	{ "get_usage_info", get_usage_info },
	{ "printregionstats", printregionstats },
	{ "printregionstats_adds_up", printregionstats_adds_up },
	{ "usage_in_slices", usage_in_slices },
	{ "object_sharers_by_range", object_sharers_by_range },
};

TEST_MAIN(tests)
