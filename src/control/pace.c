/*
 * pace.c: how long the watch may look away from a group
 */
#include "pace.h"

#define NS_PER_MS UINT64_C(1000000)

static uint64_t
clamp_ms(uint64_t ms)
{
	if (ms < PACE_MIN_MS)
		return PACE_MIN_MS;
	return ms > PACE_MAX_MS ? PACE_MAX_MS : ms;
}

/* => how long these pages take at that speed; PACE_MAX_MS at most */
static uint64_t
span_ns(int64_t pages, uint64_t bytes_per_s)
{
	uint64_t most = bytes_per_s / 1000 * PACE_MAX_MS / 4096;

	if (pages <= 0)
		return 0;
	if ((uint64_t)pages >= most)
		return PACE_MAX_MS * NS_PER_MS;
	return (uint64_t)pages * 4096 * 1000 / (bytes_per_s / 1000) * 1000;
}

uint64_t
pace_soon(int64_t pages)
{
	return clamp_ms(span_ns(pages, PACE_BYTES_PER_S) / NS_PER_MS);
}

/* A group that did not move may be left alone for longer. */
static void
back_off(struct pace *p, const struct pace_look *l)
{
	if (l->moved || l->close || p->backoff == 0)
		p->backoff = 1;
	else if (p->backoff < PACE_BACKOFF_MAX)
		p->backoff *= 2;
}

/* => how long it has hardly run, so little that nothing can have come of it */
static uint64_t
quiet_ms(struct pace *p, const struct pace_look *l, uint64_t span)
{
	if (l->used_ns != PACE_UNKNOWN)
		p->used_ns += l->used_ns;
	if (l->used_ns == PACE_UNKNOWN || p->used_ns > span / PACE_USED_PART) {
		p->used_ns = 0;
		p->quiet_ms = l->now_ms;
	}
	return l->now_ms - p->quiet_ms;
}

static struct pace_plan
plan_near(const struct pace_look *l, uint64_t ms, uint64_t hidden,
    uint64_t quiet)
{
	uint64_t late_ms = (l->late_ns + NS_PER_MS - 1) / NS_PER_MS;
	uint64_t most = quiet / PACE_QUIET_PART;

	if (late_ms <= PACE_QUIET_MS && most >= late_ms && hidden > ms)
		return (struct pace_plan){ .ms = hidden, .alarm_ns = 0 };
	if (most > PACE_QUIET_MS)
		most = PACE_QUIET_MS;
	return (struct pace_plan){
		.ms = most > ms ? most : ms,
		.alarm_ns = PACE_UNKNOWN,
	};
}

struct pace_plan
pace_next(struct pace *p, const struct pace_look *l)
{
	uint64_t span = span_ns(l->pages, PACE_BYTES_PER_S);
	uint64_t hidden = span_ns(l->pages, PACE_HIDDEN_BYTES_PER_S);
	uint64_t quiet = quiet_ms(p, l, span), ms, share;

	back_off(p, l);
	ms = clamp_ms(pace_soon(l->pages) * p->backoff);
	if (l->used_ns == PACE_UNKNOWN || l->nalarms == 0)
		return (struct pace_plan){
			.ms = ms,
			.alarm_ns = PACE_UNKNOWN,
		};
	hidden = clamp_ms(hidden / NS_PER_MS);
	if (hidden < PACE_HIDDEN_MIN_MS)
		hidden = PACE_HIDDEN_MIN_MS;
	/* Each of them may use all of its share unnoticed. */
	share = span / l->nalarms;
	if (share < l->late_ns)
		return plan_near(l, ms, hidden, quiet);
	return (struct pace_plan){
		.ms = hidden > ms ? hidden : ms,
		.alarm_ns = share - l->late_ns,
	};
}
