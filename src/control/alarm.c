/*
 * alarm.c: to be told when another process has used a CPU for so long
 */
#include "alarm.h"

#include <sys/signalfd.h>
#include <sys/syscall.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define LATE_TICKS 2  /* one until it is accounted for, one until it is seen */
#define NEAR_ENOUGH 8 /* it may ring early by that part: not set again */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static int
signal_number(void)
{
	return SIGRTMIN + 1;
}

int
alarms_open(void)
{
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	sigaddset(&set, signal_number());
	r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (r != 0)
		return -r;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

uint64_t
alarms_next(int fd)
{
	struct signalfd_siginfo info;
	ssize_t n;

	do {
		n = read(fd, &info, sizeof(info));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(info) ? info.ssi_ptr : 0;
}

static uint64_t
as_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * NS_PER_S + (uint64_t)ts->tv_nsec;
}

/* The coarse clock goes on with each tick. */
uint64_t
alarm_late_ns(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0)
		return NS_PER_S;
	return LATE_TICKS * as_ns(&tick);
}

static int
open_timer(struct alarm *a, pid_t pid, uint64_t cookie)
{
	struct sigevent ev = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = signal_number(),
		.sigev_value.sival_ptr = (void *)(uintptr_t)cookie,
	};
	int r;

	if (pid <= 0)
		return -ESRCH;
	r = clock_getcpuclockid(pid, &a->clock);
	if (r != 0)
		return -r;
	ev.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	return timer_create(a->clock, &ev, &a->timer) < 0 ? -errno : 0;
}

uint64_t
alarm_used(struct alarm *a, pid_t pid, uint64_t cookie)
{
	bool first = a->state == ALARM_NONE;
	struct timespec now;
	uint64_t before = a->used_ns;

	if (first)
		a->state =
		    open_timer(a, pid, cookie) < 0 ? ALARM_REFUSED : ALARM_IDLE;
	if (a->state == ALARM_REFUSED || clock_gettime(a->clock, &now) < 0)
		return UINT64_MAX;
	a->used_ns = as_ns(&now);
	/* Another process with its number: it is about to leave the roster. */
	if (first || a->used_ns < before)
		return UINT64_MAX;
	return a->used_ns - before;
}

/* => ns: 0 disarms */
static void
arm(struct alarm *a, uint64_t ns)
{
	struct itimerspec its = {
		.it_value.tv_sec = (time_t)(ns / NS_PER_S),
		.it_value.tv_nsec = (long)(ns % NS_PER_S),
	};

	(void)timer_settime(a->timer, 0, &its, NULL);
}

void
alarm_set(struct alarm *a, uint64_t ns)
{
	uint64_t at = a->used_ns + ns;

	if (a->state != ALARM_IDLE && a->state != ALARM_SET)
		return;
	if (a->state == ALARM_SET && a->ring_ns <= at &&
	    at - a->ring_ns <= ns / NEAR_ENOUGH)
		return;
	a->state = ALARM_SET;
	a->ring_ns = at;
	arm(a, ns == 0 ? 1 : ns);
}

void
alarm_clear(struct alarm *a)
{
	if (a->state != ALARM_SET)
		return;
	a->state = ALARM_IDLE;
	arm(a, 0);
}

void
alarm_rang(struct alarm *a)
{
	if (a->state == ALARM_SET)
		a->state = ALARM_IDLE;
}

void
alarm_fini(struct alarm *a)
{
	if (a->state == ALARM_IDLE || a->state == ALARM_SET)
		(void)timer_delete(a->timer);
	a->state = ALARM_NONE;
}
