/*
 * cases-fork.c: children, and other programs
 *
 * A child is served from its first instruction on, by an agent of its own if it
 * can have one; what it becomes by exec, setuid, chroot or a limit changes
 * nothing of that.  And programs that nobody wrote for this test.
 */
#include "fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int
case_fork(struct run *r)
{
	struct fake_space *s = client_start(r), *child, *grandchild;
	uint64_t addr;
	pid_t pid;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(client_take(r, s, addr, 8) == 0);
	CHECK_SAYS("clearenv", "ok");
	pid = atoi(run_ask(r, "fork"));
	CHECK((child = fake_client(&r->fake, 1)) != NULL);
	CHECK(pid > 0 && child->pid == pid && child->id != s->id);
	CHECK(client_take(r, child, addr, 4) < 0); /* these are out already */
	CHECK_SAYS("verify", "ok");
	pid = atoi(run_ask(r, "fork"));
	CHECK((grandchild = fake_client(&r->fake, 2)) != NULL);
	CHECK(pid > 0 && grandchild->pid == pid);
	CHECK(grandchild->id != child->id && grandchild->id != s->id);
	CHECK_SAYS("verify", "ok");
	CHECK_SAYS("fds", "fds 0 1 2");
	CHECK_SAYS("exit 3", "child 768");
	CHECK_SAYS("exit 4", "child 1024");
	CHECK_SAYS("verify", "ok");
	CHECK(run_finish(r) == 0);
	CHECK(run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_fork_agents_work(struct run *r)
{
	struct fake_space *s = client_start(r), *child;
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK((child = fake_client(&r->fake, 1)) != NULL);
	kill(r->pid, SIGSTOP);
	addr = strtoull(run_ask(r, "map 8"), NULL, 16);
	CHECK(fake_register(child, addr, 8) == 0);
	CHECK(client_take(r, child, addr, 8) == 0);
	CHECK_SAYS("verify", "ok");
	kill(r->pid, SIGCONT);
	CHECK_SAYS("exit 0", "child 0");
	return (0);
}

static int
case_forkstorm(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(client_take(r, s, addr, 16) == 0);
	CHECK_SAYS("forkstorm 8 10", "failed 0");
	CHECK(fake_client(&r->fake, 80) != NULL);
	CHECK(fake_client(&r->fake, 80)->hello.kind == PAGERD_HELLO_FORK);
	CHECK_SAYS("verify", "ok");
	CHECK(run_finish(r) == 0 && run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_other_children(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(client_take(r, s, addr, 16) == 0);
	CHECK_SAYS("rawfork", "child 0");
	CHECK_SAYS("vfork", "child 0");
	CHECK_SAYS("spawn", "child 0");
	CHECK_SAYS("system true && false", "child 256");
	CHECK_SAYS("verify", "ok");
	return (0);
}

static int
case_exec(struct run *r)
{
	struct fake_space *s = client_start(r);

	CHECK(s != NULL);
	CHECK(atoi(run_ask(r, "reexec")) == r->pid);
	CHECK((s = fake_client(&r->fake, 1)) != NULL);
	CHECK(s->pid == r->pid && s->hello.kind == PAGERD_HELLO_EXEC);
	CHECK(run_finish(r) == 0 && run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_setuid(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("setuid", "ok");
	CHECK(client_take(r, s, addr, 16) == 0);
	CHECK_SAYS("verify", "ok");
	return (0);
}

/*
 * The child of a process that changed its user cannot open its own
 * /proc/self/mem: it has no agent, and is served all the same.
 */
static int
case_setuid_fork(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("setuid", "ok");
	CHECK(client_take(r, s, addr, 16) == 0);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK_SAYS("verify", "ok");
	CHECK_SAYS("exit 0", "child 0");
	CHECK(fake_attached(&r->fake) == 1 && fake_spaces(&r->fake) == 2);
	CHECK(run_finish(r) == 0 && run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_unprivileged(struct run *r)
{
	struct fake_space *s;
	uint64_t addr;

	r->uid = 65534;
	CHECK((s = client_start(r)) != NULL);
	CHECK((addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(client_take(r, s, addr, 16) == 0);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK(fake_client(&r->fake, 1) != NULL);
	CHECK_SAYS("verify", "ok");
	return (0);
}

/* The child finds no socket, has no agent, and is served all the same. */
static int
case_chroot(struct run *r)
{
	struct fake_space *s = client_start(r);
	char command[128];
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(client_take(r, s, addr, 16) == 0);
	snprintf(command, sizeof(command), "chroot %s", r->fake.dir);
	CHECK_SAYS(command, "ok");
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK_SAYS("verify", "ok");
	CHECK_SAYS("exit 0", "child 0");
	CHECK(fake_attached(&r->fake) == 1 && fake_spaces(&r->fake) == 2);
	CHECK_SAYS("verify", "ok");
	CHECK(run_finish(r) == 0 && run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_few_fds(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("nofile 3", "ok");
	CHECK(client_take(r, s, addr, 16) == 0);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK_SAYS("verify", "ok");
	CHECK_SAYS("exit 0", "child 0");
	CHECK(fake_attached(&r->fake) == 1);
	CHECK(run_finish(r) == 0 && run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_eight_fds(struct run *r)
{
	r->limit_nofile = 8;
	CHECK(client_start(r) != NULL);
	CHECK(run_stderr(r)[0] == '\0');
	return (0);
}

static int
run_program(struct run *r, const char *path, const char *arg, const char *arg2)
{
	r->argv[0] = path;
	r->argv[1] = arg;
	r->argv[2] = arg2;
	if (access(path, X_OK) != 0)
		return (SKIPPED);
	CHECK(run_start(r) == 0 && run_finish(r) == 0);
	CHECK(fake_client(&r->fake, 0) != NULL);
	CHECK(run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_true(struct run *r)
{
	return (run_program(r, "/bin/true", NULL, NULL));
}

static int
case_bash(struct run *r)
{
	return (run_program(r, "/bin/bash", "-c",
	    "x=$(echo a | cat) && test \"$x\" = a && (exit 3); test $? = 3"));
}

static int
case_python(struct run *r)
{
	return (run_program(r, "/usr/bin/python3", "-c",
	    "import subprocess, os, sys; "
	    "p = os.fork() or os._exit(0); os.waitpid(p, 0); "
	    "sys.exit(subprocess.call(['/bin/true']))"));
}

static int
with_malloc(struct run *r, const char *lib)
{
	char preload[512];

	if (access(lib, R_OK) != 0)
		return (SKIPPED);
	snprintf(preload, sizeof(preload), "%s %s", lib, run_lib);
	r->preload = preload;
	return (case_fork(r));
}

#define LIBDIR "/usr/lib/x86_64-linux-gnu/"

static int
case_jemalloc(struct run *r)
{
	return (with_malloc(r, LIBDIR "libjemalloc.so.2"));
}

static int
case_tcmalloc(struct run *r)
{
	return (with_malloc(r, LIBDIR "libtcmalloc_minimal.so.4"));
}

const struct test_case fork_cases[] = {
	CASE(fork),
	CASE(fork_agents_work),
	CASE(forkstorm),
	CASE(other_children),
	CASE(exec),
	CASE(setuid),
	CASE(setuid_fork),
	CASE(unprivileged),
	CASE(chroot),
	CASE(few_fds),
	CASE(eight_fds),
	CASE(true),
	CASE(bash),
	CASE(python),
	CASE(jemalloc),
	CASE(tcmalloc),
	{ NULL, NULL },
};
