/*
 * client.c: a program to be managed
 *
 * Reads commands from stdin, one a line, and answers each with one line on
 * stdout.  A forked child goes on with the commands while its parent waits, so
 * "exit" ends the innermost process.  Input is read byte by byte: nothing is
 * read ahead that belongs to another process.
 */
#include "client.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HUGE (2ul << 20)
#define NOBODY 65534

unsigned char *memory;
static size_t npages;
static volatile sig_atomic_t handled;
static volatile pid_t handled_by;

void
say(const char *fmt, ...)
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

void
say_result(int ret)
{
	if (ret == 0)
		say("ok");
	else
		say("error %d", errno);
}

void
say_child(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	say("child %d", status);
}

int
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

unsigned char
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

int
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

/* Its mapping is several from then on. */
static void
cmd_split(const char *arg)
{
	say_result(mprotect(memory + strtoul(arg, NULL, 10) * PAGE, PAGE,
	    PROT_READ));
}

static void
cmd_mlockall(const char *arg)
{
	(void)arg;
	say_result(mlockall(MCL_CURRENT | MCL_FUTURE));
}

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

static const struct command own_commands[] = {
	{ "map", cmd_map },
	{ "verify", cmd_verify },
	{ "discard", cmd_discard },
	{ "split", cmd_split },
	{ "mlockall", cmd_mlockall },
	{ "fds", cmd_fds },
	{ "closeall", cmd_closeall },
	{ "setuid", cmd_setuid },
	{ "chroot", cmd_chroot },
	{ "nofile", cmd_nofile },
	{ "clearenv", cmd_clearenv },
	{ "signals", cmd_signals },
	{ "seccomp", cmd_seccomp },
	{ "strict", cmd_strict },
	{ "alone", cmd_alone },
	{ NULL, NULL },
};

static const struct command *
find(const char *name)
{
	static const struct command *const tables[] = { own_commands,
		proc_commands, mmap_commands };
	const struct command *c;
	size_t i;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (c = tables[i]; c->name != NULL; c++) {
			if (strcmp(c->name, name) == 0)
				return (c);
		}
	}
	return (NULL);
}

static void
run(char *line)
{
	char *arg = line + strcspn(line, " ");
	const struct command *c;

	if (*arg != '\0')
		*arg++ = '\0';
	c = find(line);
	if (c != NULL)
		c->run(arg);
	else
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
