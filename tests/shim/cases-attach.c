/*
 * cases-attach.c: who is managed, and what a program sees of it
 *
 * A program that is managed has one thread more and nothing else: no
 * descriptor, no signal, no output.  One that is not says why, in one line, and
 * runs.
 */
#include "fixture.h"

#include <sys/syscall.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define UNMANAGED ": this program runs unmanaged\n"

/* Without both variables the shim does nothing, and says nothing. */
static int
case_no_environment(struct run *r)
{
	r->group = RUN_UNSET;
	CHECK(run_start(r) == 0 && atoi(run_line(r)) == r->pid);
	CHECK_SAYS("alone", "threads 1");
	CHECK_SAYS("fds", "fds 0 1 2");
	CHECK(run_finish(r) == 0 && run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_handshake(struct run *r)
{
	struct fake_space *s = client_start(r);
	char path[64], name[32] = "";
	int fd;

	CHECK(s != NULL && s->pid == r->pid);
	CHECK(s->hello.kind == PAGERD_HELLO_EXEC);
	snprintf(path, sizeof(path), "/proc/%d/task/%u/comm", r->pid,
	    s->hello.agent_tid);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, name, sizeof(name) - 1) > 0);
	close(fd);
	CHECK(strcmp(name, "pagerd-agent\n") == 0);
	CHECK_SAYS("system test \"$MARK\" = kept", "child 0");
	CHECK(run_finish(r) == 0);
	CHECK(run_stderr(r)[0] == '\0');
	return (0);
}

/* task_status: a line of /proc/PID/task/TID/status, as a hexadecimal number */
static uint64_t
task_status(pid_t pid, uint32_t tid, const char *name)
{
	char path[64], line[128];
	uint64_t value = ~UINT64_C(0);
	FILE *fp;

	snprintf(path, sizeof(path), "/proc/%d/task/%u/status", pid, tid);
	fp = fopen(path, "r");
	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtoull(line + strlen(name), NULL, 16);
	}
	if (fp != NULL)
		fclose(fp);
	return (value);
}

static int
case_locked_down(struct run *r)
{
	struct fake_space *s = client_start(r);
	const uint32_t main_tid = (uint32_t)r->pid;

	CHECK(s != NULL);
	CHECK(task_status(r->pid, s->hello.agent_tid, "Seccomp:") == 2);
	CHECK(task_status(r->pid, s->hello.agent_tid, "NoNewPrivs:") == 1);
	CHECK(task_status(r->pid, s->hello.agent_tid, "CapEff:") == 0);
	CHECK(task_status(r->pid, s->hello.agent_tid, "CapPrm:") == 0);
	CHECK(task_status(r->pid, main_tid, "Seccomp:") == 0);
	CHECK(task_status(r->pid, main_tid, "NoNewPrivs:") == 0);
	CHECK(task_status(r->pid, main_tid, "CapEff:") ==
	      task_status(getpid(), (uint32_t)getpid(), "CapEff:"));
	return (0);
}

/* A program under a sandbox of its own, which forbids seccomp to the agent. */
static int
case_sandboxed(struct run *r)
{
	char command[64];
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL);
	snprintf(command, sizeof(command), "seccomp %d 1", SYS_seccomp);
	CHECK_SAYS(command, "ok");
	CHECK(atoi(run_ask(r, "reexec")) == r->pid);
	CHECK((s = fake_client(&r->fake, 1)) != NULL);
	addr = client_adopt(r, s, 8, "");
	CHECK(addr != 0 && client_take(r, s, addr, 8) == 0);
	CHECK_SAYS("verify", "ok");
	return (0);
}

static int
case_fds_invisible(struct run *r)
{
	char managed[256];

	CHECK(client_start(r) != NULL);
	snprintf(managed, sizeof(managed), "%s", run_ask(r, "fds"));
	CHECK(atoi(run_ask(r, "exec")) == r->pid); /* not managed from here */
	CHECK_SAYS("fds", managed);
	CHECK(strcmp(managed, "fds 0 1 2") == 0);
	return (0);
}

static int
case_closed_fds(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(write(r->in, "closeall\n", 9) == 9);
	CHECK(run_eof(r));
	CHECK(client_take(r, s, addr, 16) == 0);
	CHECK(client_staged(s, 5, 5) && client_absent(s, addr + 5 * PAGE));
	return (0);
}

static int
case_signals(struct run *r)
{
	CHECK(client_start(r) != NULL);
	CHECK_SAYS("signals", "signals 0 0 1");
	return (0);
}

static int
unmanaged(struct run *r, const char *why)
{
	const char *text;

	CHECK(run_start(r) == 0 && atoi(run_line(r)) == r->pid);
	CHECK_SAYS("fds", "fds 0 1 2");
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK_SAYS("exit 5", "child 1280");
	CHECK_SAYS("alone", "threads 1");
	CHECK(write(r->in, "exit 7\n", 7) == 7 && run_wait(r) == EXITED(7));
	text = run_stderr(r);
	CHECK(strncmp(text, "pagerd: ", 8) == 0 && strstr(text, why) != NULL);
	CHECK(strstr(text, UNMANAGED) != NULL);
	CHECK(strchr(text, '\n')[1] == '\0');
	return (0);
}

static int
case_empty_environment(struct run *r)
{
	r->socket = r->group = "";
	return (unmanaged(r, "PAGERD_SOCKET is not a path"));
}

static int
case_refused(struct run *r)
{
	r->fake.manner = FAKE_REFUSE;
	return (unmanaged(r, "refused by the daemon: not?today"));
}

static int
case_version(struct run *r)
{
	r->fake.manner = FAKE_WRONG_VERSION;
	return (unmanaged(r, "another version of the protocol"));
}

static int
case_hang_up(struct run *r)
{
	r->fake.manner = FAKE_HANG_UP;
	return (unmanaged(r, "greeting: Connection reset by peer"));
}

static int
case_no_daemon(struct run *r)
{
	r->socket = "/nonexistent/socket";
	return (unmanaged(r,
	    "cannot connect to /nonexistent/socket: No such file"));
}

static int
case_bad_group(struct run *r)
{
	r->group = "a5a5";
	return (unmanaged(r, "PAGERD_GROUP is not 32 hexadecimal digits"));
}

static int
case_foreign_daemon(struct run *r)
{
	r->fake.listen_uid = 65533;
	return (unmanaged(r, "neither root nor the user"));
}

static int
case_no_room(struct run *r)
{
	const char *text;

	r->limit_as = 3 << 20;
	r->argv[0] = "/bin/true";
	CHECK(run_start(r) == 0 && run_wait(r) == 0);
	text = run_stderr(r);
	CHECK(strstr(text, "no room for the agent") != NULL);
	CHECK(strstr(text, UNMANAGED) != NULL);
	return (0);
}

const struct test_case attach_cases[] = {
	CASE(no_environment),
	CASE(handshake),
	CASE(locked_down),
	CASE(sandboxed),
	CASE(fds_invisible),
	CASE(closed_fds),
	CASE(signals),
	CASE(empty_environment),
	CASE(refused),
	CASE(version),
	CASE(hang_up),
	CASE(no_daemon),
	CASE(bad_group),
	CASE(foreign_daemon),
	CASE(no_room),
	{ NULL, NULL },
};
