/*
 * zipftrace.c: a trace of reads, the same each time, in real memory
 *
 * usage: zipftrace MIB READS SEED REPORT
 *
 * Fills an area in order, says "ready", reads pages of a skewed trace
 * (zipf.h), says "ready" again, and verifies all.  In between, whoever started
 * us looks how many pages had to come back.  REPORT gets nanoseconds for each
 * read, and major faults, which the kernel's own paging counts.  What should
 * have come back zipfreplay says.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include "bench.h"
#include "pages.h"
#include "zipf.h"

static long
major_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_majflt;
}

int
main(int argc, char **argv)
{
	struct pages p;
	struct zipf z;
	size_t npages, reads, seed;
	long faults;
	uint64_t ns;
	FILE *f;

	if (argc != 5)
		bench_usage("MIB READS SEED REPORT");
	npages = bench_number(argv[1], 1) * PAGES_PER_MIB;
	reads = bench_number(argv[2], 1);
	seed = bench_number(argv[3], 0);
	zipf_init(&z, npages, seed);
	pages_init(&p, bench_map(npages * PAGE, MAP_PRIVATE), npages, seed);
	for (size_t i = 0; i < npages; i++)
		pages_fill(&p, i);
	bench_ready();
	faults = major_faults();
	ns = bench_now_ns();
	for (size_t i = 0; i < reads; i++)
		pages_read(&p, zipf_next(&z));
	ns = bench_now_ns() - ns;
	faults = major_faults() - faults;
	bench_ready();
	pages_verify(&p);
	f = bench_report(argv[4]);
	fprintf(f, "{\"read_ns\": %.1f, \"major_faults\": %ld}\n",
	    (double)ns / (double)reads, faults);
	bench_report_end(f);
	return 0;
}
