/*
 * forks.c: forks while pages are out
 *
 * usage: forks CASE MIB
 *
 * A page's expected content is a function of who wrote it last, so that each
 * process knows its own memory although the tags are shared: a process that
 * writes keeps a copy of the tags.
 */
#include "live.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* => the child's tags are its own afterwards; parent returns the pid */
static pid_t
fork_with(struct area *a, pid_t (*forker)(void))
{
	uint64_t *copy = live_map_shared(a->npages * sizeof(*copy));
	pid_t pid;

	memcpy(copy, a->tags, a->npages * sizeof(*copy));
	pid = forker();
	if (pid < 0)
		live_die("fork: %s", strerror(errno));
	if (pid == 0)
		a->tags = copy;
	else
		munmap(copy, a->npages * sizeof(*copy));
	return pid;
}

static pid_t
raw_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

/* Writes every page of one half, compares all of them twice. */
static void
half(struct area *a, unsigned which, uint64_t salt, const char *who)
{
	size_t h = a->npages / 2;

	area_fill(a, which ? h : 0, h, salt);
	area_verify(a, 0, a->npages, who);
	area_verify(a, 0, a->npages, who);
}

static void
halves(struct area *a, pid_t (*forker)(void))
{
	pid_t pid = fork_with(a, forker);

	if (pid == 0) {
		half(a, 0, 100, "child");
		_exit(0);
	}
	half(a, 1, 200, "parent");
	live_hold("forked");
	live_wait(pid, "child");
	area_verify(a, 0, a->npages, "parent, alone again");
}

static void
case_halves(struct area *a)
{
	halves(a, fork);
}

static void
case_quiet_fork(struct area *a)
{
	halves(a, _Fork);
}

static void
case_raw_clone(struct area *a)
{
	halves(a, raw_clone);
}

/* Nobody touches anything before the children compare it. */
static void
case_read_only(struct area *a)
{
	pid_t pids[3];
	size_t i;

	for (i = 0; i < 3; i++) {
		pids[i] = fork_with(a, fork);
		if (pids[i] == 0) {
			area_verify(a, 0, a->npages, "reading child");
			_exit(0);
		}
	}
	area_verify(a, 0, a->npages, "reading parent");
	live_hold("forked");
	for (i = 0; i < 3; i++)
		live_wait(pids[i], "reading child");
}

static void
generations(struct area *a, unsigned left)
{
	size_t q = a->npages / 4;
	pid_t pid;

	if (left == 0)
		return;
	pid = fork_with(a, fork);
	if (pid == 0) {
		area_fill(a, (left % 4) * q, q, left);
		live_push_area(a);
		generations(a, left - 1);
		area_verify(a, 0, a->npages, "descendant");
		_exit(0);
	}
	area_fill(a, ((left + 1) % 4) * q, q, 1000 + left);
	area_verify(a, 0, a->npages, "ancestor");
	live_wait(pid, "descendant");
}

static void
case_grandchildren(struct area *a)
{
	generations(a, 4);
	live_hold("all back");
	area_verify(a, 0, a->npages, "eldest");
}

static void
many(struct area *a, pid_t (*forker)(void))
{
	enum {
		MANY = 16
	};
	pid_t pids[MANY];
	size_t part = a->npages / MANY;
	size_t i;

	for (i = 0; i < MANY; i++) {
		pids[i] = fork_with(a, forker);
		if (pids[i] == 0) {
			area_fill(a, i * part, part, 300 + i);
			area_verify(a, 0, a->npages, "one of many");
			_exit(0);
		}
	}
	area_fill(a, 0, part, 400);
	live_hold("forked");
	for (i = 0; i < MANY; i++)
		live_wait(pids[i], "one of many");
	area_verify(a, 0, a->npages, "parent of many");
}

static void
case_many(struct area *a)
{
	many(a, fork);
}

static void
case_many_raw(struct area *a)
{
	many(a, raw_clone);
}

/* => returns when every other writer of the pipe has ended */
static void
await_end(int ends[2])
{
	char c;

	close(ends[1]);
	while (read(ends[0], &c, 1) > 0)
		continue;
}

/* The parent ends first; the child goes on with what it inherited. */
static void
case_orphan(struct area *a)
{
	int done[2];
	int gone[2];
	pid_t pid;
	char c;

	if (pipe(done) < 0 || pipe(gone) < 0)
		live_die("pipe: %s", strerror(errno));
	pid = fork_with(a, fork);
	if (pid == 0) {
		if (fork_with(a, fork) != 0)
			_exit(0);
		await_end(gone);
		area_fill(a, 0, a->npages / 3, 500);
		live_push_area(a);
		area_verify(a, 0, a->npages, "orphan");
		_exit(write(done[1], "k", 1) == 1 ? 0 : 1);
	}
	live_hold("forked");
	live_wait(pid, "middle");
	close(done[1]);
	close(gone[1]);
	munmap(a->base, a->npages * PAGE);
	if (read(done[0], &c, 1) != 1)
		live_die("the orphan came to nothing");
}

static void
wipe(struct area *a, pid_t (*forker)(void))
{
	size_t h = a->npages / 2;
	unsigned char vec;
	pid_t pid;

	if (madvise(a->base, h * PAGE, MADV_WIPEONFORK) < 0 ||
	    madvise(a->base + h * PAGE, h / 2 * PAGE, MADV_DONTFORK) < 0)
		live_die("madvise: %s", strerror(errno));
	pid = fork_with(a, forker);
	if (pid == 0) {
		memset(a->tags, 0, h * sizeof(*a->tags));
		area_verify(a, 0, h, "wiped");
		if (mincore(a->base + h * PAGE, PAGE, &vec) == 0)
			live_die("MADV_DONTFORK is in the child");
		area_verify(a, h + h / 2, h - h / 2, "inherited");
		area_fill(a, 0, h, 600);
		area_verify(a, 0, h, "wiped and written");
		_exit(0);
	}
	live_hold("forked");
	live_wait(pid, "wiped");
	area_verify(a, 0, a->npages, "not wiped in the parent");
}

static void
case_wipe(struct area *a)
{
	wipe(a, fork);
}

static void
case_wipe_raw(struct area *a)
{
	wipe(a, raw_clone);
}

/* Parent and child change mappings that they share pages of. */
static void
case_remap(struct area *a)
{
	size_t n = a->npages;
	pid_t pid = fork_with(a, fork);

	if (pid == 0) {
		a->base =
		    mremap(a->base, n * PAGE, 2 * n * PAGE, MREMAP_MAYMOVE);
		if (a->base == MAP_FAILED)
			live_die("mremap: %s", strerror(errno));
		area_verify(a, 0, n, "moved child");
		munmap(a->base, n / 2 * PAGE);
		area_verify(a, n / 2, n - n / 2, "child, half unmapped");
		_exit(0);
	}
	if (madvise(a->base, n / 2 * PAGE, MADV_DONTNEED) < 0)
		live_die("madvise: %s", strerror(errno));
	memset(a->tags, 0, n / 2 * sizeof(*a->tags));
	live_hold("forked");
	area_verify(a, 0, n, "parent threw half away");
	live_wait(pid, "moved child");
}

/* => the other end of the pipe has written a byte, or is gone */
static void
await_byte(int fd)
{
	char c;

	while (read(fd, &c, 1) < 0 && errno == EINTR)
		continue;
}

static void
usage_child(struct area *a, int go, int written)
{
	await_byte(go);
	area_fill(a, 0, a->npages, 700);
	close(written);
	await_byte(go);
	area_verify(a, 0, a->npages, "child that wrote all");
	_exit(0);
}

/* The child leaves alone what it has from its parent; then it writes it all. */
static void
case_usage(struct area *a)
{
	int go[2], written[2];
	pid_t pid;

	if (pipe(go) < 0 || pipe(written) < 0)
		live_die("pipe: %s", strerror(errno));
	pid = fork_with(a, fork);
	if (pid == 0) {
		close(go[1]);
		usage_child(a, go[0], written[1]);
	}
	live_hold("forked");
	if (write(go[1], "w", 1) != 1)
		live_die("write: %s", strerror(errno));
	await_end(written);
	live_hold("written");
	close(go[1]);
	live_wait(pid, "child that wrote all");
	area_verify(a, 0, a->npages, "parent, alone again");
}

struct stir {
	struct area *a;
	_Atomic bool stop;
	_Atomic size_t rounds;
};

/* Rewrites each page of the upper half with what it holds already. */
static void *
stir(void *arg)
{
	struct stir *s = arg;
	size_t i = s->a->npages / 2;

	while (!s->stop) {
		page_expect(s->a->base + i * PAGE, s->a->tags[i], "stirred");
		page_fill(s->a->base + i * PAGE, s->a->tags[i]);
		if (++i == s->a->npages) {
			i = s->a->npages / 2;
			s->rounds++;
		}
	}
	return NULL;
}

/*
 * Forks while another thread faults and writes: each child must see some
 * state that the page had, and these are all the same.
 */
static void
threaded(struct area *a, pid_t (*forker)(void))
{
	struct stir s = { .a = a };
	pthread_t thread;
	pid_t pid;
	size_t i;

	if (pthread_create(&thread, NULL, stir, &s) != 0)
		live_die("pthread_create");
	for (i = 0; i < 12; i++) {
		pid = fork_with(a, forker);
		if (pid == 0) {
			area_verify(a, 0, a->npages / 2, "beside a thread");
			_exit(0);
		}
		live_wait(pid, "beside a thread");
	}
	live_hold("forked often");
	s.stop = true;
	pthread_join(thread, NULL);
	area_verify(a, 0, a->npages, "thread's work");
}

static void
case_threaded(struct area *a)
{
	threaded(a, fork);
}

static void
case_threaded_raw(struct area *a)
{
	threaded(a, raw_clone);
}

static const struct {
	const char *name;
	void (*run)(struct area *); /* the area is full, and out */
} cases[] = {
	{ "halves", case_halves },
	{ "usage", case_usage },
	{ "quiet-fork", case_quiet_fork },
	{ "raw-clone", case_raw_clone },
	{ "read-only", case_read_only },
	{ "grandchildren", case_grandchildren },
	{ "many", case_many },
	{ "many-raw", case_many_raw },
	{ "orphan", case_orphan },
	{ "wipe", case_wipe },
	{ "wipe-raw", case_wipe_raw },
	{ "remap", case_remap },
	{ "threaded", case_threaded },
	{ "threaded-raw", case_threaded_raw },
};

int
main(int argc, char **argv)
{
	struct area a;
	size_t i;

	if (argc != 3)
		live_die("usage: forks CASE MIB");
	setvbuf(stdout, NULL, _IONBF, 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, argv[1]) != 0)
			continue;
		area_new(&a, live_mib(argv[2]) / PAGE);
		area_fill(&a, 0, a.npages, 1);
		live_push_area(&a);
		cases[i].run(&a);
		printf("%s: every byte right\n", argv[1]);
		return 0;
	}
	live_die("no case \"%s\"", argv[1]);
}
