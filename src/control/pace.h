/*
 * pace.h: how long the watch may look away from a group
 *
 * Pure.  A group that is some distance below a mark cannot pass it sooner than
 * filling that distance takes: at PACE_BYTES_PER_S, or twice as fast as it was
 * seen to fill memory of late (huge pages, several threads).  One that did not
 * move may be left alone for longer.
 */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_BYTES_PER_S (UINT64_C(2) << 30)
#define PACE_FORGET_US 2000000u
#define PACE_MIN_MS 1u
#define PACE_MAX_MS 1000u
#define PACE_BACKOFF_MAX 2u

struct pace {
	unsigned int backoff; /* 0 before the first sample */
	uint64_t fastest;     /* growth of late, bytes a second */
};

/* => it grew at that rate for so many microseconds */
void pace_saw(struct pace *, uint64_t bytes_per_s, uint64_t us);

/*
 * => pages to the next mark (<= 0: passed); moved: usage changed since the
 *    last sample; close: never back off; returns milliseconds
 */
uint64_t pace_next(struct pace *, int64_t pages, bool moved, bool close);

#endif
