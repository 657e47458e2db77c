/*
 * pause.c: how long a snapshot stops a program, and what writing costs then
 *
 * usage: pause MIB REPORT
 *
 * Fills MIB of memory.  Measures fork() of itself, and the cost of a write to
 * each page before, after a fork, and after whoever started it has taken a
 * snapshot: it says "ready" and waits for a line.  A thread that does nothing
 * but look at the clock sees for how long it did not run.  REPORT gets one
 * JSON object: microseconds, and nanoseconds for each page.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((size_t)4096)

static _Atomic uint64_t longest_ns; /* between two looks at the clock */
static atomic_bool stop;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *
watch_clock(void *arg)
{
	uint64_t last = now_ns(), now;

	(void)arg;
	for (; !atomic_load(&stop); last = now) {
		now = now_ns();
		if (now - last > atomic_load(&longest_ns))
			atomic_store(&longest_ns, now - last);
	}
	return NULL;
}

/* => nanoseconds for each page */
static double
write_all(volatile uint8_t *base, size_t npages)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < npages; i++)
		base[i * PAGE]++;
	return (double)(now_ns() - start) / (double)npages;
}

/* => microseconds that the call takes; the child lives until *child dies */
static double
fork_us(pid_t *child)
{
	uint64_t start = now_ns();

	*child = fork();
	if (*child == 0) {
		pause();
		_exit(0);
	}
	return (double)(now_ns() - start) / 1000;
}

static double
take_longest_us(void)
{
	return (double)atomic_exchange(&longest_ns, 0) / 1000;
}

int
main(int argc, char **argv)
{
	size_t npages = argc == 3 ? strtoul(argv[1], NULL, 10) * 256 : 0;
	double before, call, fork_gap, after_fork, gap;
	pthread_t thread;
	uint8_t *base;
	pid_t child;
	FILE *f;

	base = mmap(NULL, npages * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (npages == 0 || base == MAP_FAILED ||
	    madvise(base, npages * PAGE, MADV_NOHUGEPAGE) < 0 ||
	    pthread_create(&thread, NULL, watch_clock, NULL) != 0)
		return 1;
	(void)write_all(base, npages);
	before = write_all(base, npages);
	(void)take_longest_us();
	call = fork_us(&child);
	fork_gap = take_longest_us();
	after_fork = write_all(base, npages);
	if (kill(child, SIGKILL) < 0 || waitpid(child, NULL, 0) != child)
		return 1;
	(void)take_longest_us();
	if (puts("ready") < 0 || fflush(stdout) != 0 || getchar() == EOF)
		return 1;
	gap = take_longest_us();
	f = fopen(argv[2], "w");
	if (f == NULL)
		return 1;
	fprintf(f,
	    "{\"fork_us\": %.1f, \"fork_gap_us\": %.1f, "
	    "\"snapshot_gap_us\": %.1f, \"write_ns\": %.1f, "
	    "\"write_after_fork_ns\": %.1f, "
	    "\"write_after_snapshot_ns\": %.1f}\n",
	    call, fork_gap, gap, before, after_fork, write_all(base, npages));
	atomic_store(&stop, true);
	(void)pthread_join(thread, NULL);
	return fclose(f) == 0 ? 0 : 1;
}
