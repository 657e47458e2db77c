/*
 * test-hist.c: buckets, and what they tell of the values that they stand for
 */
#include <string.h>

#include "hist.h"
#include "test.h"

#define SUB (1u << HIST_SUB_BITS)
#define VALUES 5000u

static struct hist a, b, both;

/* => the bucket that value counts in */
static size_t
bucket_of(uint64_t value)
{
	size_t i = 0;

	memset(&a, 0, sizeof(a));
	hist_add(&a, value);
	while (a.buckets[i] == 0)
		i++;
	CHECK(a.buckets[i] == 1 && a.count == 1);
	CHECK(a.sum == value && a.max == value);
	return i;
}

/* As many bits as any, so that all magnitudes are as likely. */
static uint64_t
some_value(void)
{
	return test_random() >> test_random_below(64);
}

static void
test_bounds(void)
{
	uint64_t lower = 0;

	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		uint64_t upper = hist_upper(i);

		CHECK(upper >= lower);
		CHECK(bucket_of(lower) == i && bucket_of(upper) == i);
		/* Exact where it can be, and else within a sixteenth. */
		CHECK(lower >= 2 * SUB || upper == lower);
		CHECK((upper - lower) <= lower / SUB);
		lower = upper + 1;
	}
	/* The last one ended with the largest value that there is. */
	CHECK(lower == 0);
}

static void
test_nothing(void)
{
	memset(&a, 0, sizeof(a));
	CHECK(hist_mean(&a) == 0);
	CHECK(hist_quantile(&a, 0) == 0 && hist_quantile(&a, 1000) == 0);
}

static void
test_extremes(void)
{
	memset(&a, 0, sizeof(a));
	hist_add(&a, 0);
	CHECK(hist_quantile(&a, 1000) == 0 && a.max == 0);
	hist_add(&a, UINT64_MAX);
	CHECK(hist_quantile(&a, 0) == 0);
	CHECK(hist_quantile(&a, 500) == 0);
	CHECK(hist_quantile(&a, 501) == UINT64_MAX);
	CHECK(hist_quantile(&a, 1000) == UINT64_MAX && a.max == UINT64_MAX);
}

static int
ascending(const void *x, const void *y)
{
	const uint64_t *p = x, *q = y;

	return (*p > *q) - (*p < *q);
}

static void
test_quantiles(void)
{
	static uint64_t values[VALUES];
	uint64_t n = 1 + test_random_below(VALUES), sum = 0;

	memset(&a, 0, sizeof(a));
	for (uint64_t i = 0; i < n; i++) {
		values[i] = some_value() >> 16; /* their sum is a number */
		sum += values[i];
		hist_add(&a, values[i]);
	}
	qsort(values, n, sizeof(values[0]), ascending);
	CHECK(a.count == n && a.max == values[n - 1]);
	CHECK(hist_mean(&a) == sum / n);
	for (unsigned int permille = 0; permille <= 1000; permille++) {
		uint64_t rank = (n * permille + 999) / 1000;
		uint64_t exact = values[rank > 0 ? rank - 1 : 0];
		uint64_t told = hist_quantile(&a, permille);

		CHECK(told >= exact && told - exact <= exact / SUB);
		CHECK(told <= a.max);
	}
}

static void
test_merge(void)
{
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	memset(&both, 0, sizeof(both));
	for (unsigned int i = 0; i < VALUES; i++) {
		uint64_t value = some_value();

		hist_add(test_random_below(3) == 0 ? &a : &b, value);
		hist_add(&both, value);
	}
	hist_merge(&a, &b);
	CHECK(memcmp(&a, &both, sizeof(a)) == 0);
	memset(&b, 0, sizeof(b));
	hist_merge(&a, &b);
	CHECK(memcmp(&a, &both, sizeof(a)) == 0);
	hist_merge(&b, &a);
	CHECK(memcmp(&b, &both, sizeof(b)) == 0);
}

static const struct test tests[] = {
	{ "bounds of buckets", test_bounds },
	{ "no values", test_nothing },
	{ "extremes", test_extremes },
	{ "quantiles", test_quantiles },
	{ "merging", test_merge },
};

TEST_MAIN(tests)
