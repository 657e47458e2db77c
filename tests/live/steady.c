/*
 * steady.c: works through more memory than its budget until told to stop
 *
 * usage: steady MIB SECONDS [FILE]
 *
 * Rewrites and compares all of its pages, round after round, for so long or
 * until SIGTERM, and at least two rounds.  Appends a byte to FILE after each
 * round, so that others see that it gets on.  Exits with 3 when it has read
 * wrong data.
 */
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t enough;

static void
on_term(int sig)
{
	enough = sig;
}

static void
round_of(struct area *a, uint64_t round)
{
	uint64_t rng = live_mix(live_seed() + round);
	size_t n;
	size_t i;

	for (n = 0; n < a->npages; n++) {
		i = round % 2 ? live_rng(&rng) % a->npages : n;
		page_expect(a->base + i * PAGE, a->tags[i], "steady");
		if (n % 2 == 0)
			area_fill(a, i, 1, round);
	}
}

static void
report(int fd)
{
	if (fd >= 0 && write(fd, ".", 1) != 1)
		live_die("write: %s", strerror(errno));
}

int
main(int argc, char **argv)
{
	struct area a;
	double end;
	uint64_t round = 0;
	int fd = -1;

	if (argc < 3 || argc > 4)
		live_die("usage: steady MIB SECONDS [FILE]");
	if (argc == 4) {
		fd = open(argv[3], O_WRONLY | O_CREAT | O_APPEND, 0666);
		if (fd < 0)
			live_die("%s: %s", argv[3], strerror(errno));
	}
	signal(SIGTERM, on_term);
	area_new(&a, live_mib(argv[1]) / PAGE);
	area_fill(&a, 0, a.npages, 0);
	live_hold("full");
	end = live_now() + strtod(argv[2], NULL);
	do {
		round_of(&a, ++round);
		report(fd);
	} while (round < 2 || (!enough && live_now() < end));
	area_verify(&a, 0, a.npages, "steady, at the end");
	printf("steady: every byte right\n");
	return 0;
}
