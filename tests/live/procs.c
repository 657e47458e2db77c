/*
 * procs.c: what a process does to itself while its pages are out
 *
 * usage: procs CASE MIB [STAGE]
 */
#include "live.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOBODY 65534

extern char **environ;

static const char *size_text;
static const char *stage_text;

static _Noreturn void
read_for_ever(struct area *a)
{
	uint64_t rng = live_mix((uintptr_t)&a);
	size_t i;

	for (;;) {
		i = live_rng(&rng) % a->npages;
		page_expect(a->base + i * PAGE, a->tags[i], "reader");
	}
}

static void *
reader(void *arg)
{
	read_for_ever(arg);
}

static void
start_readers(struct area *a, size_t n)
{
	pthread_t thread;

	while (n-- > 0)
		if (pthread_create(&thread, NULL, reader, a) != 0)
			live_die("pthread_create");
}

/* Executes itself again and again, each time with pages out. */
static void
case_exec(struct area *a)
{
	int stage = stage_text == NULL ? 0 : atoi(stage_text);
	char next[16];
	char *argv[] = { "procs", "exec", (char *)(uintptr_t)size_text, next,
		NULL };

	live_hold("full");
	if (stage == 5) {
		area_verify(a, 0, a->npages, "last stage");
		return;
	}
	if (stage % 2 == 1)
		start_readers(a, 3);
	snprintf(next, sizeof(next), "%d", stage + 1);
	execv("/proc/self/exe", argv);
	live_die("exec: %s", strerror(errno));
}

/* Children end by every way there is while threads of theirs fault. */
static void
case_exit(struct area *a)
{
	size_t i;
	int status;
	pid_t pid;

	for (i = 0; i < 12; i++) {
		pid = fork();
		if (pid == 0) {
			start_readers(a, 4);
			area_verify(a, 0, 64 + i * 64, "before exit");
			if (i % 3 == 0)
				_exit(7);
			if (i % 3 == 1)
				exit(7);
			raise(SIGKILL);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			live_die("fork: %s", strerror(errno));
		if (i % 3 < 2 ? status != W_EXITCODE(7, 0)
			      : status != W_EXITCODE(0, SIGKILL))
			live_die("child %zu ended with %#x", i, status);
	}
	live_hold("children gone");
	area_verify(a, 0, a->npages, "after the children");
	start_readers(a, 4);
	area_verify(a, 0, 64, "last");
	printf("exit: every byte right\n");
	exit(0);
}

struct chunk {
	struct area *a;
	size_t from;
	size_t n;
};

static void *
chunk_verify(void *arg)
{
	struct chunk *c = arg;

	area_verify(c->a, c->from, c->n, "short thread");
	return NULL;
}

static void
case_threads(struct area *a)
{
	enum {
		AT_ONCE = 8,
		ROUNDS = 64
	};
	struct chunk chunks[AT_ONCE];
	pthread_t threads[AT_ONCE];
	size_t part = a->npages / AT_ONCE / ROUNDS;
	size_t round;
	size_t i;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < AT_ONCE; i++) {
			chunks[i] = (struct chunk){ a,
				(round * AT_ONCE + i) * part, part };
			if (pthread_create(&threads[i], NULL, chunk_verify,
				&chunks[i]) != 0)
				live_die("pthread_create");
		}
		for (i = 0; i < AT_ONCE; i++)
			pthread_join(threads[i], NULL);
	}
	live_push_area(a);
	live_hold("threads gone");
	area_verify(a, 0, a->npages, "after the threads");
}

static void *
finish_alone(void *arg)
{
	struct area *a = arg;

	area_verify(a, 0, a->npages, "last thread");
	live_hold("main thread gone");
	printf("main-exit: every byte right\n");
	exit(0);
}

/* The first thread ends; another one goes on. */
static void
case_main_exit(struct area *a)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, finish_alone, a) != 0)
		live_die("pthread_create");
	pthread_exit(NULL);
}

static void
expect_status(int got, int want, const char *what)
{
	if (got != W_EXITCODE(want, 0))
		live_die("%s: status %#x, not %d", what, got, want);
}

static void
spawn_one(int i)
{
	char code[32];
	char *argv[] = { "sh", "-c", code, NULL };
	int status;
	pid_t pid;

	snprintf(code, sizeof(code), "exit %d", i);
	if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) != 0)
		live_die("posix_spawn");
	if (waitpid(pid, &status, 0) != pid)
		live_die("wait: %s", strerror(errno));
	expect_status(status, i, "posix_spawn");
	pid = vfork();
	if (pid == 0) {
		execv("/bin/sh", argv);
		_exit(126);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		live_die("vfork: %s", strerror(errno));
	expect_status(status, i, "vfork");
	expect_status(system(code), i, "system");
}

static void
case_spawn(struct area *a)
{
	size_t part = a->npages / 10;
	FILE *f;
	char line[16];
	int i;

	for (i = 0; i < 10; i++) {
		spawn_one(i);
		f = popen("echo right", "r");
		if (f == NULL || fgets(line, sizeof(line), f) == NULL ||
		    strcmp(line, "right\n") != 0)
			live_die("popen said something else");
		expect_status(pclose(f), 0, "pclose");
		area_verify(a, (size_t)i * part, part, "between spawns");
		area_fill(a, (size_t)i * part, part, (uint64_t)i);
	}
	live_push_area(a);
	live_hold("spawned");
	area_verify(a, 0, a->npages, "after spawns");
}

static void
fork_and_verify(struct area *a, const char *what)
{
	pid_t pid = fork();

	if (pid == 0) {
		area_verify(a, 0, a->npages, what);
		_exit(0);
	}
	live_wait(pid, what);
}

static size_t
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	if (dir == NULL)
		live_die("/proc/self/fd: %s", strerror(errno));
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and the directory itself */
}

static void
case_close_fds(struct area *a)
{
	int fd;
	int i;

	for (i = 3; i < 1024; i++)
		close(i);
	fork_and_verify(a, "fds closed one by one");
	live_push_area(a);
	if (close_range(0, UINT_MAX, 0) < 0)
		_exit(5);
	area_verify(a, 0, a->npages, "fds closed");
	live_push_area(a);
	live_hold("fds closed");
	fd = open("/dev/null", O_RDWR);
	if (fd != 0 || dup(fd) != 1 || dup(fd) != 2)
		_exit(6);
	fork_and_verify(a, "fds closed, forked");
	area_verify(a, 0, a->npages, "fds closed, later");
	_exit(0);
}

static struct area *signal_area;
static _Atomic size_t signals_seen;

static void
on_alarm(int sig)
{
	struct area *a = signal_area;
	size_t i = signals_seen++ * 131 % a->npages;
	uint8_t local[PAGE];

	(void)sig;
	page_expect(a->base + i * PAGE, a->tags[i], "in a handler");
	memcpy(local, a->base + i * PAGE, PAGE);
	page_expect(local, a->tags[i], "on the alternate stack");
}

/* The kernel writes signal frames to a stack that is out. */
static void
case_altstack(struct area *a)
{
	size_t len = 64 * PAGE;
	stack_t ss = { .ss_sp = live_map(len), .ss_size = len };
	struct sigaction sa = { .sa_handler = on_alarm,
		.sa_flags = SA_ONSTACK | SA_RESTART };
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } };
	struct itimerval never = { 0 };
	size_t i;

	signal_area = a;
	if (sigaltstack(&ss, NULL) < 0 || sigaction(SIGALRM, &sa, NULL) < 0)
		live_die("sigaltstack: %s", strerror(errno));
	for (i = 0; i < 8; i++) {
		memset(ss.ss_sp, 0x33, len);
		live_push_out(ss.ss_sp, len);
		raise(SIGALRM);
	}
	setitimer(ITIMER_REAL, &every, NULL);
	area_verify(a, 0, a->npages, "beside signals");
	live_push_area(a);
	live_hold("signals");
	area_verify(a, 0, a->npages, "beside signals, later");
	while (signals_seen < 40)
		pause();
	setitimer(ITIMER_REAL, &never, NULL);
}

/* A blocked signal stays pending: no thread that we do not know takes it. */
static void
case_sigmask(struct area *a)
{
	struct timespec ten = { 10, 0 };
	sigset_t all;
	sigset_t was;
	siginfo_t info;
	size_t i;

	sigprocmask(SIG_SETMASK, NULL, &was);
	for (i = 1; i < 32; i++)
		if (sigismember(&was, (int)i) == 1)
			live_die("signal %zu was blocked at the start", i);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (i = 0; i < 200; i++) {
		kill(getpid(), i % 2 ? SIGTERM : SIGUSR1);
		area_verify(a, i * (a->npages / 200), 16, "signal pending");
		if (sigtimedwait(&all, &info, &ten) !=
		    (i % 2 ? SIGTERM : SIGUSR1))
			live_die("a blocked signal got lost");
	}
	live_push_area(a);
	live_hold("signals blocked");
	area_verify(a, 0, a->npages, "signals blocked");
	fork_and_verify(a, "signals blocked, forked");
}

static void
enter_chroot(void)
{
	const char *dir = getenv("TMPDIR");

	if (dir == NULL || chdir(dir) < 0 || chroot(".") < 0)
		live_die("chroot: %s", strerror(errno));
}

static void
become_nobody(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		live_die("setuid: %s", strerror(errno));
}

static void
forbid_fds(void)
{
	struct rlimit files = { 3, 3 };

	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		live_die("setrlimit: %s", strerror(errno));
}

/* Goes on with little: what was opened before must do. */
static void
restricted(struct area *a, void (*restrict_us)(void))
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	restrict_us();
	if (live_limit() > 0 &&
	    live_out_fd(pagemap, a->base, a->npages * PAGE) == 0)
		live_die("nothing is out");
	close(pagemap);
	area_verify(a, 0, a->npages, "restricted");
	area_fill(a, 0, a->npages / 2, 3);
	area_verify(a, 0, a->npages, "restricted, written");
}

/* A child that may do no more than that, while it inherits pages. */
static void
restricted_fork(struct area *a, void (*restrict_us)(void))
{
	restricted(a, restrict_us);
	fork_and_verify(a, "restricted, forked");
	area_verify(a, 0, a->npages, "restricted, after a fork");
}

static void
case_chroot(struct area *a)
{
	restricted(a, enter_chroot);
}

static void
case_chroot_fork(struct area *a)
{
	restricted_fork(a, enter_chroot);
}

static void
case_setuid(struct area *a)
{
	restricted(a, become_nobody);
}

static void
case_setuid_fork(struct area *a)
{
	restricted_fork(a, become_nobody);
}

static void
case_no_fds(struct area *a)
{
	restricted(a, forbid_fds);
}

static void
case_no_fds_fork(struct area *a)
{
	restricted_fork(a, forbid_fds);
}

/* Runs under a limit of address space that the runner has set. */
static void
case_small_space(struct area *a)
{
	void *p = mmap(NULL, (size_t)1 << 40, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p != MAP_FAILED)
		live_die("address space is not limited");
	live_hold("limited");
	area_verify(a, 0, a->npages, "in little address space");
	fork_and_verify(a, "in little address space, forked");
}

/* One thread that faults all the time may be told where to wake up. */
static void
case_affinity(struct area *a)
{
	cpu_set_t before, now;
	uint64_t rng = 1;
	size_t i, n;

	CPU_ZERO(&before);
	if (sched_getaffinity(0, sizeof(before), &before) < 0)
		live_die("sched_getaffinity");
	for (n = 0; n < 2 * a->npages; n++) {
		i = live_rng(&rng) % a->npages;
		page_expect(a->base + i * PAGE, a->tags[i], "affinity");
		CPU_ZERO(&now);
		if (sched_getaffinity(0, sizeof(now), &now) < 0 ||
		    !CPU_EQUAL(&before, &now))
			live_die("the affinity has changed");
	}
	live_hold("affinity");
}

static const struct {
	const char *name;
	void (*run)(struct area *); /* the area is full, and out */
} cases[] = {
	{ "affinity", case_affinity },
	{ "exec", case_exec },
	{ "exit", case_exit },
	{ "threads", case_threads },
	{ "main-exit", case_main_exit },
	{ "spawn", case_spawn },
	{ "close-fds", case_close_fds },
	{ "altstack", case_altstack },
	{ "sigmask", case_sigmask },
	{ "chroot", case_chroot },
	{ "chroot-fork", case_chroot_fork },
	{ "setuid", case_setuid },
	{ "setuid-fork", case_setuid_fork },
	{ "no-fds", case_no_fds },
	{ "no-fds-fork", case_no_fds_fork },
	{ "small-space", case_small_space },
};

static void
no_foreign_fds(void)
{
	if (count_fds() != 3)
		live_die("%zu descriptors are open at the start", count_fds());
}

int
main(int argc, char **argv)
{
	struct area a;
	size_t i;

	if (argc < 3 || argc > 4)
		live_die("usage: procs CASE MIB [STAGE]");
	setvbuf(stdout, NULL, _IONBF, 0);
	size_text = argv[2];
	stage_text = argv[3];
	no_foreign_fds();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, argv[1]) != 0)
			continue;
		area_new(&a, live_mib(argv[2]) / PAGE);
		area_fill(&a, 0, a.npages, 1);
		live_push_area(&a);
		no_foreign_fds();
		cases[i].run(&a);
		printf("%s: every byte right\n", argv[1]);
		return 0;
	}
	live_die("no case \"%s\"", argv[1]);
}
