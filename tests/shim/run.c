#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

const char *run_lib, *run_client;

static void
set_limit(int what, unsigned long value)
{
	const struct rlimit rl = { value, value };

	if (value != 0)
		setrlimit(what, &rl);
}

static void
become_client(const struct run *r, int in, int out, char **envp)
{
	const char *client[] = { run_client, NULL };
	const char *const *argv = r->argv[0] != NULL ? r->argv : client;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(r->err, STDERR_FILENO);
	syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
	if (r->uid != 0 && (setgroups(0, NULL) != 0 || setgid(r->uid) != 0 ||
			       setuid(r->uid) != 0))
		_exit(98);
	set_limit(RLIMIT_AS, r->limit_as);
	set_limit(RLIMIT_NOFILE, r->limit_nofile);
	execve(argv[0], (char **)(uintptr_t)argv, envp);
	_exit(97);
}

static void
set_variable(char *buf, size_t size, const char *name, const char *value,
    const char *standard)
{
	if (value == NULL)
		value = standard;
	if (strcmp(value, RUN_UNSET) == 0)
		snprintf(buf, size, "UNUSED=");
	else
		snprintf(buf, size, "%s=%s", name, value);
}

static int
spawn(struct run *r)
{
	char preload[512], sock[256], group[128];
	char path[] = "PATH=/usr/bin:/bin", mark[] = "MARK=kept";
	char *envp[] = { preload, sock, group, path, mark, NULL };
	int in[2], out[2];

	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s",
	    r->preload != NULL ? r->preload : run_lib);
	set_variable(sock, sizeof(sock), PAGERD_ENV_SOCKET, r->socket,
	    r->fake.path);
	set_variable(group, sizeof(group), PAGERD_ENV_GROUP, r->group,
	    RUN_GROUP);
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return (-1);
	r->pid = fork();
	if (r->pid == 0)
		become_client(r, in[0], out[1], envp);
	close(in[0]);
	close(out[1]);
	r->in = in[1];
	r->out = out[0];
	r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	return (r->pid > 0 && r->pidfd >= 0 ? 0 : -1);
}

int
run_start(struct run *r)
{
	r->in = r->out = r->pidfd = -1;
	r->err = open("/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	if (fake_start(&r->fake) < 0 || r->err < 0 || spawn(r) < 0) {
		printf("# cannot start: %s\n", r->fake.error);
		return (-1);
	}
	return (0);
}

static int
ready(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return (poll(&pfd, 1, FAKE_WAIT_MS) == 1);
}

const char *
run_line(struct run *r)
{
	size_t len = 0;
	char c;

	while (len + 1 < sizeof(r->line) && ready(r->out) &&
	       read(r->out, &c, 1) == 1 && c != '\n')
		r->line[len++] = c;
	r->line[len] = '\0';
	return (r->line);
}

const char *
run_ask(struct run *r, const char *command)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "%s\n", command);

	if (write(r->in, line, (size_t)len) != len)
		return ("");
	return (run_line(r));
}

int
run_eof(struct run *r)
{
	char c;

	return (ready(r->out) && read(r->out, &c, 1) == 0);
}

int
run_wait(struct run *r)
{
	int status;

	if (!ready(r->pidfd) || waitpid(r->pid, &status, 0) != r->pid)
		return (-1);
	r->pid = 0;
	return (status);
}

int
run_finish(struct run *r)
{
	close(r->in);
	r->in = -1;
	return (run_wait(r));
}

const char *
run_stderr(struct run *r)
{
	static char text[2048];
	ssize_t len = pread(r->err, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return (text);
}

int
run_stop(struct run *r)
{
	const int left = r->pid;

	if (r->in >= 0)
		close(r->in);
	if (left > 0) {
		kill(-left, SIGKILL);
		waitpid(left, NULL, 0);
	}
	close(r->out);
	close(r->err);
	close(r->pidfd);
	fake_stop(&r->fake);
	if (r->fake.error[0] != '\0')
		printf("# the fake daemon: %s\n", r->fake.error);
	return (r->fake.error[0] != '\0' ? -1 : 0);
}
