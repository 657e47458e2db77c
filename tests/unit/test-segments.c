/*
 * test-segments.c: objects of all lengths, in little room, and damaged
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "segments.h"
#include "test.h"

#define STORE_BYTES (UINT64_C(4) << 20)
#define NOBJECTS 20000

static uint64_t positions[NOBJECTS];
static char data[SEGMENT_PAGE];

static void
open_small(struct segments *s)
{
	CHECK(segments_open(s, "test", STORE_BYTES) == 0);
	memset(data, 'x', sizeof(data));
}

/* => puts objects of a length until there is no room; returns how many */
static uint32_t
fill_up(struct segments *s, uint32_t len)
{
	uint32_t n;

	for (n = 0; n < NOBJECTS; n++) {
		if (segments_put(s, data, len, &positions[n]) < 0)
			break;
		CHECK(positions[n] != 0);
	}
	CHECK(n < NOBJECTS);
	CHECK(s->used <= STORE_BYTES);
	return n;
}

static void
test_lengths(void)
{
	struct segments s;
	const void *p;
	uint64_t position;
	uint32_t len, got;

	open_small(&s);
	for (len = 1; len <= SEGMENT_OBJECT_MAX; len++) {
		data[0] = data[len - 1] = (char)len;
		CHECK(segments_put(&s, data, len, &position) == 0);
		p = segments_get(&s, position, &got);
		CHECK(p != NULL && got == len);
		CHECK(memcmp(p, data, len) == 0);
		CHECK(segments_free(&s, position) == len);
		CHECK(segments_get(&s, position, &got) == NULL);
	}
	CHECK(s.stored == 0);
	segments_close(&s);
}

/* Waste is at most a step an object, and what is left of its segment. */
static void
test_waste(void)
{
	static const uint32_t lens[] = { 300, 700, 1300, 2000, 2700, 3400 };
	struct segments s;
	uint32_t n;
	size_t i;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		open_small(&s);
		n = fill_up(&s, lens[i]);
		CHECK((uint64_t)n * (lens[i] + 66) * 33 / 32 + 131072 >=
		      STORE_BYTES);
		segments_close(&s);
	}
}

static void
test_gaps(void)
{
	struct segments s;
	uint64_t position;
	uint32_t n, i;

	open_small(&s);
	n = fill_up(&s, 3000);
	/* No segment gets empty: its room is there for smaller ones only. */
	for (i = 0; i < n; i += 2)
		segments_free(&s, positions[i]);
	for (i = 0; i < n; i += 2)
		CHECK(segments_put(&s, data, 100, &position) == 0);
	CHECK(segments_put(&s, data, 3500, &position) == -ENOSPC);
	CHECK(segments_put(&s, data, SEGMENT_PAGE, &position) == -ENOSPC);
	segments_close(&s);

	/* Whole pages have no length: nothing shorter goes there. */
	open_small(&s);
	n = fill_up(&s, SEGMENT_PAGE);
	segments_free(&s, positions[n / 2]);
	CHECK(segments_put(&s, data, 100, &position) == -ENOSPC);
	CHECK(segments_put(&s, data, SEGMENT_PAGE, &position) == 0);
	CHECK(position == positions[n / 2]);
	segments_close(&s);
}

static uint16_t *
head_of(const struct segments *s, uint64_t position)
{
	return (uint16_t *)(void *)(s->map + position * SEGMENT_STEP);
}

static void
test_damage(void)
{
	static const uint16_t bad[] = { 0, 1000 + 2 * SEGMENT_STEP, 0x7fff };
	struct segments s;
	uint64_t position, good;
	uint32_t len;
	size_t i;

	open_small(&s);
	CHECK(segments_put(&s, data, 1000, &good) == 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(segments_put(&s, data, 1000, &position) == 0);
		*head_of(&s, position) = bad[i];
		CHECK(segments_get(&s, position, &len) == NULL);
		/* Its page is lost, but not its room. */
		CHECK(segments_free(&s, position) == 0);
	}
	CHECK(segments_get(&s, good, &len) != NULL && len == 1000);
	CHECK(segments_free(&s, good) == 1000);
	segments_close(&s);
}

static sigjmp_buf aborted;

static void
leave_abort(int signo)
{
	siglongjmp(aborted, signo);
}

/*
 * => an assertion stops it before anything is changed; not in a child: what
 *    looks for leaks in a process that dies reads all of the reservation
 */
static void
free_must_abort(struct segments *s, uint64_t position)
{
	const int saved = dup(STDERR_FILENO);
	const int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);

	CHECK(signal(SIGABRT, leave_abort) != SIG_ERR);
	CHECK(dup2(quiet, STDERR_FILENO) >= 0);
	if (sigsetjmp(aborted, 1) == 0) {
		segments_free(s, position);
		test_failed("freed twice", __FILE__, __LINE__);
	}
	CHECK(dup2(saved, STDERR_FILENO) >= 0);
	CHECK(signal(SIGABRT, SIG_DFL) != SIG_ERR);
	close(quiet);
	close(saved);
}

static void
test_free_twice(void)
{
	static const uint32_t lens[] = { 1000, SEGMENT_PAGE };
	struct segments s;
	size_t i;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		open_small(&s);
		CHECK(segments_put(&s, data, lens[i], &positions[0]) == 0);
		CHECK(segments_put(&s, data, lens[i], &positions[1]) == 0);
		segments_free(&s, positions[0]);
		free_must_abort(&s, positions[0]);
		segments_close(&s);
	}
}

static const struct test tests[] = {
	{ "lengths", test_lengths },
	{ "waste", test_waste },
	{ "gaps", test_gaps },
	{ "damage", test_damage },
	{ "free twice", test_free_twice },
};

TEST_MAIN(tests)
