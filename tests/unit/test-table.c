/*
 * test-table.c: records keep their place, and outlive who wrote them
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "table.h"
#include "test.h"

#define CAPACITY 1000
#define HUGE_CAPACITY (UINT32_C(1) << 28)

struct record {
	uint64_t id; /* 0: free */
	uint64_t inverse;
	uint64_t padding;
};

static bool
in_use(const void *record)
{
	const struct record *r = record;

	return r->id != 0;
}

static void
open_new(struct table *t, uint32_t capacity)
{
	CHECK(table_open(t, "test", -1, sizeof(struct record), capacity,
		  NULL) == 0);
}

static uint64_t
memfd_bytes(const struct table *t)
{
	struct stat st;

	CHECK(fstat(t->fd, &st) == 0);
	return (uint64_t)st.st_blocks * 512;
}

static void
test_fill(void)
{
	struct table t;
	uint32_t i, index;

	open_new(&t, CAPACITY);
	CHECK(table_high(&t) == 1);
	for (i = 1; i < CAPACITY; i++) {
		CHECK(table_alloc(&t, &index) == 0);
		CHECK(index == i);
		CHECK(t.used == i);
	}
	index = 12345;
	CHECK(table_alloc(&t, &index) == -ENOSPC);
	CHECK(index == 12345);
	table_free(&t, 17);
	CHECK(table_alloc(&t, &index) == 0 && index == 17);
	table_close(&t);
	table_close(&t);
}

static void
test_zeroed(void)
{
	static const struct record zero;
	struct table t;
	uint32_t other, index;

	open_new(&t, CAPACITY);
	CHECK(table_alloc(&t, &other) == 0);
	CHECK(table_alloc(&t, &index) == 0);
	table_free(&t, other);
	memset(table_at(&t, index), 0xff, sizeof(struct record));
	t.aux[index] = 99;
	table_free(&t, index);
	CHECK(memcmp(table_at(&t, index), &zero, sizeof(zero)) == 0);
	CHECK(table_alloc(&t, &index) == 0);
	CHECK(memcmp(table_at(&t, index), &zero, sizeof(zero)) == 0);
	CHECK(t.aux[index] == 0);
	table_close(&t);
}

static void
test_memory(void)
{
	struct table t;
	struct record *r;
	uint32_t i, index;

	open_new(&t, HUGE_CAPACITY);
	CHECK(memfd_bytes(&t) == 4096);
	CHECK(table_bytes(&t) == 4096);
	for (i = 0; i < 10000; i++) {
		CHECK(table_alloc(&t, &index) == 0);
		r = table_at(&t, index);
		r->id = 1;
		t.aux[index] = 1;
	}
	CHECK(table_bytes(&t) >= memfd_bytes(&t) + 10000 * sizeof(uint32_t));
	CHECK(table_bytes(&t) < memfd_bytes(&t) + 12000 * sizeof(uint32_t));
	table_close(&t);
}

static void
change_at_random(struct table *t, uint64_t *oracle, int steps)
{
	struct record *r;
	uint32_t index;

	for (; steps > 0; steps--) {
		index = 1 + (uint32_t)test_random_below(CAPACITY - 1);
		if (oracle[index] != 0) {
			r = table_at(t, index);
			CHECK(r->id == oracle[index]);
			CHECK(r->inverse == ~r->id);
			table_free(t, index);
			oracle[index] = 0;
		} else if (table_alloc(t, &index) == 0) {
			CHECK(index != 0 && oracle[index] == 0);
			r = table_at(t, index);
			oracle[index] = r->id = test_random() | 1;
			r->inverse = ~r->id;
		}
	}
}

static void
compare(const struct table *t, const uint64_t *oracle)
{
	const struct record *r;
	uint32_t i, n = 0;

	for (i = 1; i < CAPACITY; i++) {
		if (oracle[i] == 0)
			continue;
		CHECK(i < table_high(t));
		r = table_at(t, i);
		CHECK(r->id == oracle[i] && r->inverse == ~r->id);
		n++;
	}
	CHECK(t->used == n);
}

static void
test_reopen(void)
{
	uint64_t oracle[CAPACITY] = { 0 };
	struct table t;
	int fd, round;

	open_new(&t, CAPACITY);
	for (round = 0; round < 50; round++) {
		change_at_random(&t, oracle, 300);
		compare(&t, oracle);
		fd = fcntl(t.fd, F_DUPFD_CLOEXEC, 0);
		CHECK(fd >= 0);
		table_close(&t);
		CHECK(table_open(&t, "test", fd, sizeof(struct record),
			  CAPACITY, in_use) == 0);
		compare(&t, oracle);
	}
	table_close(&t);
}

static void
test_reopen_half_freed(void)
{
	struct table t;
	struct record *r;
	uint32_t index;
	int fd;

	open_new(&t, CAPACITY);
	CHECK(table_alloc(&t, &index) == 0);
	r = table_at(&t, index);
	r->padding = 1;
	fd = fcntl(t.fd, F_DUPFD_CLOEXEC, 0);
	table_close(&t);
	CHECK(table_open(&t, "test", fd, sizeof(*r), CAPACITY, in_use) == 0);
	CHECK(t.used == 0);
	CHECK(table_alloc(&t, &index) == 0 && index == 1);
	r = table_at(&t, index);
	CHECK(r->padding == 0);
	table_close(&t);
}

static void
refuse(struct table *from, size_t record_size, uint32_t capacity)
{
	struct table t;
	int fd;

	fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 0);
	CHECK(fd >= 0);
	CHECK(table_open(&t, "test", fd, record_size, capacity, in_use) ==
	      -EPROTO);
	CHECK(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
	table_close(&t);
}

static void
test_refuse(void)
{
	const size_t size = sizeof(struct record);
	struct table t;

	open_new(&t, CAPACITY);
	refuse(&t, size + 8, CAPACITY);
	refuse(&t, size, CAPACITY + 1);
	refuse(&t, size, 2 * CAPACITY);
	*(uint64_t *)(void *)t.header ^= 1;
	refuse(&t, size, CAPACITY);
	table_close(&t);
}

static void
test_close_zeroed(void)
{
	struct table t = { 0 };

	table_close(&t);
	CHECK(fcntl(0, F_GETFD) >= 0 || errno == EBADF);
}

static const struct test tests[] = {
	{ "fill", test_fill },
	{ "zeroed", test_zeroed },
	{ "memory is touched as it is used", test_memory },
	{ "reopen", test_reopen },
	{ "reopen after a death in table_free", test_reopen_half_freed },
	{ "refuse another table", test_refuse },
	{ "close a zeroed table", test_close_zeroed },
};

TEST_MAIN(tests)
