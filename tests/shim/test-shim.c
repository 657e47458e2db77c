/*
 * test-shim: the shim against a fake daemon, on the real userfaultfd
 *
 *	test-shim SHIM CLIENT [CASE...]
 *
 * SHIM is preloaded into CLIENT, which does as it is told (client.c); the fake
 * daemon is in this process (fake.c).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static const struct test_case *const tables[] = { attach_cases, move_cases,
	mmap_cases, fork_cases, end_cases };

static int
wanted(const char *name, char **names)
{
	if (*names == NULL)
		return (1);
	for (; *names != NULL; names++) {
		if (strcmp(*names, name) == 0)
			return (1);
	}
	return (0);
}

static int
run_case(unsigned int n, const struct test_case *tc)
{
	struct run *r = calloc(1, sizeof(*r));
	int ret;

	if (r == NULL)
		return (-1);
	ret = tc->run(r);
	if (ret != SKIPPED && run_stop(r) < 0)
		ret = -1;
	free(r);
	printf("%sok %u - %s%s\n", ret < 0 ? "not " : "", n, tc->name,
	    ret == SKIPPED ? " # SKIP not installed" : "");
	fflush(stdout);
	return (ret);
}

int
main(int argc, char **argv)
{
	const struct test_case *tc;
	unsigned int i, n = 0;
	int failed = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: test-shim SHIM CLIENT [CASE...]\n");
		return (2);
	}
	if (geteuid() != 0 || access("/dev/userfaultfd", R_OK | W_OK) != 0) {
		printf("1..0 # SKIP needs root and /dev/userfaultfd\n");
		return (77);
	}
	signal(SIGPIPE, SIG_IGN);
	run_lib = argv[1];
	run_client = argv[2];
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (tc = tables[i]; tc->name != NULL; tc++) {
			if (wanted(tc->name, argv + 3) && run_case(++n, tc) < 0)
				failed++;
		}
	}
	printf("1..%u\n", n);
	return (failed != 0 || n == 0);
}
