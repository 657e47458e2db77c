/*
 * crowd.c: threads that work in more memory than their budget, side by side
 *
 * usage: crowd MIB THREADS SECONDS REPORT
 *
 * Fills an area, says "ready", and when it is told to go on lets so many
 * threads visit pages at random for so long, all of them any page: they read
 * three of four and change the fourth.  Every page that is read is compared.
 * REPORT gets what they did together, how long visits took, and what the
 * slowest thread did as a share of the mean.  With 0 seconds it only holds its
 * memory until it is told to end.
 *
 * Threads with pages of their own would not do what one alone does: each of
 * them would find its own in memory while it runs.
 */
#include <sys/mman.h>

#include <pthread.h>
#include <stdlib.h>

#include "bench.h"
#include "hist.h"
#include "pages.h"

#define THREADS_MAX 256

struct worker { /* its thread, then whoever joined that */
	pthread_t thread;
	struct pages *pages;
	uint64_t rng, end_ns;
	struct hist waits;
};

static void
visit(struct worker *w)
{
	uint64_t r = bench_random(&w->rng);
	size_t page = (r >> 2) % w->pages->npages;

	if (r % 4 == 0)
		pages_change_shared(w->pages, page);
	else
		pages_read_shared(w->pages, page);
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	uint64_t before = bench_now_ns(), now;

	for (; before < w->end_ns; before = now) {
		visit(w);
		now = bench_now_ns();
		hist_add(&w->waits, now - before);
	}
	return NULL;
}

static void
run_all(struct worker *workers, size_t n, size_t seconds)
{
	uint64_t end = bench_now_ns() + seconds * 1000000000;

	for (size_t i = 0; i < n; i++) {
		workers[i].end_ns = end;
		if (pthread_create(&workers[i].thread, NULL, work,
			&workers[i]) != 0)
			bench_die("no more threads");
	}
	for (size_t i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
}

static void
report(const struct worker *workers, size_t n, size_t seconds, const char *path)
{
	static struct hist all;
	uint64_t least = UINT64_MAX;
	FILE *f;

	for (size_t i = 0; i < n; i++) {
		hist_merge(&all, &workers[i].waits);
		if (workers[i].waits.count < least)
			least = workers[i].waits.count;
	}
	f = bench_report(path);
	fprintf(f,
	    "{\"visits_per_s\": %.1f, \"slowest_share\": %.4f, "
	    "\"median_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.1f}\n",
	    (double)all.count / (double)seconds,
	    (double)least * (double)n / (double)all.count,
	    (double)hist_quantile(&all, 500) / 1000,
	    (double)hist_quantile(&all, 990) / 1000, (double)all.max / 1000);
	bench_report_end(f);
}

/* => in memory that is never paged */
static struct worker *
workers_new(struct pages *p, size_t n)
{
	struct worker *workers = bench_map(n * sizeof(*workers), MAP_SHARED);

	for (size_t i = 0; i < n; i++) {
		workers[i].pages = p;
		workers[i].rng = bench_mix(i + 1);
	}
	return workers;
}

int
main(int argc, char **argv)
{
	size_t npages, nthreads, seconds;
	struct worker *workers;
	struct pages p;

	if (argc != 5)
		bench_usage("MIB THREADS SECONDS REPORT");
	npages = bench_number(argv[1], 1) * PAGES_PER_MIB;
	nthreads = bench_number(argv[2], 1);
	seconds = bench_number(argv[3], 0);
	if (nthreads > THREADS_MAX)
		bench_die("at most %d threads", THREADS_MAX);
	pages_init(&p, bench_map(npages * PAGE, MAP_PRIVATE), npages, 1);
	workers = workers_new(&p, nthreads);
	for (size_t i = 0; i < npages; i++)
		pages_fill(&p, i);
	bench_ready();
	if (seconds > 0) {
		run_all(workers, nthreads, seconds);
		report(workers, nthreads, seconds, argv[4]);
	}
	pages_verify(&p);
	return 0;
}
