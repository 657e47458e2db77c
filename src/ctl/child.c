/*
 * child.c: the command that `run` starts, and its signals
 *
 *	from			to pagerctl		passed on
 *	terminal		SI_KERNEL, to the group	no: it came there too
 *	kill(2), timer, ...	SI_USER, SI_QUEUE, ...	yes
 *	the command itself	SI_USER, its pid	no: kill(0, ...)
 *
 * A command that stops for job control stops pagerctl too, or the shell would
 * go on waiting; a command stopped by SIGSTOP does not: who stopped it alone
 * will continue it alone.
 */
#include "child.h"

#include <sys/wait.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

static const int never_caught[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
	SIGSYS, SIGABRT };
static const int terminating[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void
child_catch_signals(struct child *c)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	sigfillset(&c->caught);
	for (size_t i = 0; i < COUNT(never_caught); i++)
		sigdelset(&c->caught, never_caught[i]);
	sigprocmask(SIG_BLOCK, &c->caught, &c->mask_before);
	/* Inherited SIG_IGN would take the exit status away. */
	sigaction(SIGCHLD, &dfl, &c->chld_before);
}

void
child_restore_signals(const struct child *c)
{
	sigaction(SIGCHLD, &c->chld_before, NULL);
	sigprocmask(SIG_SETMASK, &c->mask_before, NULL);
}

int
child_interrupted(const struct child *c)
{
	struct sigaction sa;
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < COUNT(terminating); i++) {
		int sig = terminating[i];

		if (!sigismember(&pending, sig) ||
		    sigismember(&c->mask_before, sig))
			continue;
		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
			return sig;
	}
	return 0;
}

static _Noreturn void
become(const struct child *c, char **argv, const struct child_env *env)
{
	int error;

	for (; env->name != NULL; env++) {
		if (setenv(env->name, env->value, 1) != 0) {
			ctl_error("out of memory");
			_exit(CTL_FAILED);
		}
	}
	child_restore_signals(c);
	execvp(argv[0], argv);
	error = errno;
	ctl_error("cannot run '%s': %s; look at the file and its first line",
	    argv[0], strerror(error));
	_exit(error == ENOENT ? CTL_NOT_FOUND : CTL_NOT_EXECUTABLE);
}

int
child_start(struct child *c, char **argv, const struct child_env *env)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(c, argv, env);
	c->pid = pid;
	return 0;
}

/* The shell waits for pagerctl: stop as the command did. */
static void
stop_with(const struct child *c)
{
	sigset_t pending;

	sigpending(&pending);
	if (sigismember(&pending, SIGCONT))
		return; /* continued already, before this process stopped */
	raise(SIGSTOP);
	kill(c->pid, SIGCONT);
}

/* => true: it has ended */
static bool
reap(struct child *c)
{
	int status;
	pid_t pid;

	pid = waitpid(c->pid, &status, WNOHANG | WUNTRACED);
	if (pid != c->pid)
		return false;
	if (WIFEXITED(status)) {
		c->status = WEXITSTATUS(status);
		return true;
	}
	if (WIFSIGNALED(status)) {
		c->status = 128 + WTERMSIG(status);
		return true;
	}
	if (WIFSTOPPED(status) && WSTOPSIG(status) != SIGSTOP)
		stop_with(c);
	return false;
}

static void
pass_on(const struct child *c, int sig, const siginfo_t *info)
{
	if (info->si_code <= 0 && info->si_pid != c->pid)
		kill(c->pid, sig);
}

void
child_wait(struct child *c)
{
	siginfo_t info;
	bool ended = false;
	int sig;

	while (!ended) {
		sig = sigwaitinfo(&c->caught, &info);
		if (sig == SIGCHLD)
			ended = reap(c);
		else if (sig > 0)
			pass_on(c, sig, &info);
	}
}
