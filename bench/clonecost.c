/*
 * clonecost.c: what a clone costs, beside a fork() of the same memory
 *
 * usage: clonecost MIB REPORT
 *
 * Fills memory of its own, forks, and has the child read and write it; then
 * takes a snapshot, and starts itself twice as a program that clones it.  The
 * first one has the daemon bring every page into memory that both share, the
 * second one only maps it.  REPORT gets one JSON object.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <pagerd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE PAGERD_PAGE

struct cost { /* shared with a child */
	double clone_us;
	double read_ns, write_ns, write_unread_ns; /* a page */
};

static struct pagerd *pager;

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void
must(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "clonecost: %s: %s\n", what, strerror(-rc));
	exit(1);
}

static uint64_t *
word(char *mem, size_t page)
{
	return (uint64_t *)(void *)(mem + page * PAGE);
}

static void
check_page(char *mem, size_t page)
{
	if (*word(mem, page) == page + 1)
		return;
	fprintf(stderr, "clonecost: page %zu is wrong\n", page);
	exit(1);
}

/* The first half is read and then written, the second one only written. */
static void
use(char *mem, size_t npages, struct cost *c)
{
	size_t half = npages / 2, i;
	double start = now();

	for (i = 0; i < half; i++)
		check_page(mem, i);
	c->read_ns = (now() - start) / (double)half;
	start = now();
	for (i = 0; i < half; i++)
		*word(mem, i) = i;
	c->write_ns = (now() - start) / (double)half;
	start = now();
	for (i = half; i < npages; i++)
		*word(mem, i) = i;
	c->write_unread_ns = (now() - start) / (double)(npages - half);
}

static int
be_clone(const char *name, const char *mib)
{
	size_t npages = strtoul(mib, NULL, 10) * ((1 << 20) / PAGE);
	struct pagerd_region r;
	struct cost c;
	double start;

	start = now();
	must(pagerd_clone(pager, name), "pagerd_clone");
	c.clone_us = (now() - start) / 1e3;
	must(pagerd_query(pager, NULL, &r), "pagerd_query");
	use(r.addr, npages, &c);
	return write(STDOUT_FILENO, &c, sizeof(c)) == sizeof(c) ? 0 : 1;
}

static struct cost
run_clone(char *self, char *name, char *mib)
{
	char *argv[] = { self, mib, name, "clone", NULL };
	struct cost c = { 0 };
	int fds[2], status = -1;
	pid_t pid;

	must(pipe(fds) < 0 ? -errno : 0, "pipe");
	pid = fork();
	must(pid < 0 ? -errno : 0, "fork");
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execv(self, argv);
		_exit(126);
	}
	close(fds[1]);
	if (read(fds[0], &c, sizeof(c)) != sizeof(c) ||
	    waitpid(pid, &status, 0) != pid || status != 0)
		must(-5, "a clone");
	close(fds[0]);
	return c;
}

static struct cost
run_fork(char *mem, size_t npages)
{
	struct cost *c = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double start = now();
	pid_t pid = fork();

	if (pid == 0) {
		use(mem, npages, c);
		_exit(0);
	}
	c->clone_us = (now() - start) / 1e3;
	waitpid(pid, NULL, 0);
	return *c;
}

static void
print(FILE *f, const char *name, const struct cost *c, const char *end)
{
	fprintf(f,
	    "\"%s\": {\"us\": %.1f, \"read_ns\": %.1f, \"write_ns\": %.1f, "
	    "\"write_unread_ns\": %.1f}%s",
	    name, c->clone_us, c->read_ns, c->write_ns, c->write_unread_ns,
	    end);
}

static void
measure(char *self, char *mib, const char *report)
{
	size_t len = strtoul(mib, NULL, 10) << 20, npages = len / PAGE;
	struct cost forked, first, second;
	char name[] = "clonecost";
	void *mem;
	FILE *f;

	must(pagerd_map(pager, NULL, len, NULL, 0, 0, &mem), "pagerd_map");
	for (size_t i = 0; i < npages; i++)
		*word(mem, i) = i + 1;
	forked = run_fork(mem, npages);
	must(pagerd_snapshot(pager, name), "pagerd_snapshot");
	first = run_clone(self, name, mib);
	second = run_clone(self, name, mib);
	must(pagerd_drop(pager, name), "pagerd_drop");
	f = fopen(report, "w");
	if (f == NULL)
		must(-2, report);
	fputc('{', f);
	print(f, "fork", &forked, ", ");
	print(f, "first", &first, ", ");
	print(f, "second", &second, "}\n");
	fclose(f);
}

int
main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: clonecost MIB REPORT\n");
		return 2;
	}
	must(pagerd_open(NULL, &pager), "pagerd_open");
	if (argc == 4)
		return be_clone(argv[2], argv[1]);
	measure(argv[0], argv[1], argv[2]);
	return 0;
}
