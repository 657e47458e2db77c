/*
 * pace.h: how long the watch may look away from a group
 *
 * Pure.  Memory cannot be touched faster than PACE_BYTES_PER_S, so a group
 * that is some distance below a mark cannot pass it sooner than that distance
 * takes; and one that did not move may be left alone for longer.
 */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_BYTES_PER_S (UINT64_C(8) << 30) /* huge pages, or threads */
#define PACE_MIN_MS 1u
#define PACE_MAX_MS 1000u
#define PACE_BACKOFF_MAX 2u

struct pace {
	unsigned int backoff; /* 0 before the first sample */
};

/*
 * => pages to the next mark (<= 0: passed); moved: usage changed since the
 *    last sample; close: never back off; returns milliseconds
 */
uint64_t pace_next(struct pace *, int64_t pages, bool moved, bool close);

#endif
