/*
 * test.h: what every unit test needs
 *
 * A test program is a list of named functions that CHECK() something; it
 * speaks TAP.  Random tests draw from test_random(): the seed is printed, and
 * comes from the environment (TEST_SEED) when a run is to be repeated.
 */
#ifndef TEST_H
#define TEST_H

#include <sys/random.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct test {
	const char *name;
	void (*run)(void);
};

struct test_state {
	const char *name; /* of the running test */
	size_t number;
	uint64_t random;
};

static struct test_state test_state;

/* The first failure ends the program: TAP's plan tells what did not run. */
#define CHECK(e)                                                               \
	do {                                                                   \
		if (!(e))                                                      \
			test_failed(#e, __FILE__, __LINE__);                   \
	} while (0)

__attribute__((unused)) static _Noreturn void
test_failed(const char *expr, const char *file, int line)
{
	printf("# %s:%d: %s\n", file, line, expr);
	printf("not ok %zu - %s\n", test_state.number, test_state.name);
	fflush(stdout);
	exit(1);
}

/* => splitmix64 */
static inline uint64_t
test_random(void)
{
	uint64_t z = test_state.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* => in [0, n) */
static inline uint64_t
test_random_below(uint64_t n)
{
	return test_random() % n;
}

static inline void
test_seed(void)
{
	const char *text = getenv("TEST_SEED");
	uint64_t seed;

	if (text != NULL)
		seed = strtoull(text, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		abort();
	printf("# TEST_SEED=0x%" PRIx64 "\n", seed);
	test_state.random = seed;
}

static inline int
test_run_all(const struct test *tests, size_t n)
{
	size_t i;

	printf("1..%zu\n", n);
	test_seed();
	for (i = 0; i < n; i++) {
		test_state.name = tests[i].name;
		test_state.number = i + 1;
		/* What an assertion or a sanitizer ends is not forgotten. */
		fflush(stdout);
		tests[i].run();
		printf("ok %zu - %s\n", i + 1, tests[i].name);
	}
	return 0;
}

/* => list is an array of struct test */
#define TEST_MAIN(list)                                                        \
	int main(void)                                                         \
	{                                                                      \
		return test_run_all(list, sizeof(list) / sizeof((list)[0]));   \
	}

#endif
