/*
 * client-proc.c: a program to be managed: its children, and its end
 */
#include "client.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

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

	(void)arg;
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(intact() ? 0 : 1);
	say_child(pid);
}

static void
cmd_vfork(const char *arg)
{
	pid_t pid;

	(void)arg;
	pid = vfork();
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	say_child(pid);
}

static void
cmd_spawn(const char *arg)
{
	char name[] = "true";
	char *argv[] = { name, NULL };
	pid_t pid;

	(void)arg;
	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0) {
		say_result(-1);
		return;
	}
	say_child(pid);
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

const struct command proc_commands[] = {
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
	{ NULL, NULL },
};
