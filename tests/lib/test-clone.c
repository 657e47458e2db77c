/*
 * Snapshots and clones by their names; what is there, and advice about it.
 */
#include <sys/mman.h>

#include "fixture.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* A snapshot of three regions, page n of it filled with n pages' bytes. */
static void
begin_with_snapshot(void)
{
	begin();
	fake_snapshot(&fake, "s", AT(0), 2 * PAGE, 0, false);
	fake_snapshot(&fake, "s", AT(10), PAGE, 2 * PAGE, true);
	fake_snapshot(&fake, "s", ARENA_END - PAGE, PAGE, 3 * PAGE, false);
	open_fds = count_fds();
}

static uint64_t
word(uint64_t addr)
{
	return (*(volatile uint64_t *)PTR(addr));
}

static uint64_t
word_in_snapshot(uint64_t offset)
{
	uint64_t w;

	CHECK(pread(fake.objects[0].fd, &w, sizeof(w), (off_t)offset) ==
	      sizeof(w));
	return (w);
}

static void
unmap_clone(void)
{
	unmap(PTR(AT(0)), 2 * PAGE);
	unmap(PTR(AT(10)), PAGE);
	unmap(PTR(ARENA_END - PAGE), PAGE);
}

static void
clone_three(void)
{
	begin_with_snapshot();
	CHECK(pagerd_clone(p, "s") == 0);
	CHECK(fake_count(&fake, PAGERD_OP_CLONE) == 3);
	CHECK(fake_count(&fake, PAGERD_OP_ARM) == 3 && fake_all_armed(&fake));
	CHECK(arena_is(AT(0), 2 * PAGE, "rw-p"));
	CHECK(arena_is(AT(10), PAGE, "r--p"));
	CHECK(arena_is(ARENA_END - PAGE, PAGE, "rw-p"));
	CHECK(word(AT(0)) == 0 && word(AT(1)) == PAGE);
	CHECK(word(AT(10)) == 2 * PAGE && word(ARENA_END - PAGE) == 3 * PAGE);
	*(uint64_t *)PTR(AT(1)) = 42;
	CHECK(word_in_snapshot(PAGE) == PAGE);
	CHECK(fds_are(open_fds));
	CHECK(pagerd_clone(p, "s") == -EEXIST);
	CHECK(word(AT(1)) == 42);
	unmap_clone();
	end();
}

/* More than fit into the first array; the last is not at the end. */
static void
clone_many(void)
{
	char name[8];
	int i;

	begin();
	for (i = 0; i < 4; i++)
		fake_snapshot(&fake, "s", AT(2 * i), PAGE, 0, false);
	CHECK(pagerd_clone(p, "s") == 0);
	CHECK(fake_count(&fake, PAGERD_OP_CLONE) == 5);
	CHECK(fake_last(&fake, PAGERD_OP_CLONE).addr == AT(7));
	for (i = 0; i < 4; i++)
		unmap(PTR(AT(2 * i)), PAGE);
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		CHECK(pagerd_snapshot(p, name) == 0);
		CHECK(pagerd_clone(p, name) == 0);
	}
	CHECK(pagerd_clone(p, "t") == -ENOENT);
	end();
}

/* => nmade regions were there before it failed, and one that was not armed */
static void
is_undone(unsigned int nunmaps)
{
	CHECK(arena_is_empty() && fake_nregions(&fake) == 0);
	CHECK(fake_count(&fake, PAGERD_OP_UNMAP) == nunmaps);
	CHECK(fds_are(open_fds));
	CHECK(pagerd_clone(p, "s") == 0);
	unmap_clone();
	end();
}

static void
clone_third_fails(void)
{
	begin_with_snapshot();
	fake_fails(&fake, -ENOSPC, PAGERD_OP_CLONE, 2);
	CHECK(pagerd_clone(p, "s") == -ENOSPC);
	is_undone(2);
}

static void
clone_third_not_armed(void)
{
	begin_with_snapshot();
	fake_fails(&fake, -EIO, PAGERD_OP_ARM, 2);
	CHECK(pagerd_clone(p, "s") == -EIO);
	is_undone(3);
}

static void
clone_third_unmappable(void)
{
	begin_with_snapshot();
	fake_lies(&fake, LIE_BAD_FD, PAGERD_OP_CLONE, 2);
	CHECK(pagerd_clone(p, "s") == -ENODEV);
	is_undone(3);
}

static void
clone_over_something(void)
{
	void *mem;

	begin_with_snapshot();
	CHECK(pagerd_map(p, PTR(AT(10)), PAGE, NULL, 0, PAGERD_FIXED, &mem) ==
	      0);
	*(uint64_t *)mem = 42;
	CHECK(pagerd_clone(p, "s") == -EEXIST);
	CHECK(word(AT(10)) == 42 && fake_nregions(&fake) == 1);
	unmap(mem, PAGE);
	is_undone(1);
}

/* At the third, when ELSEWHERE is where the first is. */
static void
clone_lies(void)
{
	static const enum fake_lie lies[] = { LIE_BELOW, LIE_ABOVE,
		LIE_OVER_THE_END, LIE_WRAPS, LIE_UNALIGNED, LIE_ELSEWHERE,
		LIE_LONGER, LIE_EMPTY, LIE_OFFSET, LIE_NO_FD, LIE_ONE_MORE_FD,
		LIE_MANY_FDS, LIE_ERROR_WITH_FD, LIE_TINY };
	size_t i;

	begin_with_snapshot();
	for (i = 0; i < N(lies); i++) {
		fake_lies(&fake, lies[i], PAGERD_OP_CLONE, 2);
		CHECK(pagerd_clone(p, "s") == -EPROTO);
		CHECK(arena_is_empty());
		fake_unmapped(&fake, PAGERD_ARENA_START, PAGERD_ARENA_BYTES);
		open_again();
		CHECK(fds_are(open_fds));
	}
	fake_lies(&fake, LIE_HANG_UP, PAGERD_OP_CLONE, 2);
	CHECK(pagerd_clone(p, "s") == -ECONNRESET);
	end();
}

static void
clone_names(void)
{
	char name[PAGERD_NAME_MAX + 2];

	begin();
	memset(name, 'n', sizeof(name));
	name[PAGERD_NAME_MAX + 1] = '\0';
	CHECK(pagerd_snapshot(p, name) == -EINVAL);
	CHECK(pagerd_snapshot(p, "") == -EINVAL);
	CHECK(pagerd_snapshot(p, NULL) == -EINVAL);
	CHECK(pagerd_drop(p, name) == -EINVAL);
	CHECK(pagerd_unlink(p, "") == -EINVAL);
	CHECK(pagerd_clone(p, NULL) == -EINVAL);
	name[PAGERD_NAME_MAX] = '\0';
	CHECK(pagerd_snapshot(p, name) == 0);
	CHECK(pagerd_snapshot(p, name) == -EEXIST);
	CHECK(strcmp(fake_last(&fake, PAGERD_OP_SNAPSHOT).name, name) == 0);
	CHECK(pagerd_clone(p, name) == 0);
	CHECK(pagerd_drop(p, name) == 0);
	CHECK(pagerd_drop(p, name) == -ENOENT);
	CHECK(pagerd_unlink(p, name) == -ENOENT);
	fake_lies(&fake, LIE_ONE_MORE_FD, PAGERD_OP_DROP, 0);
	CHECK(pagerd_drop(p, name) == -EPROTO);
	CHECK(pagerd_drop(p, name) == -ECONNRESET);
	end();
}

static void
clone_query(void)
{
	struct pagerd_region r;

	begin_with_snapshot();
	CHECK(pagerd_query(p, NULL, &r) == -ENOENT);
	CHECK(pagerd_clone(p, "s") == 0);
	CHECK(pagerd_query(p, NULL, &r) == 0);
	CHECK(r.addr == PTR(AT(0)) && r.len == 2 * PAGE && !r.readonly);
	CHECK(strcmp(r.memtype, "cow") == 0 && r.id == 7 && r.users == 2);
	CHECK(r.resident == 2 * PAGE && r.out == PAGE && r.shared == 2 * PAGE);
	CHECK(pagerd_query(p, PTR(AT(1)), &r) == 0 && r.addr == PTR(AT(0)));
	CHECK(pagerd_query(p, PTR(AT(2)), &r) == 0 && r.addr == PTR(AT(10)));
	CHECK(r.readonly);
	CHECK(pagerd_query(p, PTR(AT(11)), &r) == 0);
	CHECK(r.addr == PTR(ARENA_END - PAGE));
	CHECK(pagerd_query(p, PTR(ARENA_END), &r) == -ENOENT);
	CHECK(pagerd_query(p, PTR(-PAGE), &r) == -ENOENT);
	unmap_clone();
	end();
}

static void
clone_query_lies(void)
{
	static const enum fake_lie lies[] = { LIE_BELOW, LIE_OVER_THE_END,
		LIE_WRAPS, LIE_UNALIGNED, LIE_EMPTY, LIE_MEMTYPE,
		LIE_ONE_MORE_FD, LIE_LONG };
	struct pagerd_region r;
	void *mem;
	size_t i;

	begin();
	CHECK(pagerd_map(p, NULL, 2 * PAGE, NULL, 0, 0, &mem) == 0);
	/* Memory that is not in the arena is no lie. */
	fake_lies(&fake, LIE_ABOVE, PAGERD_OP_QUERY, 0);
	CHECK(pagerd_query(p, NULL, &r) == -ENOENT);
	for (i = 0; i < N(lies); i++) {
		fake_lies(&fake, lies[i], PAGERD_OP_QUERY, 0);
		CHECK(pagerd_query(p, NULL, &r) == -EPROTO);
		open_again();
	}
	/* Where nothing was asked for any more. */
	fake_lies(&fake, LIE_ELSEWHERE, PAGERD_OP_QUERY, 0);
	CHECK(pagerd_query(p, mem, &r) == -EPROTO);
	CHECK(pagerd_unmap(p, mem, 2 * PAGE) == 0);
	end();
}

static bool
is_in_memory(void *mem, size_t npages)
{
	unsigned char in[16];

	CHECK(npages <= sizeof(in) && mincore(mem, npages * PAGE, in) == 0);
	while (npages > 0 && in[npages - 1] & 1)
		npages--;
	return (npages == 0);
}

static bool
last_advice(uint32_t advice, void *mem, uint64_t len)
{
	const struct pagerd_msg_request req =
	    fake_last(&fake, PAGERD_OP_ADVISE);

	return (req.flags == advice && req.addr == NUM(mem) && req.len == len);
}

static void
advise_told(void)
{
	char *mem;
	void *addr;

	begin();
	CHECK(pagerd_map(p, NULL, 4 * PAGE, NULL, 0, 0, &addr) == 0);
	mem = addr;
	CHECK(pagerd_advise(p, mem, PAGE, PAGERD_COLD) == 0);
	CHECK(last_advice(PAGERD_ADVISE_COLD, mem, PAGE));
	CHECK(pagerd_advise(p, mem, 4 * PAGE, PAGERD_SEQUENTIAL) == 0);
	CHECK(last_advice(PAGERD_ADVISE_SEQUENTIAL, mem, 4 * PAGE));
	CHECK(pagerd_advise(p, mem, PAGE, PAGERD_NORMAL) == 0);
	CHECK(last_advice(PAGERD_ADVISE_NORMAL, mem, PAGE));
	CHECK(!is_in_memory(mem, 1));
	CHECK(pagerd_advise(p, mem, 2 * PAGE, PAGERD_PIN) == 0);
	CHECK(last_advice(PAGERD_ADVISE_PIN, mem, 2 * PAGE));
	CHECK(is_in_memory(mem, 2) && !is_in_memory(mem + 2 * PAGE, 1));
	CHECK(pagerd_advise(p, mem, PAGE, PAGERD_UNPIN) == 0);
	CHECK(last_advice(PAGERD_ADVISE_UNPIN, mem, PAGE));
	fake_fails(&fake, -ENOMEM, PAGERD_OP_ADVISE, 0);
	CHECK(pagerd_advise(p, mem, PAGE, PAGERD_PIN) == -ENOMEM);
	unmap(mem, 4 * PAGE);
	end();
}

static void
advise_invalid(void)
{
	const enum pagerd_advise unknown = (enum pagerd_advise)8;
	void *mem;

	begin();
	CHECK(pagerd_map(p, NULL, PAGE, NULL, 0, 0, &mem) == 0);
	CHECK(pagerd_advise(p, mem, 0, PAGERD_COLD) == -EINVAL);
	CHECK(pagerd_advise(p, mem, 1, PAGERD_COLD) == -EINVAL);
	CHECK(pagerd_advise(p, PTR(AT(-1)), PAGE, PAGERD_COLD) == -EINVAL);
	CHECK(pagerd_advise(p, mem, PAGE, unknown) == -EINVAL);
	CHECK(fake_count(&fake, PAGERD_OP_ADVISE) == 0);
	unmap(mem, PAGE);
	end();
}

/* Two regions, a gap, and a clone that stays a clone. */
static void
advise_willneed(void)
{
	const uint64_t other = 1234;
	void *mem;

	begin_with_snapshot();
	CHECK(pagerd_clone(p, "s") == 0);
	CHECK(pagerd_map(p, PTR(AT(2)), PAGE, NULL, 0, PAGERD_FIXED, &mem) ==
	      0);
	CHECK(pagerd_advise(p, PTR(AT(1)), 2 * PAGE, PAGERD_WILLNEED) == 0);
	CHECK(is_in_memory(mem, 1));
	CHECK(pagerd_advise(p, PTR(AT(10)), PAGE, PAGERD_WILLNEED) == 0);
	CHECK(pwrite(fake.objects[0].fd, &other, 8, (off_t)PAGE) == 8);
	CHECK(word(AT(1)) == other);
	CHECK(pagerd_advise(p, PTR(AT(1)), 3 * PAGE, PAGERD_WILLNEED) ==
	      -ENOMEM);
	CHECK(pagerd_advise(p, PTR(AT(9)), 2 * PAGE, PAGERD_WILLNEED) ==
	      -ENOMEM);
	CHECK(fake_count(&fake, PAGERD_OP_ADVISE) == 0);
	unmap(mem, PAGE);
	unmap_clone();
	end();
}

/* What was asked for a gap is taken back. */
static void
advise_pin_undone(void)
{
	void *mem;

	begin();
	CHECK(pagerd_map(p, NULL, PAGE, NULL, 0, 0, &mem) == 0);
	CHECK(pagerd_advise(p, mem, 2 * PAGE, PAGERD_PIN) == -ENOMEM);
	CHECK(last_advice(PAGERD_ADVISE_UNPIN, mem, 2 * PAGE));
	unmap(mem, PAGE);
	end();
}

static void
advise_exclude(void)
{
	struct pagerd_msg_request req;
	char *mem;
	void *addr;

	begin();
	CHECK(pagerd_map(p, NULL, 4 * PAGE, NULL, 0, 0, &addr) == 0);
	mem = addr;
	mem[0] = 42;
	CHECK(pagerd_advise(p, mem, 2 * PAGE, PAGERD_EXCLUDE) == 0);
	req = fake_last(&fake, PAGERD_OP_UNMAP);
	CHECK(req.addr == NUM(mem) && req.len == 2 * PAGE);
	CHECK(req.flags == PAGERD_UNMAP_KEEP);
	CHECK(last_advice(PAGERD_ADVISE_PIN, mem, 2 * PAGE));
	CHECK(is_in_memory(mem, 2) && mem[0] == 42);
	CHECK(pagerd_advise(p, mem, PAGE, PAGERD_EXCLUDE) == 0);
	fake_fails(&fake, -EBUSY, PAGERD_OP_UNMAP, 0);
	CHECK(pagerd_advise(p, mem + 2 * PAGE, PAGE, PAGERD_EXCLUDE) == -EBUSY);
	CHECK(last_advice(PAGERD_ADVISE_UNPIN, mem + 2 * PAGE, PAGE));
	unmap(mem, 4 * PAGE);
	end();
}

static void
advise_exclude_others(void)
{
	struct pagerd_msg_request req;
	void *mem;

	begin_with_snapshot();
	CHECK(pagerd_clone(p, "s") == 0);
	CHECK(pagerd_map(p, PTR(AT(2)), PAGE, NULL, 0, PAGERD_FIXED, &mem) ==
	      0);
	CHECK(pagerd_advise(p, mem, PAGE, PAGERD_EXCLUDE) == 0);
	unmap(mem, PAGE);
	CHECK(pagerd_advise(p, PTR(AT(0)), PAGE, PAGERD_EXCLUDE) ==
	      -EOPNOTSUPP);
	CHECK(pagerd_map(p, NULL, PAGE, "m", 0, PAGERD_CREATE, &mem) == 0);
	CHECK(pagerd_advise(p, mem, PAGE, PAGERD_EXCLUDE) == -EOPNOTSUPP);
	/* The daemon is told of the end of what it does not see. */
	CHECK(fake_count(&fake, PAGERD_OP_UNMAP) == 2);
	req = fake_last(&fake, PAGERD_OP_UNMAP);
	CHECK(req.flags == 0 && req.addr == AT(2) && req.len == PAGE);
	unmap(mem, PAGE);
	unmap_clone();
	end();
}

static const struct test tests[] = {
	{ "clone", clone_three },
	{ "clone many, and none", clone_many },
	{ "the third is refused", clone_third_fails },
	{ "the third is not armed", clone_third_not_armed },
	{ "the third cannot be mapped", clone_third_unmappable },
	{ "something is in the way", clone_over_something },
	{ "replies to CLONE that cannot be", clone_lies },
	{ "names", clone_names },
	{ "query", clone_query },
	{ "replies to QUERY that cannot be", clone_query_lies },
	{ "advice", advise_told },
	{ "invalid advice", advise_invalid },
	{ "what is needed is brought in", advise_willneed },
	{ "pinning is undone", advise_pin_undone },
	{ "exclude", advise_exclude },
	{ "exclude what is not anonymous", advise_exclude_others },
};

TEST_MAIN(tests)
