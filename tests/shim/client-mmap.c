/*
 * client-mmap.c: a program to be managed: new mappings, and doorbells
 *
 * Each mapping is used as a program would: written, read back, unmapped.  By
 * how many pages the daemon had to bring, the test knows what was announced.
 */
#include "client.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doorbell.h"

#define FRESH_PAGES 512u

static const struct fresh {
	const char *name;
	size_t npages;
	int prot, flags;
	int advice;     /* or -1 */
	bool populated; /* when mmap() returns */
} freshes[] = {
	{ "touch", 512, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1, false },
	{ "noreserve", 512, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE,
	    -1, false },
	{ "huge", 1024, PROT_READ | PROT_WRITE, MAP_PRIVATE, MADV_HUGEPAGE,
	    false },
	{ "populate", 512, PROT_READ | PROT_WRITE, MAP_PRIVATE,
	    23 /* MADV_POPULATE_WRITE */, false },
	{ "map-populate", 512, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_POPULATE, -1, true },
	{ "nonblock", 512, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_POPULATE | MAP_NONBLOCK, -1, false },
	{ "small", 255, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1, false },
	{ "shared", 512, PROT_READ | PROT_WRITE, MAP_SHARED, -1, false },
	{ "stack", 512, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_STACK, -1,
	    false },
	{ "down", 512, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN, -1,
	    false },
	{ "locked", 512, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_LOCKED, -1,
	    true },
	{ "executable", 512, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE,
	    -1, false },
};

static size_t
present(unsigned char *p, size_t n)
{
	unsigned char vec[1024];
	size_t i, found = 0;

	mincore(p, n * PAGE, vec);
	for (i = 0; i < n; i++)
		found += vec[i] & 1;
	return (found);
}

/* => what is wrong, or NULL */
static const char *
fresh_check(const struct fresh *f, unsigned char *p)
{
	size_t i;

	if (f->populated && present(p, f->npages) != f->npages)
		return ("not populated");
	if (f->advice >= 0 && madvise(p, f->npages * PAGE, f->advice) < 0)
		return ("madvise");
	for (i = 0; i < f->npages; i++) {
		if (p[i * PAGE] != 0 || p[i * PAGE + PAGE - 1] != 0)
			return ("not zero");
		memset(p + i * PAGE, pattern(i), PAGE);
	}
	for (i = 0; i < f->npages; i++) {
		if (p[i * PAGE] != pattern(i) || p[i * PAGE + 77] != pattern(i))
			return ("damaged");
	}
	return (NULL);
}

/* The descriptor does not matter. */
static const char *
fresh_one(const char *name)
{
	const struct fresh *f = freshes;
	const char *wrong;
	unsigned char *p;

	while (strcmp(f->name, name) != 0) {
		if (++f == freshes + sizeof(freshes) / sizeof(freshes[0]))
			return ("no such mapping");
	}
	errno = 77;
	p = mmap(NULL, f->npages * PAGE - 5, f->prot, f->flags | MAP_ANONYMOUS,
	    f->npages % 5 == 2 ? 99 : -1, 0);
	if (p == MAP_FAILED)
		return ("mmap");
	if (errno != 77)
		return ("errno");
	wrong = fresh_check(f, p);
	munmap(p, f->npages * PAGE);
	return (wrong);
}

static void
say_wrong(const char *wrong)
{
	say("%s", wrong == NULL ? "ok" : wrong);
}

void
cmd_fresh(const char *arg)
{
	say_wrong(fresh_one(arg));
}

/* fresh-many N: one after the other */
static void
cmd_fresh_many(const char *arg)
{
	const char *wrong = NULL;
	int n;

	for (n = atoi(arg); n > 0 && wrong == NULL; n--)
		wrong = fresh_one("touch");
	say_wrong(wrong);
}

/* In the middle of a mapping that is there, over it. */
static void
cmd_fresh_fixed(const char *arg)
{
	unsigned char *at = memory + 16 * PAGE, *p;

	(void)arg;
	p = mmap(at, FRESH_PAGES * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	say_wrong(p == at ? fresh_check(&freshes[0], p) : "elsewhere");
}

static void
cmd_map_errors(const char *arg)
{
	static const int want[] = { EINVAL, EINVAL, ENOMEM, EBADF };
	const int rw = PROT_READ | PROT_WRITE;
	const int anon = MAP_PRIVATE | MAP_ANONYMOUS;
	void *p[4];
	int got[4], i;

	(void)arg;
	for (i = 0; i < 4; i++) {
		p[i] = i == 0   ? mmap(NULL, 0, rw, anon, -1, 0)
		       : i == 1 ? mmap64(NULL, 1 << 21, rw, anon, -1, 77)
		       : i == 2 ? mmap(NULL, 1ul << 60, rw, anon, -1, 0)
				: mmap(NULL, 1 << 21, rw, MAP_PRIVATE, 99, 0);
		got[i] = errno;
	}
	for (i = 0; i < 4; i++) {
		if (p[i] != MAP_FAILED || got[i] != want[i]) {
			say("mapping %d: %p, errno %d", i, p[i], got[i]);
			return;
		}
	}
	say("ok");
}

static volatile sig_atomic_t stop_mapping;

static void *
map_often(void *arg)
{
	const char *wrong = NULL;
	long n;

	for (n = (long)(intptr_t)arg; n != 0 && !stop_mapping; n--) {
		wrong = fresh_one("touch");
		if (wrong != NULL)
			break;
	}
	return ((void *)(uintptr_t)wrong);
}

static pthread_t mappers[8];

/* mappers N: eight threads, each with N mappings one after the other; -1: any
 */
static void
cmd_mappers(const char *arg)
{
	int i;

	stop_mapping = 0;
	for (i = 0; i < 8; i++)
		pthread_create(&mappers[i], NULL, map_often,
		    (void *)(intptr_t)atoi(arg));
	say("ok");
}

static void
cmd_join_mappers(const char *arg)
{
	const char *wrong = NULL;
	void *ret;
	int i;

	if (strcmp(arg, "stop") == 0)
		stop_mapping = 1;
	for (i = 0; i < 8; i++) {
		pthread_join(mappers[i], &ret);
		wrong = wrong == NULL ? ret : wrong;
	}
	say_wrong(wrong);
}

static volatile sig_atomic_t mapped_by_handler;

static void
map_in_handler(int sig)
{
	(void)sig;
	mapped_by_handler = fresh_one("touch") == NULL;
}

/* The handler also runs while its thread is at a doorbell. */
static void
cmd_signal_mapper(const char *arg)
{
	struct sigaction sa = { .sa_handler = map_in_handler };

	sigaction(SIGUSR1, &sa, NULL);
	if (strcmp(arg, "self") == 0) {
		raise(SIGUSR1);
	} else {
		pthread_create(&mappers[0], NULL, map_often, (void *)1);
		usleep(300000);
		pthread_kill(mappers[0], SIGUSR1);
		usleep(300000);
	}
	say(mapped_by_handler ? "ok" : "not yet");
}

static volatile sig_atomic_t forked_in_handler, forked_status = -1;

static void
fork_in_handler(int sig)
{
	pid_t pid = fork();
	int status;

	(void)sig;
	forked_in_handler = pid == 0;
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		forked_status = status;
}

static void *
fork_at_doorbell(void *arg)
{
	const char *wrong = fresh_one("touch");

	(void)arg;
	if (forked_in_handler)
		_exit(wrong != NULL || fresh_one("touch") != NULL);
	return ((void *)(uintptr_t)wrong);
}

static void
cmd_fork_mapper(const char *arg)
{
	struct sigaction sa = { .sa_handler = fork_in_handler };

	(void)arg;
	sigaction(SIGUSR2, &sa, NULL);
	pthread_create(&mappers[0], NULL, fork_at_doorbell, NULL);
	usleep(300000);
	pthread_kill(mappers[0], SIGUSR2);
	say("ok");
}

static void
cmd_join_mapper(const char *arg)
{
	void *wrong;

	(void)arg;
	pthread_join(mappers[0], &wrong);
	if (wrong != NULL)
		say("%s", (const char *)wrong);
	else
		say("ok %d %d", mapped_by_handler, forked_status);
}

/* fresh-vfork: before its execve() a vfork child runs in our memory */
static void
cmd_fresh_vfork(const char *arg)
{
	pid_t pid = vfork();

	(void)arg;
	if (pid == 0)
		_exit(fresh_one("touch") == NULL ? 0 : 1);
	say_child(pid);
}

static void
cmd_fresh_rawfork(const char *arg)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	(void)arg;
	if (pid == 0)
		_exit(fresh_one("touch") == NULL ? 0 : 1);
	say_child(pid);
}

/* => the doorbells, or NULL: the only private 64 pages that are read-only */
static struct doorbells *
find_doorbells(void)
{
	unsigned long start, end, inode, found = 0;
	char line[512], perms[8];
	FILE *fp = fopen("/proc/self/maps", "r");

	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL) {
		if (sscanf(line, "%lx-%lx %7s %*x %*s %lu", &start, &end, perms,
			&inode) == 4 &&
		    strcmp(perms, "r--p") == 0 && inode == 0 &&
		    end - start == DOORBELLS * PAGE)
			found = start - PAGE;
	}
	if (fp != NULL)
		fclose(fp);
	return ((struct doorbells *)found);
}

/* doorbells WHAT: a program that does to them what none should */
static void
cmd_doorbells(const char *arg)
{
	struct doorbells *d = find_doorbells();
	uint32_t i;

	if (d == NULL) {
		say("not found");
		return;
	}
	for (i = 0; i < DOORBELLS && strcmp(arg, "touch") != 0; i++) {
		d->bell[i].state = BELL_RUNG;
		d->bell[i].start = i % 2 ? 0x1234567 : (uintptr_t)d;
		d->bell[i].len = ~0ull - i * PAGE / 2;
	}
	for (i = 0; i < DOORBELLS; i++)
		(void)*(volatile char *)doorbell_page(d, i);
	if (strcmp(arg, "garbage") == 0)
		memset(d, 0x55, PAGE);
	if (strcmp(arg, "unmap") == 0)
		munmap((char *)d + PAGE, DOORBELLS * PAGE);
	say("ok");
}

const struct command mmap_commands[] = {
	{ "fresh", cmd_fresh },
	{ "fresh-many", cmd_fresh_many },
	{ "fresh-fixed", cmd_fresh_fixed },
	{ "fresh-vfork", cmd_fresh_vfork },
	{ "fresh-rawfork", cmd_fresh_rawfork },
	{ "map-errors", cmd_map_errors },
	{ "mappers", cmd_mappers },
	{ "join-mappers", cmd_join_mappers },
	{ "signal-mapper", cmd_signal_mapper },
	{ "fork-mapper", cmd_fork_mapper },
	{ "join-mapper", cmd_join_mapper },
	{ "doorbells", cmd_doorbells },
	{ NULL, NULL },
};
