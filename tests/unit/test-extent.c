/*
 * test-extent.c: runs against a map with one byte for each unit
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "extent.h"
#include "test.h"

#define NUNITS 600

struct model {
	struct extents *x;
	bool used[NUNITS];
};

static void
model_new(struct model *m, uint32_t max_nodes)
{
	memset(m, 0, sizeof(*m));
	CHECK(extents_new(NUNITS, max_nodes, &m->x) == 0);
}

/* => length of the run of units like the one at pos */
static uint64_t
run_length(const struct model *m, uint64_t pos)
{
	uint64_t n = 1;

	while (pos + n < NUNITS && m->used[pos + n] == m->used[pos])
		n++;
	return n;
}

static void
model_set(struct model *m, uint64_t pos, uint64_t n, bool used)
{
	uint64_t i;

	CHECK(pos <= NUNITS && n <= NUNITS - pos);
	for (i = pos; i < pos + n; i++) {
		CHECK(m->used[i] != used);
		m->used[i] = used;
	}
}

static uint64_t
model_used(const struct model *m)
{
	uint64_t i, n = 0;

	for (i = 0; i < NUNITS; i++)
		n += m->used[i];
	return n;
}

/* => position of the best fit at the lowest address, or NUNITS */
static uint64_t
model_best(const struct model *m, uint64_t n)
{
	uint64_t best = NUNITS, best_n = NUNITS + 1, pos, len;

	for (pos = 0; pos < NUNITS; pos += len) {
		len = run_length(m, pos);
		if (!m->used[pos] && len >= n && len < best_n) {
			best = pos;
			best_n = len;
		}
	}
	return best;
}

static void
step_alloc(struct model *m)
{
	uint64_t n = 1 + test_random_below(40), pos = NUNITS;
	uint64_t best = model_best(m, n);

	if (best == NUNITS) {
		CHECK(extents_alloc(m->x, n, &pos) == -ENOSPC);
		return;
	}
	CHECK(extents_alloc(m->x, n, &pos) == 0);
	CHECK(pos == best);
	model_set(m, pos, n, true);
}

static void
step_free(struct model *m)
{
	uint64_t pos = test_random_below(NUNITS), n;

	if (!m->used[pos])
		return;
	n = 1 + test_random_below(run_length(m, pos));
	extents_free(m->x, pos, n);
	model_set(m, pos, n, false);
}

static void
step_grow(struct model *m)
{
	uint64_t end = test_random_below(NUNITS), n;

	n = 1 + test_random_below(20);
	if (end == 0 || !m->used[end - 1])
		return;
	if (m->used[end] || run_length(m, end) < n) {
		CHECK(extents_grow(m->x, end, n) == -ENOSPC);
		return;
	}
	CHECK(extents_grow(m->x, end, n) == 0);
	model_set(m, end, n, true);
}

static void
step_reserve(struct model *m)
{
	uint64_t pos = test_random_below(NUNITS), n;

	n = 1 + test_random_below(20);
	if (m->used[pos] || run_length(m, pos) < n) {
		CHECK(extents_reserve(m->x, pos, n) == -EEXIST);
		return;
	}
	CHECK(extents_reserve(m->x, pos, n) == 0);
	model_set(m, pos, n, true);
}

static void
test_random_steps(void)
{
	static void (*const step[])(struct model *) = {
		step_alloc,
		step_free,
		step_free,
		step_grow,
		step_reserve,
	};
	struct model m;
	int i;

	model_new(&m, NUNITS);
	for (i = 0; i < 50000; i++) {
		step[test_random_below(sizeof(step) / sizeof(step[0]))](&m);
		if (i % 16 == 0)
			CHECK(extents_used(m.x) == model_used(&m));
	}
	CHECK(extents_leaked(m.x) == 0);
	extents_delete(m.x);
}

static void
test_coalesce(void)
{
	struct model m;
	uint64_t i, pos;

	model_new(&m, NUNITS);
	CHECK(extents_alloc(m.x, NUNITS, &pos) == 0 && pos == 0);
	CHECK(extents_alloc(m.x, 1, &pos) == -ENOSPC);
	for (i = 0; i < NUNITS; i += 2)
		extents_free(m.x, i, 1);
	CHECK(extents_alloc(m.x, 2, &pos) == -ENOSPC);
	for (i = 1; i < NUNITS; i += 2)
		extents_free(m.x, i, 1);
	CHECK(extents_used(m.x) == 0);
	CHECK(extents_alloc(m.x, NUNITS, &pos) == 0 && pos == 0);
	extents_delete(m.x);
}

static void
test_leak(void)
{
	struct model m;
	uint64_t i, pos;

	model_new(&m, 4);
	CHECK(extents_alloc(m.x, NUNITS, &pos) == 0);
	for (i = 0; i < 20; i += 2)
		extents_free(m.x, i, 1);
	CHECK(extents_leaked(m.x) == 6);
	CHECK(extents_used(m.x) == NUNITS - 10);
	/* What was leaked is not handed out again; the rest works on. */
	for (i = 0; i < 4; i++)
		CHECK(extents_alloc(m.x, 1, &pos) == 0 && pos == 2 * i);
	CHECK(extents_alloc(m.x, 1, &pos) == -ENOSPC);
	CHECK(extents_reserve(m.x, 8, 1) == -EEXIST);
	extents_delete(m.x);
}

static void
test_leak_in_reserve(void)
{
	struct model m;

	model_new(&m, 1);
	CHECK(extents_reserve(m.x, 100, 10) == 0);
	CHECK(extents_leaked(m.x) == 100);
	CHECK(extents_used(m.x) == 10);
	CHECK(extents_grow(m.x, 110, NUNITS - 110) == 0);
	extents_delete(m.x);

	model_new(&m, 1);
	CHECK(extents_reserve(m.x, NUNITS - 20, 10) == 0);
	CHECK(extents_leaked(m.x) == 10);
	CHECK(extents_reserve(m.x, 0, NUNITS - 20) == 0);
	extents_delete(m.x);
}

static void
test_edges(void)
{
	struct extents *x;
	uint64_t pos;

	extents_delete(NULL);
	CHECK(extents_new(UINT64_MAX, 8, &x) == 0);
	CHECK(extents_reserve(x, 0, 0) == 0);
	CHECK(extents_reserve(x, UINT64_MAX, 1) == -EEXIST);
	CHECK(extents_reserve(x, UINT64_MAX - 1, UINT64_MAX) == -EEXIST);
	CHECK(extents_reserve(x, UINT64_MAX - 1, 1) == 0);
	CHECK(extents_alloc(x, UINT64_MAX, &pos) == -ENOSPC);
	CHECK(extents_alloc(x, UINT64_MAX - 1, &pos) == 0 && pos == 0);
	extents_free(x, 0, UINT64_MAX);
	CHECK(extents_used(x) == 0);
	extents_delete(x);
}

static const struct test tests[] = {
	{ "random steps", test_random_steps },
	{ "coalesce", test_coalesce },
	{ "leak in free", test_leak },
	{ "leak in reserve", test_leak_in_reserve },
	{ "edges", test_edges },
};

TEST_MAIN(tests)
