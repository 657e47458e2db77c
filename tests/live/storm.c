/*
 * storm.c: threads fault at once on pages that hold a counter and a lock
 *
 * usage: storm mutex|spin MIB THREADS INCREMENTS
 *
 * Each page holds a lock, a count, and two values that follow from the count;
 * a thread takes a random page's lock, compares, and counts.  At the end each
 * page's count is compared with what the threads noted outside, and their sum
 * with the number of increments: a lost write of any kind shows.
 */
#include "live.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cell {
	pthread_mutex_t mutex;
	_Atomic uint32_t spin;
	uint64_t count;
	uint64_t head; /* follows from count */
	uint8_t fill[PAGE - 128];
	uint64_t tail; /* follows from count */
};
_Static_assert(sizeof(struct cell) <= PAGE, "a cell is more than a page");

static struct {
	uint8_t *base;
	size_t npages;
	_Atomic uint32_t *noted; /* shared: never adopted */
	bool use_mutex;
	size_t each; /* increments of a thread */
	pthread_barrier_t start;
} storm;

static struct cell *
cell_at(size_t i)
{
	return (struct cell *)(storm.base + i * PAGE);
}

static void
cell_lock(struct cell *c)
{
	if (storm.use_mutex) {
		pthread_mutex_lock(&c->mutex);
		return;
	}
	while (atomic_exchange_explicit(&c->spin, 1, memory_order_acquire))
		sched_yield();
}

static void
cell_unlock(struct cell *c)
{
	if (storm.use_mutex)
		pthread_mutex_unlock(&c->mutex);
	else
		atomic_store_explicit(&c->spin, 0, memory_order_release);
}

static uint64_t
cell_value(size_t i, uint64_t count, unsigned which)
{
	return live_mix(live_seed() ^ (i << 32) ^ count * 2 ^ which);
}

static void
cell_set(size_t i, uint64_t count)
{
	struct cell *c = cell_at(i);

	c->count = count;
	c->head = cell_value(i, count, 0);
	c->fill[count % sizeof(c->fill)] ^= 0x55;
	c->tail = cell_value(i, count, 1);
}

static void
cell_expect(size_t i, const char *where)
{
	struct cell *c = cell_at(i);

	if (c->head != cell_value(i, c->count, 0) ||
	    c->tail != cell_value(i, c->count, 1))
		live_die("WRONG DATA: %s: page %zu, count %llu", where, i,
		    (unsigned long long)c->count);
}

static void *
count_up(void *arg)
{
	uint64_t rng = live_mix(live_seed() ^ (uintptr_t)arg);
	size_t n;
	size_t i;

	pthread_barrier_wait(&storm.start);
	for (n = 0; n < storm.each; n++) {
		i = live_rng(&rng) % storm.npages;
		cell_lock(cell_at(i));
		cell_expect(i, "in the storm");
		cell_set(i, cell_at(i)->count + 1);
		cell_unlock(cell_at(i));
		atomic_fetch_add(&storm.noted[i], 1);
	}
	return NULL;
}

static void
prepare(void)
{
	size_t i;

	for (i = 0; i < storm.npages; i++) {
		pthread_mutex_init(&cell_at(i)->mutex, NULL);
		cell_set(i, 0);
	}
	live_push_out(storm.base, storm.npages * PAGE);
}

static void
run_threads(size_t nthreads)
{
	pthread_t threads[64];
	size_t i;

	pthread_barrier_init(&storm.start, NULL, (unsigned)nthreads);
	for (i = 0; i < nthreads; i++)
		if (pthread_create(&threads[i], NULL, count_up, (void *)i) != 0)
			live_die("pthread_create");
	for (i = 0; i < nthreads; i++)
		pthread_join(threads[i], NULL);
}

int
main(int argc, char **argv)
{
	size_t nthreads;
	uint64_t sum = 0;
	size_t i;

	if (argc != 5)
		live_die("usage: storm mutex|spin MIB THREADS INCREMENTS");
	storm.use_mutex = strcmp(argv[1], "mutex") == 0;
	storm.npages = live_mib(argv[2]) / PAGE;
	nthreads = strtoul(argv[3], NULL, 10);
	if (nthreads < 1 || nthreads > 64)
		live_die("bad number of threads");
	storm.each = strtoul(argv[4], NULL, 10) / nthreads;
	storm.base = live_map(storm.npages * PAGE);
	storm.noted = live_map_shared(storm.npages * sizeof(*storm.noted));
	prepare();
	run_threads(nthreads);
	live_hold("counted");
	for (i = 0; i < storm.npages; i++) {
		cell_expect(i, "at the end");
		if (cell_at(i)->count != storm.noted[i])
			live_die("WRONG DATA: page %zu counts %llu, not %u", i,
			    (unsigned long long)cell_at(i)->count,
			    storm.noted[i]);
		sum += cell_at(i)->count;
	}
	if (sum != storm.each * nthreads)
		live_die("WRONG DATA: sum %llu, not %zu",
		    (unsigned long long)sum, storm.each * nthreads);
	printf("sum %llu\n", (unsigned long long)sum);
	return 0;
}
