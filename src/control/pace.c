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

void
pace_saw(struct pace *p, uint64_t bytes_per_s, uint64_t us)
{
	if (us > PACE_FORGET_US)
		us = PACE_FORGET_US;
	p->fastest -= p->fastest / PACE_FORGET_US * us;
	if (bytes_per_s > p->fastest)
		p->fastest = bytes_per_s;
}

static uint64_t
assumed(const struct pace *p)
{
	return p->fastest > PACE_BYTES_PER_S / 2 ? 2 * p->fastest
						 : PACE_BYTES_PER_S;
}

uint64_t
pace_next(struct pace *p, int64_t pages, bool moved, bool close)
{
	uint64_t per_s = assumed(p), far = per_s / 1000 * PACE_MAX_MS / 4096;
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
		ms = (uint64_t)pages * 4096 * 1000 / per_s;
	return clamp_ms(clamp_ms(ms) * p->backoff);
}
