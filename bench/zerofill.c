/*
 * zerofill.c: what the first touch of a page costs in adopted memory
 *
 * usage: zerofill BALLAST_MIB MIB REPORT
 *
 * One mapping of both sizes.  The ballast is touched first; with it our group
 * must be near enough to its limit that the daemon adopts the mapping.  When it
 * has, each page of the rest is touched once, at random.  REPORT gets
 * nanoseconds for each of them.  Whoever starts us pins us to one CPU, and
 * leaves room for all of it within the limit.
 */
#include <sys/mman.h>

#include <string.h>
#include <time.h>

#include "bench.h"

#define TRIES 1000 /* of 10 ms */

/* => whether missing pages of the mapping at p go to a userfaultfd */
static int
is_registered(const void *p)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	int here = 0, found = 0;
	char line[512];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (uintptr_t)p >= start && (uintptr_t)p < end;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, " um") != NULL;
	}
	if (f != NULL)
		fclose(f);
	return found;
}

static void
wait_for_adoption(const void *p)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	for (int i = 0; !is_registered(p); i++) {
		if (i == TRIES)
			bench_die("our memory was not adopted");
		nanosleep(&pause, NULL);
	}
}

static double
touch_all(volatile uint8_t *area, const uint32_t *order, size_t npages)
{
	uint64_t start = bench_now_ns();

	for (size_t i = 0; i < npages; i++)
		area[order[i] * PAGE] = 1;
	return (double)(bench_now_ns() - start) / (double)npages;
}

static void
verify(const uint8_t *area, size_t npages)
{
	static const uint8_t zeros[PAGE];

	for (size_t i = 0; i < npages; i++)
		if (area[i * PAGE] != 1 ||
		    memcmp(area + i * PAGE + 1, zeros, PAGE - 1) != 0)
			bench_wrong("page", i);
}

int
main(int argc, char **argv)
{
	size_t ballast, npages;
	uint8_t *area;
	double ns;
	FILE *f;

	if (argc != 4)
		bench_usage("BALLAST_MIB MIB REPORT");
	ballast = bench_number(argv[1], 1) * PAGES_PER_MIB;
	npages = bench_number(argv[2], 1) * PAGES_PER_MIB;
	area = bench_map((ballast + npages) * PAGE, MAP_PRIVATE);
	if (madvise(area, (ballast + npages) * PAGE, MADV_NOHUGEPAGE) < 0)
		bench_die("madvise failed");
	for (size_t i = 0; i < ballast; i++)
		area[i * PAGE] = 1;
	wait_for_adoption(area + ballast * PAGE);
	ns = touch_all(area + ballast * PAGE, bench_permutation(npages, 1),
	    npages);
	verify(area, ballast + npages);
	f = bench_report(argv[3]);
	fprintf(f, "{\"zero_fill\": %.1f}\n", ns);
	bench_report_end(f);
	return 0;
}
