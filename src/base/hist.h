/*
 * hist.h: how long something took, in logarithmic buckets
 *
 * Each power of two has 16 buckets of the same width, and values below 32
 * have one each, so that a quantile is too high by less than 1/16.  There is
 * a bucket for every value.
 *
 * => pure, and as many bytes whatever is added
 */
#ifndef HIST_H
#define HIST_H

#include <stddef.h>
#include <stdint.h>

#define HIST_SUB_BITS 4
#define HIST_BUCKETS ((64 - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

struct hist {
	uint64_t buckets[HIST_BUCKETS];
	uint64_t count, sum, max;
};

void hist_add(struct hist *, uint64_t value);
void hist_merge(struct hist *, const struct hist *from);

uint64_t hist_mean(const struct hist *); /* => 0 if there is none */
/*
 * hist_quantile: as many of 1000 values are not above it, or more
 *
 * => permille: at most 1000; 0 if there is no value
 */
uint64_t hist_quantile(const struct hist *, unsigned int permille);

/* => the largest value that counts there; it is of bucket index */
uint64_t hist_upper(size_t index);

#endif
