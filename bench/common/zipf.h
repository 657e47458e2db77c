/*
 * zipf.h: a few items are wanted often, most of them seldom
 *
 * The item of rank k is chosen with a probability proportional to
 * 1 / (k + 1)^theta; which item has which rank is at random.  J. Gray and
 * others, Quickly Generating Billion-Record Synthetic Databases (1994).
 */
#ifndef ZIPF_H
#define ZIPF_H

#include <stddef.h>
#include <stdint.h>

#define ZIPF_THETA 0.99

struct zipf {
	size_t n;
	double zeta, alpha, eta;
	uint32_t *item_of; /* rank */
	uint64_t rng;
};

/* => n >= 3; the seed determines all that follows */
void zipf_init(struct zipf *, size_t n, uint64_t seed);
size_t zipf_next(struct zipf *);

#endif
