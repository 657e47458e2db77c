/*
 * alarm.h: to be told when another process has used a CPU for so long
 *
 * A process that does not run cannot touch memory, and nothing but its CPU
 * time tells of that without being looked at.  Any process may have a timer
 * count the CPU time of another one (timer_create(2)), and the kernel signals
 * us when it expires; while the process sleeps that costs nobody anything.
 *
 * The kernel looks at such timers from the ticks that hit the process.  So an
 * alarm rings up to alarm_late_ns() of CPU time late, and a process that runs
 * only between ticks goes unnoticed: somebody has to look now and then.
 *
 * => control thread: the signals go to the thread that opened them
 */
#ifndef ALARM_H
#define ALARM_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum alarm_state {
	ALARM_NONE, /* zero-filled: no timer yet */
	ALARM_IDLE,
	ALARM_SET,
	ALARM_REFUSED, /* there is no timer to be had for it */
};

struct alarm {
	enum alarm_state state;
	clockid_t clock;
	timer_t timer;
	uint64_t used_ns; /* CPU time at the last look */
	uint64_t ring_ns; /* SET: CPU time at which it rings */
};

/* => a descriptor that is readable when one has rung, or -errno */
int alarms_open(void);

/* => cookie of one that has rung, 0: no more; it is IDLE, or gone, already */
uint64_t alarms_next(int fd);

/* => how late one may ring, in CPU time of the process */
uint64_t alarm_late_ns(void);

/*
 * alarm_used: CPU time that the process has used since the last call
 *
 * => UINT64_MAX: not known; the first call, or it can have no alarm
 * => cookie: what alarms_next() returns, not 0; the same in each call
 */
uint64_t alarm_used(struct alarm *, pid_t, uint64_t cookie);

/* => ring when it has used so much more than at the last alarm_used() */
void alarm_set(struct alarm *, uint64_t ns);
void alarm_clear(struct alarm *);
void alarm_rang(struct alarm *);
void alarm_fini(struct alarm *);

#endif
