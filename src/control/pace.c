/*
 * pace.c: how long the watch may look away from a group
 */
#include "pace.h"

static uint64_t
clamp_ms(uint64_t ms)
{
	if (ms < PACE_MIN_MS)
		return PACE_MIN_MS;
	return ms > PACE_MAX_MS ? PACE_MAX_MS : ms;
}

uint64_t
pace_next(struct pace *p, int64_t pages, bool moved, bool close)
{
	uint64_t far = PACE_BYTES_PER_S / 1000 * PACE_MAX_MS / 4096;
	uint64_t ms;

	if (moved || close || p->backoff == 0)
		p->backoff = 1;
	else if (p->backoff < PACE_BACKOFF_MAX)
		p->backoff *= 2;
	if (pages <= 0)
		ms = PACE_MIN_MS;
	else if ((uint64_t)pages >= far)
		ms = PACE_MAX_MS;
	else
		ms = (uint64_t)pages * 4096 * 1000 / PACE_BYTES_PER_S;
	return clamp_ms(clamp_ms(ms) * p->backoff);
}
