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
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
