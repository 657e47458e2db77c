/*
 * client.c: a program to be managed
 *
 * Reads commands from stdin, one a line, and answers each with one line on
 * stdout.  A forked child goes on with the commands while its parent waits, so
 * "exit" ends the innermost process.  Input is read byte by byte: nothing is
 * read ahead that belongs to another process.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doorbell.h"

#define PAGE 4096ul
#define HUGE (2ul << 20)
#define NOBODY 65534

extern char **environ;

static unsigned char *memory; /* the range that a test adopts */
static size_t npages;
static volatile sig_atomic_t handled;
static volatile pid_t handled_by;

static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	line[len++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		_exit(99);
}

static void
say_result(int ret)
{
	if (ret == 0)
		say("ok");
	else
		say("error %d", errno);
}

static int
read_line(char *line, size_t size)
{
	size_t len = 0;
	ssize_t got;
	char c;

	while ((got = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
		if (len + 1 < size)
			line[len++] = c;
	}
	line[len] = '\0';
	return (got == 1 ? 0 : -1);
}

/* ---- memory ---- */

static unsigned char
pattern(size_t page)
{
	return ((unsigned char)(page * 7 + 1));
}

static void
cmd_map(const char *arg)
{
	const int huge = strstr(arg, "huge") != NULL;
	const size_t len = strtoul(arg, NULL, 10) * PAGE;
	unsigned char *p;
	size_t i;

	p = mmap(NULL, len + HUGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		say_result(-1);
		return;
	}
	memory = (void *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	npages = len / PAGE;
	madvise(p, len + HUGE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = 0; i < npages; i++)
		memset(memory + i * PAGE, pattern(i), PAGE);
	say("%lx", (unsigned long)(uintptr_t)memory);
}

static int
intact(void)
{
	size_t i, j;

	for (i = 0; i < npages; i++) {
		for (j = 0; j < PAGE; j += 511) {
			if (memory[i * PAGE + j] != pattern(i))
				return (0);
		}
	}
	return (1);
}

static void
cmd_verify(const char *arg)
{
	(void)arg;
	say(intact() ? "ok" : "damaged");
}

/* Throws a page away; it reads zero from then on. */
static void
cmd_discard(const char *arg)
{
	say_result(madvise(memory + strtoul(arg, NULL, 10) * PAGE, PAGE,
	    MADV_DONTNEED));
}

static void
cmd_mlockall(const char *arg)
{
	(void)arg;
	say_result(mlockall(MCL_CURRENT | MCL_FUTURE));
}

/* ---- new mappings ---- */

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

static void
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
	int status;

	(void)arg;
	if (pid == 0)
		_exit(fresh_one("touch") == NULL ? 0 : 1);
	waitpid(pid, &status, 0);
	say("child %d", status);
}

static void
cmd_fresh_rawfork(const char *arg)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	int status;

	(void)arg;
	if (pid == 0)
		_exit(fresh_one("touch") == NULL ? 0 : 1);
	waitpid(pid, &status, 0);
	say("child %d", status);
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

/* ---- processes ---- */

static void
cmd_fork(const char *arg)
{
	pid_t pid;
	int status;

	(void)arg;
	pid = fork();
	if (pid == 0) {
		say("%d", getpid());
		return;
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		say_result(-1);
	else
		say("child %d", status);
}

/* A child that no fork handler knows of. */
static void
cmd_rawfork(const char *arg)
{
	pid_t pid;
	int status;

	(void)arg;
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(intact() ? 0 : 1);
	waitpid(pid, &status, 0);
	say("child %d", status);
}

static void
cmd_vfork(const char *arg)
{
	pid_t pid;
	int status;

	(void)arg;
	pid = vfork();
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	say("child %d", status);
}

static void
cmd_spawn(const char *arg)
{
	char name[] = "true";
	char *argv[] = { name, NULL };
	pid_t pid;
	int status;

	(void)arg;
	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0) {
		say_result(-1);
		return;
	}
	waitpid(pid, &status, 0);
	say("child %d", status);
}

static void
cmd_system(const char *arg)
{
	say("child %d", system(arg));
}

static void *
forker(void *arg)
{
	long i, failed = 0;
	pid_t pid;
	int status;

	for (i = 0; i < (long)(intptr_t)arg; i++) {
		pid = fork();
		if (pid == 0)
			_exit(intact() ? 0 : 1);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			failed++;
	}
	return ((void *)(intptr_t)failed);
}

/* forkstorm: several threads, each forking several times, all at once */
static void
cmd_forkstorm(const char *arg)
{
	pthread_t threads[16];
	int nthreads = 0, nforks = 0, i;
	long failed = 0;
	void *ret;

	sscanf(arg, "%d %d", &nthreads, &nforks);
	for (i = 0; i < nthreads && i < 16; i++)
		pthread_create(&threads[i], NULL, forker,
		    (void *)(intptr_t)nforks);
	for (i = 0; i < nthreads && i < 16; i++) {
		pthread_join(threads[i], &ret);
		failed += (long)(intptr_t)ret;
	}
	say("failed %ld", failed);
}

static void
cmd_exec(const char *arg)
{
	(void)arg;
	clearenv();
	execl("/proc/self/exe", "client", (char *)NULL);
	say_result(-1);
}

static void
cmd_reexec(const char *arg)
{
	(void)arg;
	execl("/proc/self/exe", "client", (char *)NULL);
	say_result(-1);
}

static void
cmd_exit(const char *arg)
{
	exit(atoi(arg));
}

static void
cmd_raise(const char *arg)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	raise(atoi(arg));
}

/* rawexit: the main thread alone leaves, and there is no other */
static void
cmd_rawexit(const char *arg)
{
	syscall(SYS_exit, atoi(arg));
}

/* Goes on, after the main thread has left, until stdin ends. */
static void *
survivor(void *arg)
{
	char line[64];

	(void)arg;
	while (read_line(line, sizeof(line)) == 0)
		say(intact() ? "ok" : "damaged");
	syscall(SYS_exit, 0);
	return (NULL);
}

static void
cmd_orphan(const char *arg)
{
	pthread_t thread;

	pthread_create(&thread, NULL, survivor, NULL);
	say("ok");
	syscall(SYS_exit, atoi(arg));
}

/* ---- what a program does to itself ---- */

static void
cmd_fds(const char *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	char line[200] = "fds";
	struct dirent *e;

	(void)arg;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(dir))
			continue;
		strncat(line, " ", sizeof(line) - strlen(line) - 1);
		strncat(line, e->d_name, sizeof(line) - strlen(line) - 1);
	}
	closedir(dir);
	say("%s", line);
}

static void
cmd_closeall(const char *arg)
{
	(void)arg;
	syscall(SYS_close_range, 0, ~0u, 0);
	for (;;)
		pause();
}

static void
cmd_setuid(const char *arg)
{
	(void)arg;
	say_result(setgroups(0, NULL) | setresgid(NOBODY, NOBODY, NOBODY) |
		   setresuid(NOBODY, NOBODY, NOBODY));
}

static void
cmd_chroot(const char *arg)
{
	say_result(chroot(arg) | chdir("/"));
}

static void
cmd_nofile(const char *arg)
{
	const struct rlimit rl = { strtoul(arg, NULL, 10),
		strtoul(arg, NULL, 10) };

	say_result(setrlimit(RLIMIT_NOFILE, &rl));
}

static void
cmd_clearenv(const char *arg)
{
	(void)arg;
	say_result(clearenv());
}

static void
on_signal(int sig)
{
	(void)sig;
	handled++;
	handled_by = (pid_t)syscall(SYS_gettid);
}

/*
 * signals: with every signal blocked in the only thread, none may be handled:
 * the agent does not take them; unblocked, this thread handles each
 */
static void
cmd_signals(const char *arg)
{
	static const int sigs[] = { SIGHUP, SIGUSR1, SIGTERM, SIGCHLD, SIGALRM,
		SIGURG, SIGWINCH };
	const int n = sizeof(sigs) / sizeof(sigs[0]);
	struct sigaction sa = { .sa_handler = on_signal }, old;
	sigset_t all, none;
	int i, before;

	(void)arg;
	sigprocmask(SIG_SETMASK, NULL, &none);
	if (!sigisemptyset(&none)) {
		say("born with signals blocked");
		return;
	}
	for (i = 0; i < n; i++) {
		sigaction(sigs[i], &sa, &old);
		if (old.sa_handler != SIG_DFL) {
			say("born with a handler");
			return;
		}
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (i = 0; i < n; i++)
		kill(getpid(), sigs[i]);
	before = handled;
	sigprocmask(SIG_SETMASK, &none, NULL);
	say("signals %d %d %d", before, (int)handled - n,
	    handled_by == getpid());
}

static int
install_filter(struct sock_filter *insns, unsigned short n, unsigned int flags)
{
	struct sock_fprog prog = { .len = n, .filter = insns };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return ((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags,
	    &prog));
}

/* seccomp NR ERRNO: refuse one system call, in this thread and what follows */
static void
cmd_seccomp(const char *arg)
{
	unsigned int nr = 0, error = 0;
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	sscanf(arg, "%u %u", &nr, &error);
	insns[1].k = nr;
	insns[2].k |= error;
	say_result(install_filter(insns, 4, 0));
}

/* strict HOW: any system call but these ends the process */
static void
cmd_strict(const char *arg)
{
	static const unsigned int nrs[] = { SYS_mmap, SYS_munmap, SYS_write,
		SYS_exit_group };
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nrs[0], 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nrs[1], 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nrs[2], 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nrs[3], 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	if (install_filter(insns, 7, 0) < 0)
		say_result(-1);
	else
		cmd_fresh(arg);
	syscall(SYS_exit_group, 0);
}

static int
thread_count(void)
{
	char line[256];
	int n = -1;
	FILE *fp = fopen("/proc/self/status", "r");

	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL)
		sscanf(line, "Threads: %d", &n);
	if (fp != NULL)
		fclose(fp);
	return (n);
}

/*
 * alone: is this the only thread?  One that ends lets go of its memory and its
 * descriptors first, and is counted a moment longer.
 */
static void
cmd_alone(const char *arg)
{
	int tries = 5000, n;

	(void)arg;
	while ((n = thread_count()) != 1 && tries-- > 0)
		usleep(1000);
	say("threads %d", n);
}

static const struct command {
	const char *name;
	void (*run)(const char *);
} commands[] = {
	{ "map", cmd_map },
	{ "verify", cmd_verify },
	{ "discard", cmd_discard },
	{ "mlockall", cmd_mlockall },
	{ "fork", cmd_fork },
	{ "rawfork", cmd_rawfork },
	{ "vfork", cmd_vfork },
	{ "spawn", cmd_spawn },
	{ "system", cmd_system },
	{ "forkstorm", cmd_forkstorm },
	{ "exec", cmd_exec },
	{ "reexec", cmd_reexec },
	{ "exit", cmd_exit },
	{ "raise", cmd_raise },
	{ "rawexit", cmd_rawexit },
	{ "orphan", cmd_orphan },
	{ "fds", cmd_fds },
	{ "closeall", cmd_closeall },
	{ "setuid", cmd_setuid },
	{ "chroot", cmd_chroot },
	{ "nofile", cmd_nofile },
	{ "clearenv", cmd_clearenv },
	{ "signals", cmd_signals },
	{ "seccomp", cmd_seccomp },
	{ "strict", cmd_strict },
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
	{ "alone", cmd_alone },
};

static void
run(char *line)
{
	const size_t n = sizeof(commands) / sizeof(commands[0]);
	char *arg = line + strcspn(line, " ");
	size_t i;

	if (*arg != '\0')
		*arg++ = '\0';
	for (i = 0; i < n; i++) {
		if (strcmp(line, commands[i].name) == 0) {
			commands[i].run(arg);
			return;
		}
	}
	say("no command %s", line);
}

int
main(void)
{
	char line[256];

	say("%d", getpid());
	while (read_line(line, sizeof(line)) == 0)
		run(line);
	return (0);
}
