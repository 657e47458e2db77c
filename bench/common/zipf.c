/*
 * zipf.c: a few items are wanted often, most of them seldom
 */
#include "zipf.h"

#include <math.h>

#include "bench.h"

static double
zeta(size_t n)
{
	double sum = 0;

	for (size_t i = 1; i <= n; i++)
		sum += pow((double)i, -ZIPF_THETA);
	return sum;
}

void
zipf_init(struct zipf *z, size_t n, uint64_t seed)
{
	double zeta_n = zeta(n);

	*z = (struct zipf){ .n = n,
		.zeta = zeta_n,
		.alpha = 1 / (1 - ZIPF_THETA),
		.eta = (1 - pow(2 / (double)n, 1 - ZIPF_THETA)) /
		       (1 - zeta(2) / zeta_n),
		.item_of = bench_permutation(n, bench_mix(seed)),
		.rng = seed };
}

size_t
zipf_next(struct zipf *z)
{
	double u = (double)(bench_random(&z->rng) >> 11) * 0x1p-53;
	size_t rank;

	if (u * z->zeta < 1)
		rank = 0;
	else if (u * z->zeta < 1 + pow(0.5, ZIPF_THETA))
		rank = 1;
	else
		rank = (size_t)((double)z->n *
				pow(z->eta * u - z->eta + 1, z->alpha));
	return z->item_of[rank < z->n ? rank : z->n - 1];
}
