/*
 * pace.h: how long the watch may look away from a group
 *
 * Pure.  Memory cannot be touched faster than PACE_BYTES_PER_S, so a group
 * that is some distance below a mark cannot pass it sooner than that distance
 * takes.
 *
 * Nor can it be touched by who does not run.  Where alarms tell of that
 * (alarm.h) the watch looks away until one of the processes has used so much
 * CPU time, or until PACE_HIDDEN_BYTES_PER_S, if all of it escaped the alarms,
 * could have led to the mark:
 *
 *	far	the distance takes longer than alarms are late: they ring in
 *		time, whatever the program does
 *	near	it takes less.  There the watch looks as often as the distance
 *		asks; but a group that has not run for a while is left alone
 *		for ever longer parts of that time, and in the end until an
 *		alarm rings as soon as it can
 */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_BYTES_PER_S (UINT64_C(8) << 30) /* huge pages, or threads */
#define PACE_HIDDEN_BYTES_PER_S (UINT64_C(256) << 20)
#define PACE_MIN_MS 1u
#define PACE_MAX_MS 1000u
#define PACE_BACKOFF_MAX 2u
#define PACE_QUIET_MS 10u       /* near: the most that is lost to a start */
#define PACE_QUIET_PART 16u     /* of how long it has been quiet */
#define PACE_HIDDEN_MIN_MS 50u  /* near: between looks for what is hidden */
#define PACE_USED_PART 8u       /* CPU time that is still quiet, of leeway */
#define PACE_UNKNOWN UINT64_MAX /* CPU time: there are no alarms */

struct pace {
	unsigned int backoff; /* 0 before the first sample */
	uint64_t quiet_ms;    /* since when it is, in now_ms */
	uint64_t used_ns;     /* CPU time since then */
};

/* What the watch has just seen. */
struct pace_look {
	uint64_t now_ms;
	int64_t pages;    /* to the next mark; <= 0: passed */
	bool moved;       /* usage changed since the last look */
	bool close;       /* never back off */
	uint64_t used_ns; /* CPU time since the last look, or PACE_UNKNOWN */
	uint32_t nalarms; /* processes that can have one */
	uint64_t late_ns; /* how late one may ring */
};

struct pace_plan {
	uint64_t ms; /* until the next look, whatever happens */
	/* After this much CPU time of one of them; PACE_UNKNOWN: no alarms. */
	uint64_t alarm_ns;
};

struct pace_plan pace_next(struct pace *, const struct pace_look *);

/* => ms in which these pages cannot have been touched, whoever runs */
uint64_t pace_soon(int64_t pages);

#endif
