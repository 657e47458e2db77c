/*
 * test-backend.c: every backend keeps what it is given
 *
 * Each test takes every entry of backend_list[]; what a store holds is
 * compared with pages that can be made again from a number.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "test.h"

#define NPAGES 3000
#define SMALL_BYTES (UINT64_C(2) << 20)
#define SMALL_PAGES (SMALL_BYTES / BACKEND_PAGE)
#define SLACK_BYTES (UINT64_C(128) << 10) /* metadata of an empty store */

enum kind {
	KIND_ZERO,
	KIND_SAME_BYTE,
	KIND_SAME_32,
	KIND_SAME_64,
	KIND_TEXT,
	KIND_HALF,
	KIND_MOSTLY_RANDOM,
	KIND_RANDOM,
	KIND_MAX,
};

struct stored {
	bool alive;
	enum kind kind;
	uint64_t number;
	uint64_t handle;
};

static struct stored stored[NPAGES];

static const struct backend_ops *ops; /* of the entry under test */

static void
fill_random(uint8_t *p, size_t n, uint64_t x)
{
	size_t i;

	for (i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = (uint8_t)(x >> 32);
	}
}

static void
fill_words(uint8_t *page, uint64_t word, size_t size)
{
	size_t i;

	for (i = 0; i < BACKEND_PAGE; i += size)
		memcpy(page + i, &word, size);
}

/* => the page that kind and number stand for */
static void
make_page(uint8_t *page, enum kind kind, uint64_t number)
{
	const uint64_t word = number * UINT64_C(0x9e3779b97f4a7c15) | 1;
	size_t i, n;

	memset(page, 0, BACKEND_PAGE);
	switch (kind) {
	case KIND_SAME_BYTE:
		memset(page, (int)(number | 1), BACKEND_PAGE);
		break;
	case KIND_SAME_32:
		fill_words(page, word, sizeof(uint32_t));
		break;
	case KIND_SAME_64:
		fill_words(page, word, sizeof(uint64_t));
		break;
	case KIND_TEXT:
		for (i = 0; i < BACKEND_PAGE; i += 16)
			snprintf((char *)page + i, 16, "line %08" PRIx64,
			    word * i >> 40);
		break;
	case KIND_HALF:
		fill_random(page, BACKEND_PAGE / 2, word);
		break;
	case KIND_MOSTLY_RANDOM:
		n = BACKEND_PAGE - 1 - (size_t)(number % 1024);
		fill_random(page, n, word);
		break;
	case KIND_RANDOM:
		fill_random(page, BACKEND_PAGE, word);
		break;
	default:
		break;
	}
}

static struct backend *
open_with(const char *args)
{
	char spec[64], err[128];
	struct backend *b;

	snprintf(spec, sizeof(spec), "%s%s%s", ops->name,
	    *args == '\0' ? "" : ":", args);
	CHECK(backend_open(spec, &b, err, sizeof(err)) == 0);
	CHECK(strcmp(backend_name(b), ops->name) == 0);
	memset(stored, 0, sizeof(stored));
	return b;
}

static int
store_as(struct backend *b, struct stored *s, enum kind kind)
{
	uint8_t page[BACKEND_PAGE], room[PACK_MAX];
	struct packed p;
	int r;

	s->kind = kind;
	s->number = test_random();
	make_page(page, kind, s->number);
	pack_page(page, room, &p);
	r = backend_store(b, &p, (uint32_t)(s - stored) + 1, &s->handle);
	s->alive = r == 0;
	CHECK(!s->alive || s->handle <= BACKEND_HANDLE_MAX);
	return r;
}

static int
load(struct backend *b, uint64_t handle, void *page)
{
	struct packed p;
	int r = backend_peek(b, handle, &p);

	return r < 0 ? r : unpack_page(&p, page);
}

static enum kind
random_kind(void)
{
	return (enum kind)test_random_below(KIND_MAX);
}

static void
check_page(struct backend *b, const struct stored *s)
{
	uint8_t expected[BACKEND_PAGE], page[BACKEND_PAGE];

	make_page(expected, s->kind, s->number);
	memset(page, 0x5a, sizeof(page));
	CHECK(load(b, s->handle, page) == 0);
	CHECK(memcmp(page, expected, sizeof(page)) == 0);
	CHECK(backend_same(b, s->handle, expected) == 1);
	expected[test_random_below(BACKEND_PAGE)] ^= 1;
	CHECK(backend_same(b, s->handle, expected) == 0);
}

static void
check_all(struct backend *b)
{
	struct backend_stats st;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < NPAGES; i++) {
		if (!stored[i].alive)
			continue;
		check_page(b, &stored[i]);
		n++;
	}
	backend_stats(b, &st);
	CHECK(st.pages == n);
	CHECK(st.stores - st.frees == n);
	CHECK(st.same_filled + st.incompressible <= n);
	CHECK(st.stored_bytes <= st.used_bytes);
}

static void
drop(struct backend *b, struct stored *s)
{
	backend_free(b, s->handle);
	s->alive = false;
}

/* => of one in so many */
static void
drop_some(struct backend *b, uint64_t one_in)
{
	size_t i;

	for (i = 0; i < NPAGES; i++) {
		if (stored[i].alive && test_random_below(one_in) == 0)
			drop(b, &stored[i]);
	}
}

/* => shared memory mapped and resident: where stores in memory keep pages */
static uint64_t
resident_shmem(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f;

	f = fopen("/proc/self/status", "re");
	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "RssShmem: %llu kB", &kib) == 1)
			break;
	}
	fclose(f);
	return kib * 1024;
}

static void
check_empty(struct backend *b)
{
	struct backend_stats st;

	backend_stats(b, &st);
	CHECK(st.pages == 0);
	CHECK(st.same_filled == 0);
	CHECK(st.incompressible == 0);
	CHECK(st.stored_bytes == 0);
	CHECK(st.used_bytes <= SLACK_BYTES);
	CHECK(resident_shmem() <= SLACK_BYTES);
}

static void
run_kinds(void)
{
	struct backend *b = open_with("");
	struct backend_stats st;
	enum kind kind;
	size_t i;

	for (kind = 0; kind < KIND_MAX; kind++) {
		for (i = 0; i < NPAGES; i++)
			CHECK(store_as(b, &stored[i], kind) == 0);
		check_all(b);
		backend_stats(b, &st);
		printf("# %s: kind %d: stored %" PRIu64 ", used %" PRIu64
		       " bytes a page\n",
		    ops->name, (int)kind, st.stored_bytes / NPAGES,
		    st.used_bytes / NPAGES);
		drop_some(b, 1);
		check_empty(b);
	}
	backend_close(b);
}

static void
run_random(void)
{
	struct backend *b = open_with("");
	struct stored *s;
	int i;

	for (i = 0; i < 20000; i++) {
		s = &stored[test_random_below(NPAGES)];
		if (!s->alive) {
			CHECK(store_as(b, s, random_kind()) == 0);
			continue;
		}
		check_page(b, s);
		if (test_random_below(3) == 0)
			drop(b, s);
	}
	check_all(b);
	drop_some(b, 1);
	check_empty(b);
	backend_close(b);
}

/* => stores pages until there is no room; returns how many */
static uint64_t
fill_up(struct backend *b, bool mixed)
{
	struct backend_stats st;
	uint64_t n = 0, errors;
	size_t i;
	int r;

	backend_stats(b, &st);
	errors = st.errors;
	for (i = 0; i < NPAGES; i++) {
		if (stored[i].alive)
			continue;
		r = store_as(b, &stored[i],
		    mixed ? random_kind() : KIND_RANDOM);
		CHECK(r == 0 || r == -ENOSPC);
		if (r < 0)
			break;
		n++;
		backend_stats(b, &st);
		CHECK(st.used_bytes <= st.capacity_bytes);
	}
	CHECK(i < NPAGES);
	backend_stats(b, &st);
	CHECK(st.errors == errors + 1);
	CHECK(st.capacity_bytes == SMALL_BYTES);
	return n;
}

static void
run_capacity(void)
{
	struct backend *b = open_with("2M");
	struct backend_stats st;
	uint64_t n;
	int round;

	for (round = 0; round < 10; round++) {
		n = fill_up(b, round % 2 == 1);
		CHECK(round > 0 || n >= SMALL_PAGES - SMALL_PAGES / 10);
		backend_stats(b, &st);
		CHECK(st.used_bytes >= SMALL_BYTES - SMALL_BYTES / 10);
		CHECK(resident_shmem() <= SMALL_BYTES + SLACK_BYTES);
		check_all(b);
		drop_some(b, 1 + test_random_below(3));
		check_all(b);
	}
	drop_some(b, 1);
	check_empty(b);
	n = fill_up(b, false);
	CHECK(n >= SMALL_PAGES - SMALL_PAGES / 10);
	backend_close(b);
}

static void
run_bad_handles(void)
{
	struct backend *b = open_with("2M");
	uint8_t page[BACKEND_PAGE];
	struct backend_stats st;
	uint64_t h;
	int i, n = 0;

	for (i = 0; i < 20; i++)
		CHECK(store_as(b, &stored[i], KIND_HALF + i % 3) == 0);
	for (i = 0; i < 20; i += 2)
		drop(b, &stored[i]);
	/* What was freed is not there, and is not somebody else's. */
	for (i = 0; i < 20; i += 2)
		CHECK(load(b, stored[i].handle, page) == -EIO);
	/* Below the top bit, where a handle may be data. */
	for (i = 0; i < 10000; i++) {
		h = test_random() >> (9 + test_random_below(55));
		n += load(b, h, page) == -EIO;
	}
	CHECK(n > 1000);
	backend_stats(b, &st);
	CHECK(st.errors == (uint64_t)n + 10);
	check_all(b);
	backend_close(b);
}

/* => the memfd of that name, open in this process */
static int
find_memfd(const char *name)
{
	char path[64], target[128];
	ssize_t n;
	int fd;

	for (fd = 3; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strstr(target, name) != NULL)
			return fd;
	}
	return -1;
}

/* Damaged bytes give an error or wrong bytes, never more than a page. */
static void
test_damage(void)
{
	const off_t unit = 64; /* of the handles of objects */
	uint8_t page[BACKEND_PAGE + 1], junk[1024];
	struct backend *b;
	int fd, i, n = 0;

	ops = backend_list[0];
	CHECK(strcmp(ops->name, "ram") == 0);
	b = open_with("");
	fd = find_memfd("memfd:pagerd-ram");
	CHECK(fd >= 0);
	for (i = 0; i < 1000; i++) {
		CHECK(store_as(b, &stored[i], KIND_HALF) == 0);
		fill_random(junk, sizeof(junk), test_random() | 1);
		CHECK(pwrite(fd, junk, sizeof(junk),
			  (off_t)stored[i].handle * unit + 2) == sizeof(junk));
		page[BACKEND_PAGE] = 0x5a;
		n += load(b, stored[i].handle, page) == -EIO;
		CHECK(page[BACKEND_PAGE] == 0x5a);
	}
	CHECK(n > 900);
	drop_some(b, 1);
	check_empty(b);
	backend_close(b);
}

static void
run_bad_args(void)
{
	static const char *const bad[] = { "0", "-1", "lots", "1M,", "1M:" };
	char spec[64], err[128];
	struct backend *b = NULL;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(spec, sizeof(spec), "%s:%s", ops->name, bad[i]);
		err[0] = '\0';
		CHECK(backend_open(spec, &b, err, sizeof(err)) == -EINVAL);
		CHECK(strstr(err, bad[i]) != NULL);
		CHECK(strchr(err, '\n') == NULL);
	}
	CHECK(b == NULL);
	snprintf(spec, sizeof(spec), "%s:", ops->name);
	CHECK(backend_open(spec, &b, err, sizeof(err)) == 0);
	backend_close(b);
	backend_close(NULL);
}

static void
test_unknown(void)
{
	static const char *const bad[] = { "", ":", "rams", "ra", "RAM:1M" };
	struct backend *b = NULL;
	char err[128];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err[0] = '\0';
		CHECK(backend_open(bad[i], &b, err, sizeof(err)) == -EINVAL);
		CHECK(err[0] != '\0' && b == NULL);
	}
}

static void
each(void (*run)(void))
{
	size_t i;

	for (i = 0; backend_list[i] != NULL; i++) {
		ops = backend_list[i];
		printf("# %s\n", ops->name);
		CHECK(ops->help != NULL);
		run();
	}
	/* A suite that looked at nothing has not passed. */
	CHECK(i > 0);
}

static void
test_kinds(void)
{
	each(run_kinds);
}

static void
test_random_order(void)
{
	each(run_random);
}

static void
test_capacity(void)
{
	each(run_capacity);
}

static void
test_bad_handles(void)
{
	each(run_bad_handles);
}

static void
test_bad_args(void)
{
	each(run_bad_args);
}

static const struct test tests[] = {
	{ "kinds of pages", test_kinds },
	{ "random order", test_random_order },
	{ "capacity", test_capacity },
	{ "bad handles", test_bad_handles },
	{ "damage", test_damage },
	{ "bad arguments", test_bad_args },
	{ "unknown names", test_unknown },
};

TEST_MAIN(tests)
