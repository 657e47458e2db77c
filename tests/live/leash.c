/*
 * leash.c: runs a command, watches its memory, and lets nobody get away
 *
 * usage: leash REPORT NOT_COUNTED... -- COMMAND...
 *
 * All descendants stay ours: we are their subreaper.  A thread of its own
 * sums Pss_Anon of them all, every few milliseconds, and beside it Pss_Shmem
 * too ("peak_shared"); programs whose executable is one of NOT_COUNTED (the
 * pager itself) are left out.  A sum counts only if the same processes were
 * there before and after.  At the end
 * REPORT gets one JSON object.  Exits as the command did (128 + signal), or
 * with 99 if processes were left over.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROCS_MAX 512
#define EVERY_US 5000
#define ORPHANS_US 5000000

struct tree {
	size_t n;
	struct {
		pid_t pid;
		pid_t parent;
	} procs[PROCS_MAX];
};

static struct {
	char **not_counted;
	size_t nnot_counted;
	_Atomic bool stop;
	unsigned long samples;
	unsigned long discarded;
	unsigned long most_processes;
	uint64_t peak;
	uint64_t peak_at_us;
	uint64_t peak_shared;
} leash;

struct pss { /* bytes */
	uint64_t anon;
	uint64_t shmem;
};

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void
sleep_us(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

static size_t
read_file(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return 0;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	return (size_t)n;
}

static void
tree_add(struct tree *t, pid_t pid, pid_t parent)
{
	if (t->n < PROCS_MAX) {
		t->procs[t->n].pid = pid;
		t->procs[t->n++].parent = parent;
	}
}

/* Children are listed by the thread that made them. */
static void
tree_children(struct tree *t, pid_t pid)
{
	char path[64];
	char text[4096];
	struct dirent *e;
	char *p;
	char *end;
	long child;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.10s/children",
		    pid, e->d_name);
		read_file(path, text, sizeof(text));
		for (p = text; (child = strtol(p, &end, 10)) > 0; p = end)
			tree_add(t, (pid_t)child, pid);
	}
	closedir(dir);
}

static void
tree_read(struct tree *t)
{
	size_t i;

	t->n = 0;
	tree_children(t, getpid());
	for (i = 0; i < t->n; i++)
		tree_children(t, t->procs[i].pid);
}

static bool
tree_same(const struct tree *a, const struct tree *b)
{
	return a->n == b->n &&
	       memcmp(a->procs, b->procs, a->n * sizeof(a->procs[0])) == 0;
}

static bool
counted(pid_t pid)
{
	char path[64];
	char exe[PATH_MAX];
	ssize_t n;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n < 0)
		return false;
	exe[n] = '\0';
	for (i = 0; i < leash.nnot_counted; i++)
		if (strcmp(exe, leash.not_counted[i]) == 0)
			return false;
	return true;
}

static uint64_t
field(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p == NULL ? 0 : strtoull(p + strlen(name), NULL, 10) * 1024;
}

static void
add_pss(struct pss *sum, pid_t pid)
{
	char path[64];
	char text[4096];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	read_file(path, text, sizeof(text));
	sum->anon += field(text, "Pss_Anon:");
	sum->shmem += field(text, "Pss_Shmem:");
}

/* A child between vfork and exec has its parent's memory. */
static bool
borrows(pid_t pid, pid_t parent)
{
	return syscall(SYS_kcmp, pid, parent, KCMP_VM, 0, 0) == 0;
}

static void
sample(void)
{
	static struct tree before;
	static struct tree after;
	struct pss sum = { 0 };
	size_t i;

	tree_read(&before);
	for (i = 0; i < before.n; i++)
		if (counted(before.procs[i].pid) &&
		    !borrows(before.procs[i].pid, before.procs[i].parent))
			add_pss(&sum, before.procs[i].pid);
	tree_read(&after);
	if (!tree_same(&before, &after)) {
		leash.discarded++;
		return;
	}
	leash.samples++;
	if (before.n > leash.most_processes)
		leash.most_processes = before.n;
	if (sum.anon > leash.peak) {
		leash.peak = sum.anon;
		leash.peak_at_us = now_us();
	}
	if (sum.anon + sum.shmem > leash.peak_shared)
		leash.peak_shared = sum.anon + sum.shmem;
}

static void *
sampler(void *arg)
{
	(void)arg;
	while (!leash.stop) {
		sample();
		sleep_us(EVERY_US);
	}
	return NULL;
}

static void
report(const char *path, uint64_t start, size_t left)
{
	FILE *f = fopen(path, "w");
	uint64_t at = leash.peak_at_us > start ? leash.peak_at_us - start : 0;

	if (f == NULL)
		return;
	fprintf(f,
	    "{\"samples\": %lu, \"discarded\": %lu, \"processes\": %lu, "
	    "\"peak\": %llu, \"peak_at_us\": %llu, \"peak_shared\": %llu, "
	    "\"elapsed_us\": %llu, \"left\": %zu}\n",
	    leash.samples, leash.discarded, leash.most_processes,
	    (unsigned long long)leash.peak, (unsigned long long)at,
	    (unsigned long long)leash.peak_shared,
	    (unsigned long long)(now_us() - start), left);
	fclose(f);
}

/* => processes that did not end by themselves; they are killed */
static size_t
wait_for_orphans(void)
{
	static struct tree t;
	uint64_t end = now_us() + ORPHANS_US;
	size_t left = 0;
	size_t i;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (pid > 0)
			continue;
		if (now_us() > end) {
			tree_read(&t);
			left += t.n;
			for (i = 0; i < t.n; i++)
				kill(t.procs[i].pid, SIGKILL);
		}
		sleep_us(EVERY_US);
	}
	return left;
}

static pid_t
start(char **argv)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		execvp(argv[0], argv);
		fprintf(stderr, "leash: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	return pid;
}

static char **
parse(int argc, char **argv)
{
	int i;

	for (i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		leash.nnot_counted++;
	leash.not_counted = argv + 2;
	return i + 1 < argc ? argv + i + 1 : NULL;
}

int
main(int argc, char **argv)
{
	uint64_t began = now_us();
	char **command = parse(argc, argv);
	pthread_t thread;
	pid_t pid;
	size_t left;
	int status;

	if (command == NULL) {
		fprintf(stderr, "usage: leash REPORT NAME... -- COMMAND...\n");
		return 98;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	pid = start(command);
	if (pid < 0 || pthread_create(&thread, NULL, sampler, NULL) != 0)
		return 98;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 98;
	leash.stop = true;
	pthread_join(thread, NULL);
	left = wait_for_orphans();
	report(argv[1], began, left);
	if (left > 0)
		return 99;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
