/*
 * bench.h: what the benchmarks' programs have in common
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PAGE ((size_t)4096)
#define PAGES_PER_MIB ((size_t)256)

enum { /* exit statuses beside 0 and 1 */
	BENCH_USAGE = 2,
	BENCH_WRONG_DATA = 3,
};

/* => prints the program's name and the text, and exits with 1 */
_Noreturn void bench_die(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
_Noreturn void bench_usage(const char *arguments);
/* => what was read is not what was written: exits with BENCH_WRONG_DATA */
_Noreturn void bench_wrong(const char *what, size_t number);

uint64_t bench_now_ns(void);
uint64_t bench_mix(uint64_t x); /* a bijection that looks random */
/* => the next number of a sequence that its start determines */
uint64_t bench_random(uint64_t *state);

/* => a whole number of at least so much, or a complaint and the end */
size_t bench_number(const char *text, size_t least);
/* => memory, zeroed; MAP_SHARED is never paged; ends if there is none */
void *bench_map(size_t len, int flags);
/* => 0 .. n-1 in an order that the seed determines; never paged */
uint32_t *bench_permutation(size_t n, uint64_t seed);

/*
 * bench_ready: says "ready", and waits for a line
 *
 * => who started us does now what must not be timed, or starts others
 * => ends the program if nobody is there any more
 */
void bench_ready(void);

FILE *bench_report(const char *path);
void bench_report_end(FILE *);

#endif
