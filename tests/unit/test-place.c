/*
 * test-place.c: a thread that waits is held to a CPU, and never sees it
 */
#include <sys/wait.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "place.h"
#include "test.h"

struct waiter {
	pthread_t thread;
	_Atomic pid_t tid;
	int wake[2];
	int cpu; /* where it woke up */
	cpu_set_t was;
};

static void *
waiter_main(void *arg)
{
	struct waiter *w = arg;
	char c;

	w->tid = gettid();
	if (read(w->wake[0], &c, 1) != 1)
		abort();
	w->cpu = sched_getcpu();
	if (sched_getaffinity(0, sizeof(w->was), &w->was) < 0)
		abort();
	return NULL;
}

static void
waiter_start(struct waiter *w)
{
	w->tid = 0;
	CHECK(pipe(w->wake) == 0 &&
	      pthread_create(&w->thread, NULL, waiter_main, w) == 0);
	while (w->tid == 0)
		(void)sched_yield();
}

static void
waiter_end(struct waiter *w)
{
	CHECK(write(w->wake[1], "x", 1) == 1);
	(void)pthread_join(w->thread, NULL);
	(void)close(w->wake[0]);
	(void)close(w->wake[1]);
}

static int
last_cpu(const cpu_set_t *set)
{
	int cpu = CPU_SETSIZE - 1;

	while (!CPU_ISSET(cpu, set))
		cpu--;
	return cpu;
}

static cpu_set_t
allowed(void)
{
	cpu_set_t set;

	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
	return set;
}

static void
test_held(void)
{
	const cpu_set_t set = allowed(), *all = &set;
	struct place pl = { .tid = 0 };
	struct waiter w;
	int cpu = last_cpu(all);

	waiter_start(&w);
	CHECK(place_hold(&pl, w.tid, cpu) == (CPU_COUNT(all) > 1));
	waiter_end(&w);
	CHECK(CPU_COUNT(all) == 1 || w.cpu == cpu);

	waiter_start(&w);
	(void)place_hold(&pl, w.tid, cpu);
	place_release(&pl);
	waiter_end(&w);
	CHECK(CPU_EQUAL(&w.was, all));
}

static void
test_refused(void)
{
	const cpu_set_t set = allowed(), *all = &set;
	struct place pl;
	cpu_set_t one, now;

	CPU_ZERO(&one);
	CPU_SET(last_cpu(all), &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
	CHECK(place_hold(&pl, gettid(), last_cpu(all)) == 0 && pl.tid == 0);
	CHECK(sched_setaffinity(0, sizeof(*all), all) == 0);
	CHECK(place_hold(&pl, gettid(), CPU_SETSIZE - 1) == 0);
	place_release(&pl);
	CHECK(sched_getaffinity(0, sizeof(now), &now) == 0 &&
	      CPU_EQUAL(&now, all));
}

/* The right to a nice value below 0 or not: the CPU is kept, all comes back. */
static void
test_own(void)
{
	const cpu_set_t set = allowed(), *all = &set;
	struct sched_param before, after;
	struct place_own own = { 0 };
	int policy = sched_getscheduler(0);
	cpu_set_t now;

	CHECK(sched_getparam(0, &before) == 0);
	place_roam(&own);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, all))
			continue;
		place_stay(&own, cpu);
		CHECK(own.stays && place_here() == cpu);
		now = allowed();
		CHECK(CPU_COUNT(&now) == 1 && CPU_ISSET(cpu, &now));
		place_fair(&own, true);
		CHECK(sched_getscheduler(0) == SCHED_OTHER);
		place_fair(&own, cpu % 2 == 0);
		place_roam(&own);
	}
	now = allowed();
	CHECK(CPU_EQUAL(&now, all) && sched_getscheduler(0) == policy);
	CHECK(sched_getparam(0, &after) == 0 &&
	      after.sched_priority == before.sched_priority);
	place_stay(&own, CPU_SETSIZE);
	CHECK(!own.stays);
}

static void *
avoider_main(void *arg)
{
	const cpu_set_t *all = arg;
	int last = last_cpu(all);
	cpu_set_t now;

	place_avoid(last);
	now = allowed();
	CHECK(CPU_COUNT(all) == 1 || (CPU_COUNT(&now) == CPU_COUNT(all) - 1 &&
					 !CPU_ISSET(last, &now)));
	place_avoid(-1);
	now = allowed();
	CHECK(CPU_EQUAL(&now, all));
	return NULL;
}

static void
test_avoided(void)
{
	cpu_set_t all = allowed();
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, avoider_main, &all) == 0 &&
	      pthread_join(thread, NULL) == 0);
}

static void
test_thread_of(void)
{
	struct waiter w;
	pid_t child;

	waiter_start(&w);
	CHECK(place_is_thread_of(w.tid, getpid()));
	CHECK(!place_is_thread_of(w.tid, getppid()));
	waiter_end(&w);
	child = fork();
	if (child == 0)
		_exit(0);
	CHECK(waitpid(child, NULL, 0) == child &&
	      !place_is_thread_of(child, child));
}

/* => 0: a process of another namespace is nobody; 1: it is taken for one */
static int
other_namespace(void)
{
	int gate[2], is;
	pid_t child;
	char c;

	if (unshare(CLONE_NEWPID) < 0)
		return 0; /* without the right to it there is nothing to see */
	if (pipe(gate) < 0)
		return 1;
	child = fork();
	if (child == 0)
		_exit(read(gate[0], &c, 1) == 1 ? 0 : 1);
	is = child < 0 || place_is_thread_of(child, child);
	if (write(gate[1], "x", 1) != 1 || waitpid(child, NULL, 0) != child)
		return 1;
	return is;
}

static void
test_namespace(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(other_namespace());
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static const struct test tests[] = {
	{ "held", test_held },
	{ "refused", test_refused },
	{ "own", test_own },
	{ "avoided", test_avoided },
	{ "thread of", test_thread_of },
	{ "namespace", test_namespace },
};

TEST_MAIN(tests)
