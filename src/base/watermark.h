/*
 * watermark.h: the marks that follow from a group's limit, in one place
 *
 *	0 ----- adopt -------------- low ---- high -- limit
 *
 * Below adopt a group is left alone: nothing is registered.  From adopt on
 * its memory is adopted.  Above high the fault plane evicts down to low; a
 * fault that would pass limit waits for eviction.
 */
#ifndef WATERMARK_H
#define WATERMARK_H

#include <stdint.h>

/*
 * A program fills a GiB a second or two; from adopt to high there must be time
 * to see it (after a rest, up to two ticks of the kernel's clock: pace.h), to
 * read its mappings, and to register them.
 */
#define HEADROOM_PAGES 4096u
#define LIMIT_MIN_BYTES (UINT64_C(8) << 20)

struct watermarks { /* pages */
	uint64_t adopt, low, high, limit;
	uint64_t rescan; /* look for new mappings after so much growth */
};

static inline struct watermarks
watermarks_of(uint64_t limit_bytes)
{
	uint64_t limit = limit_bytes / 4096;
	uint64_t gap = limit / 20 < 320 ? 320 : limit / 20;
	uint64_t head =
	    limit / 4 * 3 < HEADROOM_PAGES ? limit / 4 * 3 : HEADROOM_PAGES;

	if (gap > 16384)
		gap = 16384;
	return (struct watermarks){
		.adopt = limit - (head > limit / 4 ? head : limit / 4),
		.low = limit - 2 * gap,
		.high = limit - gap,
		.limit = limit,
		.rescan = gap / 4,
	};
}

#endif
