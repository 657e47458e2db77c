/*
 * cases-end.c: the end of the daemon, of the agent, of the program
 *
 * A daemon that is lost ends the program if pages are out, and else nothing; an
 * agent that is released leaves no trace; a program ends as it would have.
 */
#include "fixture.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int
case_daemon_lost_early(struct run *r)
{
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_adopt(r, s, 16, "") != 0);
	fake_hang_up(s);
	CHECK_SAYS("verify", "ok");
	CHECK(write(r->in, "exit 7\n", 7) == 7 && run_wait(r) == EXITED(7));
	CHECK(run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_daemon_lost(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(client_take(r, s, addr, 1) == 0);
	fake_hang_up(s);
	return (client_killed(r));
}

/* As above, after the program has given up its privileges. */
static int
case_daemon_lost_setuid(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("setuid", "ok");
	CHECK(client_take(r, s, addr, 1) == 0);
	fake_hang_up(s);
	return (client_killed(r));
}

static int
case_daemon_lost_inherited(struct run *r)
{
	struct fake_space *s;

	r->fake.ready_flags = PAGERD_READY_INHERITED;
	CHECK((s = client_start(r)) != NULL);
	fake_hang_up(s);
	return (client_killed(r));
}

/* A packet that is not as the protocol has it ends the connection. */
static int
case_bad_packet(struct run *r)
{
	struct fake_space *s = client_start(r);
	struct pagerd_msg bad = { PAGERD_PROTOCOL_VERSION, PAGERD_MSG_EMPTY,
		sizeof(bad) };
	char byte;

	CHECK(s != NULL);
	CHECK(send(s->sock, &bad, sizeof(bad), MSG_NOSIGNAL) == sizeof(bad));
	CHECK(recv(s->sock, &byte, 1, 0) == 0);
	CHECK_SAYS("alone", "threads 1");
	return (0);
}

static int
case_release(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(client_take(r, s, addr, 16) == 0);
	CHECK_SAYS("verify", "ok");
	CHECK(fake_release(s) == 0);
	fake_close_space(&r->fake, s);
	CHECK_SAYS("verify", "ok");
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK_SAYS("verify", "ok");
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK_SAYS("alone", "threads 1");
	CHECK_SAYS("exit 0", "child 0");
	CHECK_SAYS("exit 0", "child 0");
	CHECK(fake_spaces(&r->fake) == 1);
	CHECK(run_finish(r) == 0 && run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_exit_status(struct run *r)
{
	CHECK(client_start(r) != NULL);
	CHECK(write(r->in, "exit 42\n", 8) == 8);
	CHECK(run_wait(r) == EXITED(42));
	return (0);
}

static int
case_signal_status(struct run *r)
{
	int status;

	CHECK(client_start(r) != NULL);
	CHECK(write(r->in, "raise 11\n", 9) == 9);
	status = run_wait(r);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	return (0);
}

static int
case_last_thread(struct run *r)
{
	CHECK(client_start(r) != NULL);
	CHECK(write(r->in, "rawexit 6\n", 10) == 10);
	CHECK(run_wait(r) == EXITED(6));
	return (0);
}

/*
 * Management goes on without the main thread; statm still counts.  The status
 * of the last thread is lost, that of the main thread stands for it.
 */
static int
case_orphan_thread(struct run *r)
{
	struct fake_space *s = client_start(r);
	char statm[128] = "";
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("orphan 9", "ok");
	CHECK(client_take(r, s, addr, 16) == 0);
	CHECK(pread(s->fds[PAGERD_FD_STATM], statm, sizeof(statm) - 1, 0) > 0);
	CHECK(atoi(statm) > 256);
	CHECK_SAYS("verify", "ok");
	CHECK(run_finish(r) == EXITED(9));
	return (0);
}

const struct test_case end_cases[] = {
	CASE(daemon_lost_early),
	CASE(daemon_lost),
	CASE(daemon_lost_setuid),
	CASE(daemon_lost_inherited),
	CASE(bad_packet),
	CASE(release),
	CASE(exit_status),
	CASE(signal_status),
	CASE(last_thread),
	CASE(orphan_thread),
	{ NULL, NULL },
};
