/*
 * bench.c: what the benchmarks' programs have in common
 */
#include "bench.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
bench_die(const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void
bench_usage(const char *arguments)
{
	fprintf(stderr, "usage: %s %s\n", program_invocation_short_name,
	    arguments);
	exit(BENCH_USAGE);
}

void
bench_wrong(const char *what, size_t number)
{
	fprintf(stderr, "%s: WRONG DATA in %s %zu\n",
	    program_invocation_short_name, what, number);
	exit(BENCH_WRONG_DATA);
}

uint64_t
bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t
bench_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t
bench_random(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return bench_mix(*state);
}

size_t
bench_number(const char *text, size_t least)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < least)
		bench_die("'%s' is not a number of at least %zu", text, least);
	return (size_t)n;
}

void *
bench_map(size_t len, int flags)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS,
	    -1, 0);

	if (p == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
	return p;
}

uint32_t *
bench_permutation(size_t n, uint64_t seed)
{
	uint32_t *order = bench_map(n * sizeof(*order), MAP_SHARED);
	uint64_t rng = seed;
	uint32_t swapped;
	size_t i, k;

	for (i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	for (i = n; i > 1; i--) {
		k = bench_random(&rng) % i;
		swapped = order[i - 1];
		order[i - 1] = order[k];
		order[k] = swapped;
	}
	return order;
}

void
bench_ready(void)
{
	int c;

	if (puts("ready") < 0 || fflush(stdout) != 0)
		bench_die("nobody waits for us");
	while ((c = getchar()) != '\n')
		if (c == EOF)
			bench_die("nobody is there any more");
}

FILE *
bench_report(const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		bench_die("%s: %s", path, strerror(errno));
	return f;
}

void
bench_report_end(FILE *f)
{
	if (fclose(f) != 0)
		bench_die("the report: %s", strerror(errno));
}
