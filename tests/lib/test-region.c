/*
 * Regions come, grow, shrink and go; and what cannot be is never mapped.
 */
#include <sys/resource.h>

#include "fixture.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void *
map_anon(uint64_t len)
{
	void *mem;

	CHECK(pagerd_map(p, NULL, len, NULL, 0, 0, &mem) == 0);
	return (mem);
}

static void *
map_shared(const char *name, uint64_t offset, uint64_t len, unsigned int flags)
{
	void *mem;

	CHECK(pagerd_map(p, NULL, len, name, offset, flags, &mem) == 0);
	return (mem);
}

/* => nothing but the session was lost, and there is a new one */
static void
is_clean(void)
{
	open_again();
	CHECK(arena_is_empty());
	CHECK(fds_are(open_fds));
}

static void
region_anon(void)
{
	struct pagerd_msg_request req;
	char *mem;

	begin();
	mem = map_anon(4 * PAGE);
	CHECK(NUM(mem) >= PAGERD_ARENA_START && NUM(mem) < ARENA_END);
	CHECK(arena_is(NUM(mem), 4 * PAGE, "rw-p"));
	CHECK(mem[0] == 0 && mem[4 * PAGE - 1] == 0);
	memset(mem, 7, 4 * PAGE);
	req = fake_last(&fake, PAGERD_OP_MAP);
	CHECK(req.addr == 0 && req.len == 4 * PAGE && req.flags == 0);
	CHECK(req.name[0] == '\0');
	req = fake_last(&fake, PAGERD_OP_ARM);
	CHECK(req.addr == NUM(mem) && req.len == 4 * PAGE);
	CHECK(fake_all_armed(&fake));
	unmap(mem, 4 * PAGE);
	CHECK(fake_count(&fake, PAGERD_OP_UNMAP) == 0);
	end();
}

/* One that is larger than memory is what it is for. */
static void
region_huge(void)
{
	const uint64_t len = UINT64_C(1) << 38;
	char *mem;

	begin();
	mem = map_anon(len);
	mem[len - 1] = 1;
	unmap(mem, len);
	end();
}

static void
region_shared(void)
{
	char *a, *b, *c;

	begin();
	a = map_shared("m", 0, 4 * PAGE, PAGERD_CREATE | PAGERD_EXCLUSIVE);
	CHECK(fake_last(&fake, PAGERD_OP_MAP).flags ==
	      (PAGERD_MAP_SHARED | PAGERD_MAP_CREATE | PAGERD_MAP_EXCLUSIVE));
	b = map_shared("m", 2 * PAGE, PAGE, PAGERD_CREATE);
	c = map_shared("m", 2 * PAGE, PAGE, PAGERD_READONLY);
	CHECK(fake_last(&fake, PAGERD_OP_MAP).offset == 2 * PAGE);
	CHECK(arena_is(NUM(a), 4 * PAGE, "rw-s"));
	CHECK(arena_is(NUM(c), PAGE, "r--s"));
	b[5] = 42;
	CHECK(a[2 * PAGE + 5] == 42 && c[5] == 42);
	CHECK(fds_are(open_fds + 1)); /* the fake's memfd */
	unmap(a, 4 * PAGE);
	unmap(b, PAGE);
	unmap(c, PAGE);
	CHECK(pagerd_unlink(p, "m") == 0);
	end();
}

static void
region_refused(void)
{
	void *mem = &mem;
	char *a;

	begin();
	CHECK(pagerd_map(p, NULL, PAGE, "m", 0, 0, &mem) == -ENOENT);
	a = map_shared("m", 0, PAGE, PAGERD_CREATE);
	CHECK(pagerd_map(p, NULL, PAGE, "m", 0,
		  PAGERD_CREATE | PAGERD_EXCLUSIVE, &mem) == -EEXIST);
	CHECK(pagerd_map(p, a, PAGE, NULL, 0, PAGERD_FIXED, &mem) == -EEXIST);
	fake_fails(&fake, -ENOSPC, PAGERD_OP_MAP, 0);
	CHECK(pagerd_map(p, NULL, PAGE, NULL, 0, 0, &mem) == -ENOSPC);
	CHECK(mem == (void *)&mem && fake_nregions(&fake) == 1);
	unmap(a, PAGE);
	end();
}

static void
region_hint(void)
{
	void *a, *b;

	begin();
	CHECK(pagerd_map(p, PTR(AT(5)), PAGE, NULL, 0, PAGERD_FIXED, &a) == 0);
	CHECK(NUM(a) == AT(5));
	CHECK(pagerd_map(p, PTR(AT(5)), PAGE, NULL, 0, 0, &b) == 0 && a != b);
	unmap(a, PAGE);
	unmap(b, PAGE);
	CHECK(pagerd_map(p, PTR(ARENA_END - PAGE), PAGE, NULL, 0, PAGERD_FIXED,
		  &a) == 0);
	unmap(a, PAGE);
	end();
}

/* What is not sent at all. */
static void
region_invalid(void)
{
	static const struct {
		uint64_t hint, len;
		const char *name;
		uint64_t offset;
		unsigned int flags;
		int error;
	} calls[] = {
		{ 0, 0, NULL, 0, 0, -EINVAL },
		{ 0, 100, NULL, 0, 0, -EINVAL },
		{ 0, -PAGE, NULL, 0, 0, -ENOMEM },
		{ 0, PAGERD_ARENA_BYTES + PAGE, NULL, 0, 0, -ENOMEM },
		{ AT(0) + 8, PAGE, NULL, 0, 0, -EINVAL },
		{ AT(0) - PAGE, PAGE, NULL, 0, 0, -EINVAL },
		{ ARENA_END, PAGE, NULL, 0, 0, -EINVAL },
		{ ARENA_END - PAGE, 2 * PAGE, NULL, 0, PAGERD_FIXED, -EINVAL },
		{ 0, PAGE, NULL, 0, PAGERD_FIXED, -EINVAL },
		{ 0, PAGE, NULL, PAGE, 0, -EINVAL },
		{ 0, PAGE, NULL, 0, PAGERD_CREATE, -EINVAL },
		{ 0, PAGE, NULL, 0, 1 << 4, -EINVAL },
		{ 0, PAGE, "m", 0, PAGERD_EXCLUSIVE, -EINVAL },
		{ 0, PAGE, "m", 8, PAGERD_CREATE, -EINVAL },
		{ 0, 2 * PAGE, "m", -PAGE, PAGERD_CREATE, -EINVAL },
		{ 0, PAGE, "", 0, PAGERD_CREATE, -EINVAL },
	};
	void *mem;
	size_t i;

	begin();
	for (i = 0; i < N(calls); i++)
		CHECK(pagerd_map(p, PTR(calls[i].hint), calls[i].len,
			  calls[i].name, calls[i].offset, calls[i].flags,
			  &mem) == calls[i].error);
	CHECK(fake_count(&fake, PAGERD_OP_MAP) == 0);
	end();
}

static void
region_names(void)
{
	char name[PAGERD_NAME_MAX + 2];
	void *mem;

	begin();
	memset(name, 'n', sizeof(name));
	name[PAGERD_NAME_MAX + 1] = '\0';
	CHECK(pagerd_map(p, NULL, PAGE, name, 0, PAGERD_CREATE, &mem) ==
	      -EINVAL);
	name[PAGERD_NAME_MAX] = '\0';
	mem = map_shared(name, 0, PAGE, PAGERD_CREATE);
	CHECK(strcmp(fake_last(&fake, PAGERD_OP_MAP).name, name) == 0);
	unmap(mem, PAGE);
	end();
}

static const enum fake_lie map_lies[] = {
	LIE_TYPE,
	LIE_SIZE,
	LIE_SHORT,
	LIE_TINY,
	LIE_LONG,
	LIE_POSITIVE,
	LIE_NO_ERRNO,
	LIE_ERROR_WITH_FD,
	LIE_ONE_MORE_FD,
	LIE_MANY_FDS,
	LIE_BELOW,
	LIE_ABOVE,
	LIE_OVER_THE_END,
	LIE_WRAPS,
	LIE_UNALIGNED,
	LIE_LONGER,
	LIE_EMPTY,
	LIE_OFFSET,
};

static void
map_lied_to(enum fake_lie lie, const char *name, int error)
{
	void *mem = NULL;

	fake_lies(&fake, lie, PAGERD_OP_MAP, 0);
	CHECK(pagerd_map(p, NULL, 2 * PAGE, name, 0, name ? PAGERD_CREATE : 0,
		  &mem) == error);
	CHECK(mem == NULL && arena_is_empty());
	CHECK(fake_count(&fake, PAGERD_OP_ARM) == 0);
	/* Nothing is asked any more of who has lied. */
	CHECK(pagerd_unlink(p, "m") == -ECONNRESET);
	CHECK(fake_count(&fake, PAGERD_OP_UNLINK) == 0);
	open_again();
}

static void
region_map_lies(void)
{
	size_t i;

	begin();
	for (i = 0; i < N(map_lies); i++)
		map_lied_to(map_lies[i], NULL, -EPROTO);
	map_lied_to(LIE_VERSION, NULL, -EPROTONOSUPPORT);
	map_lied_to(LIE_REFUSED, NULL, -ECONNREFUSED);
	map_lied_to(LIE_HANG_UP, NULL, -ECONNRESET);
	is_clean();
	end();
}

static void
region_shared_lies(void)
{
	void *mem;
	size_t i;

	begin();
	mem = map_shared("m", 0, PAGE, PAGERD_CREATE);
	unmap(mem, PAGE);
	open_fds++; /* the fake's memfd */
	fake.nlog = 0;
	for (i = 0; i < N(map_lies); i++)
		map_lied_to(map_lies[i], "m", -EPROTO);
	map_lied_to(LIE_NO_FD, "m", -EPROTO);
	is_clean();
	end();
}

static void
region_fixed_lie(void)
{
	void *mem;

	begin();
	fake_lies(&fake, LIE_ELSEWHERE, PAGERD_OP_MAP, 0);
	CHECK(pagerd_map(p, PTR(AT(5)), PAGE, NULL, 0, PAGERD_FIXED, &mem) ==
	      -EPROTO);
	is_clean();
	end();
}

static void
is_taken_back(unsigned int nmaps)
{
	const struct pagerd_msg_request map = fake_last(&fake, PAGERD_OP_MAP),
					un = fake_last(&fake, PAGERD_OP_UNMAP);

	CHECK(fake_count(&fake, PAGERD_OP_MAP) == nmaps);
	CHECK(fake_count(&fake, PAGERD_OP_UNMAP) == 1 && un.len == map.len);
	CHECK(fake_nregions(&fake) == 0 && arena_is_empty());
}

static void
region_arm_fails(void)
{
	void *mem = NULL;

	begin();
	fake_fails(&fake, -EIO, PAGERD_OP_ARM, 0);
	CHECK(pagerd_map(p, NULL, 2 * PAGE, NULL, 0, 0, &mem) == -EIO);
	CHECK(mem == NULL);
	is_taken_back(1);
	unmap(map_anon(PAGE), PAGE);
	end();
}

static void
region_arm_lies(void)
{
	static const enum fake_lie lies[] = { LIE_POSITIVE, LIE_ONE_MORE_FD,
		LIE_SHORT };
	void *mem;
	size_t i;

	begin();
	for (i = 0; i < N(lies); i++) {
		fake_lies(&fake, lies[i], PAGERD_OP_ARM, 0);
		CHECK(pagerd_map(p, NULL, PAGE, NULL, 0, 0, &mem) == -EPROTO);
		is_clean();
	}
	fake_lies(&fake, LIE_HANG_UP, PAGERD_OP_ARM, 0);
	CHECK(pagerd_map(p, NULL, PAGE, NULL, 0, 0, &mem) == -ECONNRESET);
	is_clean();
	end();
}

static void
region_unmappable(void)
{
	void *mem;

	begin();
	fake_lies(&fake, LIE_BAD_FD, PAGERD_OP_MAP, 0);
	CHECK(pagerd_map(p, NULL, PAGE, "m", 0, PAGERD_CREATE, &mem) ==
	      -ENODEV);
	CHECK(fake_count(&fake, PAGERD_OP_ARM) == 0);
	is_taken_back(1);
	CHECK(fds_are(open_fds + 1));
	end();
}

/* The region is there, and its descriptor did not fit in. */
static void
region_no_descriptor_left(void)
{
	struct rlimit old, limit;
	void *mem;
	int fd;

	if (in_valgrind())
		return;
	begin();
	unmap(map_shared("m", 0, PAGE, PAGERD_CREATE), PAGE);
	fd = dup(0);
	CHECK(fd > 0 && close(fd) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	limit = old;
	limit.rlim_cur = (rlim_t)fd;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(pagerd_map(p, NULL, PAGE, "m", 0, 0, &mem) == -EMFILE);
	CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
	is_taken_back(2);
	unmap(map_shared("m", 0, PAGE, 0), PAGE);
	end();
}

static void
region_unmap(void)
{
	char *mem;

	begin();
	mem = map_anon(4 * PAGE);
	memset(mem, 1, 4 * PAGE);
	unmap(mem + 2 * PAGE, 2 * PAGE);
	CHECK(arena_is(NUM(mem), 2 * PAGE, "rw-p"));
	CHECK(arena_is(NUM(mem) + 2 * PAGE, 2 * PAGE, "---p"));
	CHECK(mem[0] == 1);
	CHECK(pagerd_unmap(p, mem + 1, PAGE) == -EINVAL);
	CHECK(pagerd_unmap(p, mem, 0) == -EINVAL);
	CHECK(pagerd_unmap(p, mem, 1) == -EINVAL);
	CHECK(pagerd_unmap(p, PTR(AT(-1)), 2 * PAGE) == -EINVAL);
	CHECK(pagerd_unmap(p, PTR(ARENA_END - PAGE), 2 * PAGE) == -EINVAL);
	CHECK(pagerd_unmap(p, mem, -NUM(mem)) == -EINVAL);
	/* What was none, and more than one. */
	unmap(mem - PAGE, 8 * PAGE);
	end();
}

/* The daemon is gone: what is mapped can be given up all the same. */
static void
region_unmap_alone(void)
{
	void *mem;

	begin();
	mem = map_anon(PAGE);
	fake_lies(&fake, LIE_HANG_UP, PAGERD_OP_UNLINK, 0);
	CHECK(pagerd_unlink(p, "m") == -ECONNRESET);
	CHECK(pagerd_unmap(p, mem, PAGE) == 0);
	end();
}

static void
region_grows(void)
{
	struct pagerd_msg_request req;
	char *mem;

	begin();
	mem = map_anon(2 * PAGE);
	memset(mem, 1, 2 * PAGE);
	CHECK(pagerd_extend(p, mem, 5 * PAGE) == 0);
	req = fake_last(&fake, PAGERD_OP_EXTEND);
	CHECK(req.addr == NUM(mem) && req.len == 5 * PAGE);
	req = fake_last(&fake, PAGERD_OP_ARM);
	CHECK(req.addr == NUM(mem) + 2 * PAGE && req.len == 3 * PAGE);
	CHECK(arena_is(NUM(mem), 5 * PAGE, "rw-p"));
	CHECK(mem[0] == 1 && mem[2 * PAGE - 1] == 1 && mem[2 * PAGE] == 0);
	CHECK(pagerd_extend(p, mem, 5 * PAGE) == 0);
	CHECK(fake_count(&fake, PAGERD_OP_EXTEND) == 1);
	unmap(mem, 5 * PAGE);
	end();
}

static void
region_grows_shared(void)
{
	char *all, *mem;

	begin();
	all = map_shared("m", 0, 4 * PAGE, PAGERD_CREATE);
	mem = map_shared("m", PAGE, PAGE, PAGERD_READONLY);
	CHECK(pagerd_extend(p, mem, 2 * PAGE) == 0);
	CHECK(arena_is(NUM(mem), 2 * PAGE, "r--s"));
	all[2 * PAGE + 3] = 42;
	CHECK(mem[PAGE + 3] == 42);
	CHECK(fds_are(open_fds + 1));
	unmap(all, 4 * PAGE);
	unmap(mem, 2 * PAGE);
	end();
}

static void
region_shrinks(void)
{
	char *mem;

	begin();
	mem = map_anon(4 * PAGE);
	CHECK(pagerd_extend(p, mem, PAGE) == 0);
	fake_unmapped(&fake, NUM(mem) + PAGE, 3 * PAGE);
	CHECK(arena_is(NUM(mem), PAGE, "rw-p"));
	CHECK(arena_is(NUM(mem) + PAGE, 3 * PAGE, "---p"));
	CHECK(fake_count(&fake, PAGERD_OP_EXTEND) == 0);
	unmap(mem, PAGE);
	end();
}

static void
region_extend_invalid(void)
{
	char *mem;

	begin();
	CHECK(pagerd_extend(p, PTR(AT(9)), PAGE) == -EINVAL);
	mem = map_anon(4 * PAGE);
	CHECK(pagerd_extend(p, mem + PAGE, 8 * PAGE) == -EINVAL);
	CHECK(pagerd_extend(p, mem - PAGE, 8 * PAGE) == -EINVAL);
	CHECK(pagerd_extend(p, mem, 0) == -EINVAL);
	CHECK(pagerd_extend(p, mem, PAGE + 1) == -EINVAL);
	CHECK(pagerd_extend(p, mem, ARENA_END - NUM(mem) + PAGE) == -ENOMEM);
	CHECK(fake_count(&fake, PAGERD_OP_EXTEND) == 0);
	fake_fails(&fake, -ENOMEM, PAGERD_OP_EXTEND, 0);
	CHECK(pagerd_extend(p, mem, 8 * PAGE) == -ENOMEM);
	CHECK(arena_is(NUM(mem) + 4 * PAGE, 4 * PAGE, "---p"));
	unmap(mem, 4 * PAGE);
	end();
}

static void
extend_fails(char *mem, int error, unsigned int nextends)
{
	CHECK(pagerd_extend(p, mem, 2 * PAGE) == error);
	CHECK(arena_is(NUM(mem), PAGE, "rw-s"));
	CHECK(arena_is(NUM(mem) + PAGE, PAGE, "---p"));
	CHECK(fake_count(&fake, PAGERD_OP_EXTEND) == nextends);
	CHECK(fake_last(&fake, PAGERD_OP_EXTEND).len == PAGE);
	CHECK(fds_are(open_fds + 1));
}

static void
region_extend_undone(void)
{
	char *mem;

	begin();
	mem = map_shared("m", 0, 4 * PAGE, PAGERD_CREATE);
	unmap(mem + PAGE, 3 * PAGE);
	fake_fails(&fake, -EIO, PAGERD_OP_ARM, 0);
	extend_fails(mem, -EIO, 2);
	fake_lies(&fake, LIE_BAD_FD, PAGERD_OP_EXTEND, 0);
	extend_fails(mem, -ENODEV, 4);
	CHECK(pagerd_extend(p, mem, 2 * PAGE) == 0);
	unmap(mem, 2 * PAGE);
	end();
}

static void
region_extend_lies(void)
{
	static const enum fake_lie lies[] = { LIE_BELOW, LIE_ABOVE, LIE_WRAPS,
		LIE_UNALIGNED, LIE_ELSEWHERE, LIE_LONGER, LIE_EMPTY, LIE_OFFSET,
		LIE_ONE_MORE_FD, LIE_SHORT };
	char *mem;
	size_t i;

	begin();
	for (i = 0; i < N(lies); i++) {
		mem = map_anon(PAGE);
		*mem = 1;
		fake_lies(&fake, lies[i], PAGERD_OP_EXTEND, 0);
		CHECK(pagerd_extend(p, mem, 4 * PAGE) == -EPROTO);
		CHECK(arena_is(NUM(mem), PAGE, "rw-p") && *mem == 1);
		CHECK(arena_is(NUM(mem) + PAGE, 3 * PAGE, "---p"));
		open_again();
		CHECK(fds_are(open_fds));
		unmap(mem, PAGE);
		fake_unmapped(&fake, NUM(mem), 4 * PAGE);
	}
	end();
}

static const struct test tests[] = {
	{ "anonymous", region_anon },
	{ "larger than memory", region_huge },
	{ "shared", region_shared },
	{ "refused", region_refused },
	{ "hints", region_hint },
	{ "invalid calls", region_invalid },
	{ "names", region_names },
	{ "replies to MAP that cannot be", region_map_lies },
	{ "the same of shared memory", region_shared_lies },
	{ "not where it was to be", region_fixed_lie },
	{ "ARM fails", region_arm_fails },
	{ "replies to ARM that cannot be", region_arm_lies },
	{ "cannot be mapped", region_unmappable },
	{ "no descriptor left", region_no_descriptor_left },
	{ "unmap", region_unmap },
	{ "unmap without a daemon", region_unmap_alone },
	{ "grows", region_grows },
	{ "shared memory grows", region_grows_shared },
	{ "shrinks", region_shrinks },
	{ "invalid lengths", region_extend_invalid },
	{ "growth is undone", region_extend_undone },
	{ "replies to EXTEND that cannot be", region_extend_lies },
};

TEST_MAIN(tests)
