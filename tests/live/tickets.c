/*
 * tickets.c: threads that write rising numbers into many pages, for ever
 *
 * usage: tickets MIB THREADS
 *
 * Each thread takes the next ticket t and writes it into page t % N.  So at
 * any one moment every page holds its greatest ticket below the counter, but
 * for those that a thread has taken and not written yet: one a thread.  Tells
 * the runner where counter and pages are, lets it look, and looks itself.
 */
#include "live.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS_MAX 64

static struct {
	_Atomic uint64_t next; /* in a page of its own */
	char pad[PAGE - sizeof(uint64_t)];
} * counter;
static uint8_t *pages;
static size_t npages;
static atomic_bool stop;

static _Atomic uint64_t *
word(size_t i)
{
	return (_Atomic uint64_t *)(void *)(pages + i * PAGE);
}

/* Late writers must not overwrite what is newer. */
static void __attribute__((noinline)) write_ticket(uint64_t t)
{
	_Atomic uint64_t *w = word(t % npages);
	uint64_t old = atomic_load(w);

	while (old < t && !atomic_compare_exchange_weak(w, &old, t))
		;
}

static void *
ticket_thread(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		write_ticket(atomic_fetch_add(&counter->next, 1));
	return NULL;
}

static void
verify(void)
{
	uint64_t next = atomic_load(&counter->next), want;

	for (size_t i = 0; i < npages; i++) {
		want = next - 1 - (next - 1 - i) % npages;
		if (atomic_load(word(i)) != want)
			live_die("page %zu holds %ju, not %ju of %ju", i,
			    (uintmax_t)atomic_load(word(i)), (uintmax_t)want,
			    (uintmax_t)next);
	}
}

int
main(int argc, char **argv)
{
	pthread_t threads[THREADS_MAX];
	size_t n;

	if (argc != 3 || atoi(argv[2]) < 1 || atoi(argv[2]) > THREADS_MAX)
		live_die("usage: tickets MIB THREADS");
	setvbuf(stdout, NULL, _IONBF, 0);
	npages = live_mib(argv[1]) / PAGE;
	counter = live_map(PAGE);
	pages = live_map(npages * PAGE);
	atomic_store(&counter->next, 1);
	while (atomic_load(&counter->next) < npages)
		write_ticket(atomic_fetch_add(&counter->next, 1));
	printf("%p %p %zu\n", (void *)counter, (void *)pages, npages);
	for (n = 0; n < (size_t)atoi(argv[2]); n++)
		if (pthread_create(&threads[n], NULL, ticket_thread, NULL) != 0)
			live_die("pthread_create");
	live_hold("running");
	atomic_store(&stop, true);
	while (n-- > 0)
		(void)pthread_join(threads[n], NULL);
	verify();
	printf("every ticket is there\n");
	return 0;
}
