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

static const struct test tests[] = {
	{ "held", test_held },
	{ "refused", test_refused },
	{ "thread of", test_thread_of },
};

TEST_MAIN(tests)
