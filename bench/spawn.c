/*
 * spawn.c: what it costs to start a program
 *
 * usage: spawn TIMES REPORT PROGRAM [ARGUMENT...]
 *
 * Forks, executes PROGRAM and waits for its end, so many times.  REPORT gets
 * microseconds for each time.
 */
#include <sys/wait.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static void
run_once(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		bench_die("%s failed", argv[0]);
}

int
main(int argc, char **argv)
{
	uint64_t start;
	size_t times;
	FILE *f;

	if (argc < 4)
		bench_usage("TIMES REPORT PROGRAM [ARGUMENT...]");
	times = bench_number(argv[1], 1);
	run_once(argv + 3);
	start = bench_now_ns();
	for (size_t i = 0; i < times; i++)
		run_once(argv + 3);
	start = bench_now_ns() - start;
	f = bench_report(argv[2]);
	fprintf(f, "{\"spawn_us\": %.2f}\n",
	    (double)start / (double)times / 1000);
	bench_report_end(f);
	return 0;
}
