/*
 * hist.c: how long something took, in logarithmic buckets
 */
#include "hist.h"

#include "assert.h"

#define SUB (1u << HIST_SUB_BITS)

/*
 * Below SUB a value is its own bucket.  Above, the first SUB_BITS bits after
 * the highest one that is set choose the bucket within their power of two.
 */
static size_t
bucket_of(uint64_t value)
{
	unsigned int shift;

	if (value < SUB)
		return value;
	shift = 63u - (unsigned int)__builtin_clzll(value) - HIST_SUB_BITS;
	return ((shift + 1) << HIST_SUB_BITS) + ((value >> shift) & (SUB - 1));
}

uint64_t
hist_upper(size_t index)
{
	size_t shift;

	ASSERT(index < HIST_BUCKETS);
	if (index < SUB)
		return index;
	shift = (index >> HIST_SUB_BITS) - 1;
	return (((SUB | (index & (SUB - 1))) + UINT64_C(1)) << shift) - 1;
}

void
hist_add(struct hist *h, uint64_t value)
{
	h->buckets[bucket_of(value)]++;
	h->count++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
}

void
hist_merge(struct hist *h, const struct hist *from)
{
	for (size_t i = 0; i < HIST_BUCKETS; i++)
		h->buckets[i] += from->buckets[i];
	h->count += from->count;
	h->sum += from->sum;
	if (from->max > h->max)
		h->max = from->max;
}

uint64_t
hist_mean(const struct hist *h)
{
	return h->count == 0 ? 0 : h->sum / h->count;
}

uint64_t
hist_quantile(const struct hist *h, unsigned int permille)
{
	uint64_t wanted, seen = 0;

	ASSERT(permille <= 1000);
	wanted = (h->count * permille + 999) / 1000;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= wanted && seen > 0)
			return hist_upper(i) < h->max ? hist_upper(i) : h->max;
	}
	return h->max;
}
