/*
 * The model alone: regions, slots, physblocks, policies.
 *
 * The oracle of the random test is one entry for each page of a small address
 * space: whether it is mapped, its state, and a number that stands for its
 * content.  A block's "where" carries that number.
 */
#include <errno.h>
#include <string.h>

#include "memtype.h"
#include "readahead.h"
#include "reclaim.h"
#include "test.h"
#include "vm.h"

#define PAGE PAGE_BYTES
#define BASE UINT64_C(0x10000000)

static struct vm vm;
static struct group *group;
static uint64_t released;
static uint32_t last_released; /* block */

static void
release(void *ctx, uint32_t block, uint64_t where)
{
	(void)ctx;
	CHECK(where_kind(where) != WHERE_NOWHERE);
	last_released = block;
	released++;
}

static void
say(void *ctx, const char *line)
{
	(void)ctx;
	printf("# %s\n", line);
}

static struct space *
new_space(void)
{
	struct space_record rec = { .group = group->index };
	struct space *sp;

	CHECK(space_new(&vm, &rec, &sp) == 0);
	return sp;
}

static void
begin(void)
{
	const struct vm_config config = { .max_groups = 16,
		.max_spaces = 64,
		.max_regions = 4096,
		.max_blocks = 65536,
		.max_slots = 1 << 20 };
	struct group_record rec = { .limit_bytes = 64 << 20 };

	released = 0;
	CHECK(vm_open(&vm, &config, release, NULL) == 0);
	CHECK(group_new(&vm, &rec, &group) == 0);
}

static void
sound(void)
{
	CHECK(vm_check(&vm, say, NULL) == 0);
}

/* Everything goes, and nothing is left. */
static void
end(void)
{
	struct space *sp;

	sound();
	while ((sp = TAILQ_FIRST(&group->spaces)) != NULL)
		space_free(&vm, sp);
	sound();
	CHECK(vm.blocks.used == 0);
	CHECK(vm.regions.used == 0);
	CHECK(vm.spaces.used == 0);
	CHECK(group->counts.resident == 0 && group->counts.out == 0);
	group_free(&vm, group);
	vm_close(&vm);
}

static struct region *
at(struct space *sp, uint64_t page)
{
	return space_find(sp, BASE + page * PAGE);
}

static uint64_t
slot_at(struct space *sp, uint64_t page)
{
	struct region *r = at(sp, page);

	CHECK(r != NULL);
	return region_slot(&vm, r, region_page(r, BASE + page * PAGE));
}

static void
map(struct space *sp, uint64_t page, uint64_t n)
{
	CHECK(space_add(&vm, sp, BASE + page * PAGE, BASE + (page + n) * PAGE,
		  MEMTYPE_ANON) == 0);
}

static int
unmap(struct space *sp, uint64_t page, uint64_t n)
{
	return space_unmap(&vm, sp, BASE + page * PAGE,
	    BASE + (page + n) * PAGE);
}

static uint32_t
put_out(struct space *sp, uint64_t page, uint64_t data)
{
	struct region *r = at(sp, page);
	uint32_t block;

	CHECK(physblock_new(&vm, where_make(WHERE_STORED, 0, data), &block) ==
	      0);
	region_out(&vm, r, region_page(r, BASE + page * PAGE), block);
	return block;
}

static void
put_resident(struct space *sp, uint64_t page)
{
	struct region *r = at(sp, page);

	region_resident(&vm, r, region_page(r, BASE + page * PAGE));
}

static void
region_lookup(void)
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
	CHECK(at(sp, 10)->rec->id >= 1);
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
fork_shares_blocks(void)
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
fork_more_than_256(void)
{
	const struct vm_config config = { .max_groups = 4,
		.max_spaces = 1024,
		.max_regions = 2048,
		.max_blocks = 64,
		.max_slots = 1 << 20 };
	struct group_record rec = { 0 };
	struct space *first;
	uint32_t block;

	CHECK(vm_open(&vm, &config, release, NULL) == 0);
	CHECK(group_new(&vm, &rec, &group) == 0);
	first = new_space();
	map(first, 0, 1);
	block = put_out(first, 0, 1);
	for (int i = 0; i < 600; i++)
		CHECK(space_fork(&vm, first, new_space()) == 0);
	CHECK(physblock_refs(&vm, block) == 601);
	end();
}

static void
fork_without_room_leaves_nothing(void)
{
	const struct vm_config config = { .max_groups = 4,
		.max_spaces = 8,
		.max_regions = 6,
		.max_blocks = 64,
		.max_slots = 4096 };
	struct group_record rec = { 0 };
	struct space *a, *b;

	CHECK(vm_open(&vm, &config, release, NULL) == 0);
	CHECK(group_new(&vm, &rec, &group) == 0);
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

/* Equal contents: slots come to share a block, and nothing else changes. */
static void
rebind_shares_blocks(void)
{
	struct space *a, *b;
	uint32_t first, second, third;

	begin();
	a = new_space();
	b = new_space();
	map(a, 0, 4);
	map(b, 0, 4);
	first = put_out(a, 0, 5);
	second = put_out(a, 1, 6);
	third = put_out(b, 2, 7);
	physblock_ref(&vm, first);
	region_rebind(&vm, at(a, 0), 1, first);
	CHECK(slot_at(a, 1) == slot_at(a, 0));
	CHECK(released == 1 && last_released == second);
	region_clean(&vm, at(b, 0), 2);
	physblock_ref(&vm, first);
	region_rebind(&vm, at(b, 0), 2, first);
	CHECK(slot_clean(slot_at(b, 2)) && slot_protected(slot_at(b, 2)));
	CHECK(slot_block(slot_at(b, 2)) == first);
	CHECK(released == 2 && last_released == third);
	CHECK(physblock_refs(&vm, first) == 3);
	CHECK(b->counts.clean == 1 && a->counts.out == 2);
	sound();
	put_resident(a, 0);
	space_free(&vm, b);
	CHECK(released == 2 && physblock_refs(&vm, first) == 1);
	end();
	CHECK(released == 3 && last_released == first);
}

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
		n = reclaim_pick(&vm, sp, 37, v, 64, &npages);
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
	CHECK(reclaim_pick(&vm, sp, 50, v, 8, &npages) == 1);
	CHECK(npages == 50 && v[0].addr == BASE);
	end();
}

/* The proof that vm_check() can fail: each invariant broken by hand. */
static void
check_notices(void)
{
	struct space *sp;
	struct region *r;
	uint64_t *slot, keep;
	uint32_t block;

	begin();
	sp = new_space();
	map(sp, 0, 8);
	block = put_out(sp, 0, 1);
	put_resident(sp, 1);
	r = at(sp, 0);
	slot = &vm.slots.slots[r->rec->slots];
	sound();
#define BROKEN(break_it, mend_it)                                              \
	do {                                                                   \
		break_it;                                                      \
		CHECK(vm_check(&vm, say, NULL) > 0);                           \
		mend_it;                                                       \
		sound();                                                       \
	} while (0)
	BROKEN(vm.blocks.aux[block]++, vm.blocks.aux[block]--);
	BROKEN(r->counts.out++, r->counts.out--);
	BROKEN(sp->counts.resident++, sp->counts.resident--);
	BROKEN(group->counts.out++, group->counts.out--);
	BROKEN(r->rec->start += 8, r->rec->start -= 8);
	BROKEN(vm.slots.live[r->rec->slots / SLOT_CHUNK]++,
	    vm.slots.live[r->rec->slots / SLOT_CHUNK]--);
	keep = slot[0];
	BROKEN(slot[0] |= UINT64_C(1) << 42, slot[0] = keep);
	keep = slot[1];
	BROKEN(slot[1] |= 77, slot[1] = keep);
	BROKEN(slot[1] = 1, slot[1] = keep);
#undef BROKEN
	end();
}

#define PAGES 256

struct model_page {
	bool mapped;
	enum slot_state state;
	bool clean;
	uint64_t data; /* OUT or clean: the block's number */
};

struct model {
	struct space *sp;
	struct model_page pages[PAGES];
};

static uint64_t next_data = 1;

static void
compare(struct model *m)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		const struct model_page *want = &m->pages[i];
		uint64_t slot;

		CHECK((at(m->sp, i) != NULL) == want->mapped);
		if (!want->mapped)
			continue;
		slot = slot_at(m->sp, i);
		CHECK(slot_state(slot) == want->state);
		CHECK(slot_clean(slot) == want->clean);
		if (want->state == SLOT_OUT || want->clean)
			CHECK(where_data(physblock_where(&vm,
				  slot_block(slot))) == want->data);
	}
}

static void
random_map(struct model *m, uint64_t page, uint64_t n)
{
	for (uint64_t i = page; i < page + n; i++)
		if (m->pages[i].mapped)
			return;
	map(m->sp, page, n);
	for (uint64_t i = page; i < page + n; i++)
		m->pages[i] = (struct model_page){ .mapped = true };
}

static void
random_unmap(struct model *m, uint64_t page, uint64_t n)
{
	CHECK(unmap(m->sp, page, n) == 0);
	memset(&m->pages[page], 0, n * sizeof(m->pages[0]));
}

static void
random_touch(struct model *m, uint64_t page)
{
	struct model_page *pg = &m->pages[page];
	struct region *r = at(m->sp, page);
	uint64_t k;

	if (!pg->mapped)
		return;
	k = region_page(r, BASE + page * PAGE);
	switch (test_random_below(4)) {
	case 0:
		put_resident(m->sp, page);
		*pg = (struct model_page){ true, SLOT_RESIDENT, false, 0 };
		break;
	case 1:
		put_out(m->sp, page, next_data);
		*pg = (struct model_page){ true, SLOT_OUT, false, next_data++ };
		break;
	case 2:
		if (pg->state != SLOT_OUT)
			break;
		region_clean(&vm, r, k);
		pg->state = SLOT_RESIDENT;
		pg->clean = true;
		break;
	case 3:
		if (!pg->clean)
			break;
		region_out(&vm, r, k, 0);
		pg->state = SLOT_OUT;
		pg->clean = false;
		break;
	}
}

static void
random_remove(struct model *m, uint64_t page, uint64_t n)
{
	space_remove(&vm, m->sp, BASE + page * PAGE, BASE + (page + n) * PAGE);
	for (uint64_t i = page; i < page + n; i++)
		m->pages[i] =
		    (struct model_page){ .mapped = m->pages[i].mapped };
}

static void
random_remap(struct model *m, uint64_t from, uint64_t to, uint64_t n)
{
	if (from < to + n && to < from + n)
		return;
	CHECK(space_remap(&vm, m->sp, BASE + from * PAGE, BASE + to * PAGE,
		  n * PAGE) == 0);
	for (uint64_t i = 0; i < n; i++) {
		struct model_page *src = &m->pages[from + i];

		m->pages[to + i] = *src;
		*src = (struct model_page){ .mapped = src->mapped };
	}
}

static void
random_fork(struct model *m, struct model *child)
{
	if (child->sp != NULL)
		space_free(&vm, child->sp);
	child->sp = new_space();
	CHECK(space_fork(&vm, m->sp, child->sp) == 0);
	memcpy(child->pages, m->pages, sizeof(m->pages));
}

static void
random_step(struct model *m, struct model *other)
{
	uint64_t n = 1 + test_random_below(24);
	uint64_t page = test_random_below(PAGES - n);

	switch (test_random_below(12)) {
	case 0:
		random_map(m, page, n);
		break;
	case 1:
		random_unmap(m, page, n);
		break;
	case 2:
		random_remove(m, page, n);
		break;
	case 3:
		random_remap(m, page, test_random_below(PAGES - n), n);
		break;
	case 4:
		if (m != other && test_random_below(8) == 0)
			random_fork(m, other);
		break;
	default:
		random_touch(m, page);
	}
}

static void
random_against_oracle(void)
{
	static struct model models[4];

	begin();
	memset(models, 0, sizeof(models));
	for (int i = 0; i < 4; i++)
		models[i].sp = new_space();
	for (int step = 0; step < 40000; step++) {
		struct model *m = &models[test_random_below(4)];
		struct model *other = &models[test_random_below(4)];

		random_step(m, other);
		if (step % 64 == 0) {
			compare(m);
			compare(other);
			sound();
		}
	}
	end();
}

static const struct test tests[] = {
	{ "region_lookup", region_lookup },
	{ "region_rejects", region_rejects },
	{ "map_unmap_range", map_unmap_range },
	{ "region_extend_keeps_slots", region_extend_keeps_slots },
	{ "fork_shares_blocks", fork_shares_blocks },
	{ "fork_more_than_256", fork_more_than_256 },
	{ "fork_without_room_leaves_nothing",
	    fork_without_room_leaves_nothing },
	{ "remap_moves_contents", remap_moves_contents },
	{ "remove_forgets", remove_forgets },
	{ "clean_pages", clean_pages },
	{ "rebind_shares_blocks", rebind_shares_blocks },
	{ "anon_plans", anon_plans },
	{ "readahead_grows_and_resets", readahead_grows_and_resets },
	{ "reclaim_finds_all", reclaim_finds_all },
	{ "reclaim_prefers_old", reclaim_prefers_old },
	{ "check_notices", check_notices },
	{ "random_against_oracle", random_against_oracle },
};

TEST_MAIN(tests)
