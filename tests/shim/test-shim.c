/*
 * test-shim: the shim against a fake daemon, on the real userfaultfd
 *
 *	test-shim SHIM CLIENT [CASE...]
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define PAGE ((uint64_t)PAGERD_PAGE_SIZE)
#define UNMANAGED ": this program runs unmanaged\n"

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);    \
			printf("# line: %s\n# stderr: %s\n", r->line,          \
			    run_stderr(r));                                    \
			return (-1);                                           \
		}                                                              \
	} while (0)
#define CHECK_SAYS(command, answer)                                            \
	CHECK(strcmp(run_ask(r, command), answer) == 0)
#define SKIPPED 1 /* a case that did not even start a client */
#define EXITED(status) ((status) << 8)

/* start: the client runs, is managed, and has said its process id */
static struct fake_space *
start(struct run *r)
{
	if (run_start(r) < 0 || atoi(run_line(r)) != r->pid)
		return (NULL);
	return (fake_client(&r->fake, 0));
}

/* adopt: the client has npages of memory, registered; => its address */
static uint64_t
adopt(struct run *r, struct fake_space *s, unsigned int npages, const char *how)
{
	char command[64];
	uint64_t addr;

	snprintf(command, sizeof(command), "map %u %s", npages, how);
	addr = strtoull(run_ask(r, command), NULL, 16);
	if (addr != 0 && fake_register(s, addr, npages) < 0)
		return (0);
	return (addr);
}

static int
all_are(const uint8_t *status, unsigned int n, int value)
{
	while (n-- > 0) {
		if (*status++ != value)
			return (0);
	}
	return (1);
}

/* staged: staging page pos holds what the client's page has */
static int
staged(const struct fake_space *s, unsigned int pos, unsigned int page)
{
	uint8_t data[PAGERD_PAGE_SIZE];

	if (fake_peek(s, s->hello.stage_start + pos * PAGE, data, PAGE) < 0)
		return (0);
	return (data[0] == (uint8_t)(page * 7 + 1) &&
		memcmp(data, data + 1, PAGE - 1) == 0);
}

static int
absent(const struct fake_space *s, uint64_t addr)
{
	uint8_t data;

	return (fake_peek(s, addr, &data, 1) < 0);
}

/* take: capture npages from addr, and keep them for refilling */
static int
take(struct run *r, struct fake_space *s, uint64_t addr, unsigned int npages)
{
	uint8_t status[PAGERD_STAGE_PAGES];
	const uint64_t run = PAGERD_RUN(addr, npages);
	unsigned int i;

	if (fake_move(&r->fake, s, PAGERD_MOVE_EMPTY_FIRST, &run, 1, status) <
		0 ||
	    !all_are(status, npages, 0))
		return (-1);
	for (i = 0; i < npages; i++) {
		if (fake_keep(&r->fake, s, i, addr + i * PAGE) < 0)
			return (-1);
	}
	return (0);
}

/*
 * arm: the agent has been asked for something; what the program maps from now
 * on is announced
 */
static int
arm(struct run *r, struct fake_space *s)
{
	return (fake_empty(&r->fake, s));
}

static int
killed_with_message(struct run *r)
{
	int status = run_wait(r);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(strncmp(run_stderr(r), "pagerd: lost the daemon", 23) == 0);
	return (0);
}

/* ---- cases ---- */

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
	struct fake_space *s = start(r);
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
	struct fake_space *s = start(r);
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
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL);
	snprintf(command, sizeof(command), "seccomp %d 1", SYS_seccomp);
	CHECK_SAYS(command, "ok");
	CHECK(atoi(run_ask(r, "reexec")) == r->pid);
	CHECK((s = fake_client(&r->fake, 1)) != NULL);
	addr = adopt(r, s, 8, "");
	CHECK(addr != 0 && take(r, s, addr, 8) == 0);
	CHECK_SAYS("verify", "ok");
	return (0);
}

static int
case_fds_invisible(struct run *r)
{
	char managed[256];

	CHECK(start(r) != NULL);
	snprintf(managed, sizeof(managed), "%s", run_ask(r, "fds"));
	CHECK(atoi(run_ask(r, "exec")) == r->pid); /* not managed from here */
	CHECK_SAYS("fds", managed);
	CHECK(strcmp(managed, "fds 0 1 2") == 0);
	return (0);
}

static int
case_closed_fds(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK(write(r->in, "closeall\n", 9) == 9);
	CHECK(run_eof(r));
	CHECK(take(r, s, addr, 16) == 0);
	CHECK(staged(s, 5, 5) && absent(s, addr + 5 * PAGE));
	return (0);
}

static int
case_signals(struct run *r)
{
	CHECK(start(r) != NULL);
	CHECK_SAYS("signals", "signals 0 0 1");
	return (0);
}

static int
case_move(struct run *r)
{
	struct fake_space *s = start(r);
	uint8_t status[PAGERD_STAGE_PAGES];
	uint64_t addr, runs[3];

	CHECK(s != NULL && (addr = adopt(r, s, 64, "")) != 0);
	runs[0] = PAGERD_RUN(addr + 10 * PAGE, 3);
	runs[1] = PAGERD_RUN(addr, 1);
	runs[2] = PAGERD_RUN(addr + 40 * PAGE, 20);
	CHECK(fake_move(&r->fake, s, 0, runs, 3, status) == 0);
	CHECK(all_are(status, PAGERD_STAGE_PAGES, 0));
	CHECK(staged(s, 0, 10) && staged(s, 2, 12) && staged(s, 3, 0));
	CHECK(staged(s, 4, 40) && staged(s, 23, 59));
	CHECK(absent(s, s->hello.stage_start + 24 * PAGE));
	CHECK(absent(s, addr) && absent(s, addr + 59 * PAGE));
	CHECK(fake_empty(&r->fake, s) == 0);
	CHECK(absent(s, s->hello.stage_start));
	return (0);
}

static int
case_move_holes(struct run *r)
{
	struct fake_space *s = start(r);
	uint8_t status[PAGERD_STAGE_PAGES];
	uint64_t addr, run;

	CHECK(s != NULL && (addr = adopt(r, s, 8, "")) != 0);
	CHECK_SAYS("discard 2", "ok");
	run = PAGERD_RUN(addr, 8);
	CHECK(fake_move(&r->fake, s, 0, &run, 1, status) == 0);
	CHECK(all_are(status, 8, 0));
	CHECK(staged(s, 1, 1) && staged(s, 3, 3));
	CHECK(absent(s, s->hello.stage_start + 2 * PAGE));
	return (0);
}

/* What is in the way in staging fails its run, and no other. */
static int
case_move_errors(struct run *r)
{
	struct fake_space *s = start(r);
	uint8_t status[PAGERD_STAGE_PAGES];
	uint64_t addr, runs[3];

	CHECK(s != NULL && (addr = adopt(r, s, 32, "")) != 0);
	runs[0] = PAGERD_RUN(addr, 1);
	CHECK(fake_move(&r->fake, s, 0, runs, 1, status) == 0);
	CHECK(status[0] == 0);
	runs[0] = PAGERD_RUN(addr + 1 * PAGE, 2);   /* staging 0 is taken */
	runs[1] = PAGERD_RUN(UINT64_C(0x10000), 2); /* nothing there */
	runs[2] = PAGERD_RUN(addr + 8 * PAGE, 4);
	CHECK(fake_move(&r->fake, s, 0, runs, 3, status) == 0);
	CHECK(all_are(status, 2, EEXIST));
	CHECK(status[2] != 0 && status[3] == status[2]);
	CHECK(all_are(status + 4, 4, 0) && staged(s, 4, 8));
	runs[1] = PAGERD_RUN(addr + 16 * PAGE, 2);
	runs[2] = PAGERD_RUN(addr + 24 * PAGE, 4);
	CHECK(fake_move(&r->fake, s, PAGERD_MOVE_EMPTY_FIRST, runs, 3,
		  status) == 0);
	CHECK(all_are(status, 8, 0) && staged(s, 1, 2) && staged(s, 7, 27));
	return (0);
}

/* A run that stops half-way: what was moved counts, the rest has the error. */
static int
case_move_partial(struct run *r)
{
	struct fake_space *s = start(r);
	uint8_t status[PAGERD_STAGE_PAGES];
	uint64_t addr, run;

	CHECK(s != NULL && (addr = adopt(r, s, 32, "")) != 0);
	CHECK_SAYS("discard 0", "ok");
	CHECK_SAYS("discard 1", "ok");
	run = PAGERD_RUN(addr, 3);
	CHECK(fake_move(&r->fake, s, 0, &run, 1, status) == 0);
	CHECK(all_are(status, 3, 0) && staged(s, 2, 2));
	run = PAGERD_RUN(addr + 8 * PAGE, 4);
	CHECK(fake_move(&r->fake, s, 0, &run, 1, status) == 0);
	CHECK(all_are(status, 2, 0) && all_are(status + 2, 2, EEXIST));
	CHECK(staged(s, 0, 8) && staged(s, 1, 9) && staged(s, 2, 2));
	CHECK(absent(s, addr + 9 * PAGE) && !absent(s, addr + 10 * PAGE));
	CHECK(fake_move(&r->fake, s, PAGERD_MOVE_EMPTY_FIRST, &run, 1,
		  status) == 0);
	CHECK(all_are(status, 4, 0) && staged(s, 2, 10));
	return (0);
}

static int
case_move_huge(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;
	unsigned int i;

	CHECK(s != NULL && (addr = adopt(r, s, 1024, "huge")) != 0);
	CHECK(take(r, s, addr + 512 * PAGE, 256) == 0);
	CHECK(staged(s, 0, 512) && staged(s, 255, 767));
	CHECK(take(r, s, addr + 768 * PAGE, 256) == 0);
	for (i = 0; i < 64; i++)
		CHECK(take(r, s, addr + i * 8 * PAGE, 1) == 0);
	CHECK_SAYS("verify", "ok");
	return (0);
}

/* After a fork pages are shared: busy, until made the process's own. */
static int
case_move_shared(struct run *r)
{
	struct fake_space *s = start(r), *child;
	uint8_t status[PAGERD_STAGE_PAGES];
	uint64_t addr, runs[2];
	int32_t result;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK((child = fake_client(&r->fake, 1)) != NULL);
	runs[0] = PAGERD_RUN(addr + 2 * PAGE, 2);
	runs[1] = PAGERD_RUN(addr + 8 * PAGE, 1);
	CHECK(fake_unshare(&r->fake, s, runs, 2, &result) == 0);
	CHECK(result == 0);
	runs[0] = PAGERD_RUN(addr, 16);
	CHECK(fake_move(&r->fake, s, 0, runs, 1, status) == 0);
	CHECK(all_are(status, 2, EBUSY) && all_are(status + 2, 2, 0));
	CHECK(all_are(status + 4, 4, EBUSY) && status[8] == 0);
	CHECK(all_are(status + 9, 7, EBUSY));
	CHECK(staged(s, 3, 3) && staged(s, 8, 8));
	CHECK(fake_keep(&r->fake, s, 2, addr + 2 * PAGE) == 0);
	CHECK(fake_keep(&r->fake, s, 3, addr + 3 * PAGE) == 0);
	CHECK(fake_keep(&r->fake, s, 8, addr + 8 * PAGE) == 0);
	CHECK_SAYS("verify", "ok");
	CHECK_SAYS("exit 0", "child 0");
	CHECK_SAYS("verify", "ok");
	runs[0] = PAGERD_RUN(addr, 16);
	CHECK(fake_move(&r->fake, s, PAGERD_MOVE_EMPTY_FIRST, runs, 1,
		  status) == 0);
	CHECK(status[0] == EBUSY); /* though the child has gone */
	CHECK(fake_unshare(&r->fake, s, runs, 1, &result) == 0);
	CHECK(result == 0 && take(r, s, addr, 16) == 0);
	CHECK_SAYS("verify", "ok");
	return (0);
}

static int
case_unshare_error(struct run *r)
{
	struct fake_space *s = start(r);
	const uint64_t run = PAGERD_RUN(UINT64_C(0x10000), 1);
	int32_t result;

	CHECK(s != NULL);
	CHECK(fake_unshare(&r->fake, s, &run, 1, &result) == 0);
	CHECK(result == -ENOMEM);
	return (0);
}

/* The same pages again and again: what was kept is filled back. */
static int
case_drop(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr, runs[3];
	int32_t result;

	CHECK(s != NULL && (addr = adopt(r, s, 64, "")) != 0);
	for (unsigned int i = 0; i < 50; i++) {
		runs[0] = PAGERD_RUN(addr, 1);
		runs[1] = PAGERD_RUN(addr + 8 * PAGE, 40);
		runs[2] = PAGERD_RUN(addr + (50 + i % 14) * PAGE, 1);
		CHECK(fake_drop(&r->fake, s, runs, 3, &result) == 0);
		CHECK(result == 0 && absent(s, addr));
		CHECK(!absent(s, addr + PAGE) && absent(s, addr + 47 * PAGE));
		CHECK(absent(s, addr + (50 + i % 14) * PAGE));
		CHECK_SAYS("verify", "ok");
	}
	return (0);
}

/* Nobody waits for it any more, and nobody could bring the page back. */
static int
case_drop_late(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	for (unsigned int i = 0; i < 16; i++)
		CHECK(!absent(s, addr + i * PAGE));
	CHECK(fake_drop_and_release(&r->fake, s, addr) == 0);
	for (unsigned int i = 0; i < 16; i++)
		CHECK(!absent(s, addr + i * PAGE));
	CHECK_SAYS("verify", "ok");
	return (0);
}

/* It waits for a daemon that is gone: somebody sees that all the same. */
static int
case_drop_lost(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;
	int ret;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK(fake_stall_drop(&r->fake, s, addr) == 0);
	ret = killed_with_message(r);
	pthread_mutex_unlock(&r->fake.lock);
	return (ret);
}

static int
case_locked_memory(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 8, "")) != 0);
	CHECK(take(r, s, addr, PAGERD_STAGE_PAGES > 8 ? 8 : 1) == 0);
	CHECK(write(r->in, "mlockall\n", 9) == 9);
	CHECK(fake_empty(&r->fake, s) == 0);
	return (0);
}

/* ---- new mappings ---- */

/* Nothing is announced before the daemon has asked for anything. */
static int
case_fresh_unarmed(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && adopt(r, s, 16, "") != 0);
	CHECK_SAYS("fresh touch", "ok");
	CHECK_SAYS("fresh map-populate", "ok");
	CHECK_SAYS("mappers 3", "ok");
	CHECK_SAYS("join-mappers", "ok");
	CHECK_SAYS("map-errors", "ok");
	CHECK(fake_served(&r->fake, s) == 0);
	return (0);
}

/* Every page of a new mapping is the daemon's to bring. */
static int
case_fresh(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && arm(r, s) == 0 && fake_served(&r->fake, s) == 0);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	CHECK_SAYS("fresh noreserve", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	CHECK_SAYS("fresh huge", "ok");
	CHECK(fake_served(&r->fake, s) == 1024);
	CHECK_SAYS("fresh populate", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	CHECK_SAYS("fresh map-populate", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	CHECK_SAYS("fresh nonblock", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	CHECK_SAYS("map-errors", "ok");
	CHECK_SAYS("fds", "fds 0 1 2");
	return (0);
}

static int
case_fresh_not_announced(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK_SAYS("fresh small", "ok");
	CHECK_SAYS("fresh shared", "ok");
	CHECK_SAYS("fresh stack", "ok");
	CHECK_SAYS("fresh down", "ok");
	CHECK_SAYS("fresh locked", "ok");
	CHECK_SAYS("fresh executable", "ok");
	CHECK(fake_served(&r->fake, s) == 0);
	return (0);
}

/* Over memory that is adopted already, of which some is out. */
static int
case_fresh_fixed(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 600, "")) != 0);
	CHECK(take(r, s, addr, 64) == 0 && fake_served(&r->fake, s) == 0);
	CHECK_SAYS("fresh-fixed", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	return (0);
}

/* Doorbells are used again and again. */
static int
case_fresh_many(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK_SAYS("fresh-many 200", "ok");
	CHECK(fake_served(&r->fake, s) == 200 * 512);
	return (0);
}

static int
case_fresh_threads(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK_SAYS("mappers 20", "ok");
	CHECK_SAYS("join-mappers", "ok");
	CHECK(fake_served(&r->fake, s) == 8 * 20 * 512);
	return (0);
}

static int
case_fresh_unprivileged(struct run *r)
{
	struct fake_space *s;

	r->uid = 65534;
	CHECK((s = start(r)) != NULL && arm(r, s) == 0);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	return (0);
}

/* A thread that may make hardly any system call. */
static int
case_fresh_strict(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK_SAYS("strict touch", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	CHECK(run_wait(r) == 0);
	return (0);
}

static int
case_fresh_signal(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK_SAYS("signal-mapper self", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	return (0);
}

/*
 * Signals while a thread waits at a doorbell, for the agent is busy: the
 * handler runs at once, rings itself, and both are heard.
 */
static int
case_fresh_interrupted(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("discard 5", "ok");
	CHECK(arm(r, s) == 0);
	CHECK(fake_stall(&r->fake, s, addr + 5 * PAGE) == 0);
	CHECK_SAYS("signal-mapper", "not yet");
	CHECK(fake_go_on(&r->fake, s) == 0);
	CHECK_SAYS("join-mapper", "ok 1 -1");
	CHECK(fake_served(&r->fake, s) == 2 * 512 + 1);
	return (0);
}

/* The child comes back to a doorbell that its parent has rung. */
static int
case_fresh_forked_at_doorbell(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("discard 5", "ok");
	CHECK(arm(r, s) == 0);
	CHECK(fake_stall(&r->fake, s, addr + 5 * PAGE) == 0);
	CHECK_SAYS("fork-mapper", "ok");
	CHECK(fake_go_on(&r->fake, s) == 0);
	CHECK_SAYS("join-mapper", "ok 0 0");
	return (0);
}

static int
case_fresh_other_children(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK_SAYS("fresh-vfork", "child 0");
	CHECK(fake_served(&r->fake, s) == 512);
	CHECK_SAYS("fresh-rawfork", "child 0");
	CHECK(fake_served(&r->fake, s) == 0);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	return (0);
}

/* A child begins as everybody does: nothing is announced at first. */
static int
case_fresh_fork(struct run *r)
{
	struct fake_space *s = start(r), *child;

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK_SAYS("fresh-many 40", "ok");
	CHECK(fake_served(&r->fake, s) == 40 * 512);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK((child = fake_client(&r->fake, 1)) != NULL);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, child) == 0);
	CHECK(arm(r, child) == 0);
	CHECK(fake_served(&r->fake, child) == 0);
	CHECK_SAYS("fresh-many 40", "ok");
	CHECK(fake_served(&r->fake, child) == 40 * 512);
	CHECK_SAYS("exit 0", "child 0");
	CHECK(fake_served(&r->fake, s) == 0);
	CHECK_SAYS("fresh-many 40", "ok");
	CHECK(fake_served(&r->fake, s) == 40 * 512);
	return (0);
}

/* A child whose pages are out from birth. */
static int
case_fresh_inherited(struct run *r)
{
	struct fake_space *s, *child;

	r->fake.ready_flags = PAGERD_READY_INHERITED;
	CHECK((s = start(r)) != NULL);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK((child = fake_client(&r->fake, 1)) != NULL);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, child) == 512);
	CHECK_SAYS("exit 0", "child 0");
	return (0);
}

static int
case_fresh_exec(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK(atoi(run_ask(r, "reexec")) == r->pid);
	CHECK((s = fake_client(&r->fake, 1)) != NULL);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, s) == 0 && arm(r, s) == 0);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	return (0);
}

/* Threads ring all the time while the agent leaves. */
static int
case_fresh_released(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK_SAYS("mappers -1", "ok");
	usleep(200000);
	CHECK(fake_served(&r->fake, s) > 512);
	CHECK(fake_release(s) == 0);
	fake_close_space(&r->fake, s);
	usleep(100000);
	CHECK_SAYS("join-mappers stop", "ok");
	CHECK_SAYS("fresh touch", "ok");
	CHECK_SAYS("alone", "threads 1");
	return (0);
}

/* The same, without a word; nothing of the program's is out. */
static int
case_fresh_lost(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK_SAYS("mappers -1", "ok");
	usleep(200000);
	fake_hang_up(s);
	fake_close_space(&r->fake, s);
	usleep(100000);
	CHECK_SAYS("join-mappers stop", "ok");
	CHECK_SAYS("alone", "threads 1");
	return (0);
}

/* Pages of doorbells that nobody has rung: filled, and soon empty again. */
static int
case_doorbells_touched(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL);
	CHECK_SAYS("doorbells touch", "ok");
	CHECK(arm(r, s) == 0);
	CHECK_SAYS("fresh touch", "ok");
	CHECK_SAYS("doorbells touch", "ok");
	CHECK_SAYS("doorbells touch", "ok");
	CHECK(fake_empty(&r->fake, s) == 0);
	CHECK_SAYS("fresh-many 40", "ok");
	CHECK(fake_served(&r->fake, s) == 41 * 512);
	return (0);
}

/* What stands in a bell may be anything: the program goes on, and the agent. */
static int
case_doorbells_nonsense(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && arm(r, s) == 0);
	CHECK_SAYS("doorbells ring", "ok");
	CHECK_SAYS("fresh touch", "ok");
	CHECK_SAYS("doorbells garbage", "ok");
	CHECK_SAYS("fresh touch", "ok");
	CHECK_SAYS("doorbells unmap", "ok");
	CHECK_SAYS("fresh touch", "ok");
	CHECK((addr = adopt(r, s, 16, "")) != 0 && take(r, s, addr, 16) == 0);
	CHECK_SAYS("verify", "ok");
	return (0);
}

static int
case_fork(struct run *r)
{
	struct fake_space *s = start(r), *child, *grandchild;
	uint64_t addr;
	pid_t pid;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK(take(r, s, addr, 8) == 0);
	CHECK_SAYS("clearenv", "ok");
	pid = atoi(run_ask(r, "fork"));
	CHECK((child = fake_client(&r->fake, 1)) != NULL);
	CHECK(pid > 0 && child->pid == pid && child->id != s->id);
	CHECK(take(r, child, addr, 4) < 0); /* these are out already */
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
	struct fake_space *s = start(r), *child;
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK((child = fake_client(&r->fake, 1)) != NULL);
	kill(r->pid, SIGSTOP);
	addr = strtoull(run_ask(r, "map 8"), NULL, 16);
	CHECK(fake_register(child, addr, 8) == 0);
	CHECK(take(r, child, addr, 8) == 0);
	CHECK_SAYS("verify", "ok");
	kill(r->pid, SIGCONT);
	CHECK_SAYS("exit 0", "child 0");
	return (0);
}

static int
case_forkstorm(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK(take(r, s, addr, 16) == 0);
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
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK(take(r, s, addr, 16) == 0);
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
	struct fake_space *s = start(r);

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
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("setuid", "ok");
	CHECK(take(r, s, addr, 16) == 0);
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
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("setuid", "ok");
	CHECK(take(r, s, addr, 16) == 0);
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
	CHECK((s = start(r)) != NULL);
	CHECK((addr = adopt(r, s, 16, "")) != 0);
	CHECK(take(r, s, addr, 16) == 0);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK(fake_client(&r->fake, 1) != NULL);
	CHECK_SAYS("verify", "ok");
	return (0);
}

/* The child finds no socket, has no agent, and is served all the same. */
static int
case_chroot(struct run *r)
{
	struct fake_space *s = start(r);
	char command[128];
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK(take(r, s, addr, 16) == 0);
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
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("nofile 3", "ok");
	CHECK(take(r, s, addr, 16) == 0);
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
	CHECK(start(r) != NULL);
	CHECK(run_stderr(r)[0] == '\0');
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

static int
case_daemon_lost_early(struct run *r)
{
	struct fake_space *s = start(r);

	CHECK(s != NULL && adopt(r, s, 16, "") != 0);
	fake_hang_up(s);
	CHECK_SAYS("verify", "ok");
	CHECK(write(r->in, "exit 7\n", 7) == 7 && run_wait(r) == EXITED(7));
	CHECK(run_stderr(r)[0] == '\0');
	return (0);
}

static int
case_daemon_lost(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK(take(r, s, addr, 1) == 0);
	fake_hang_up(s);
	return (killed_with_message(r));
}

/* As above, after the program has given up its privileges. */
static int
case_daemon_lost_setuid(struct run *r)
{
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("setuid", "ok");
	CHECK(take(r, s, addr, 1) == 0);
	fake_hang_up(s);
	return (killed_with_message(r));
}

static int
case_daemon_lost_inherited(struct run *r)
{
	struct fake_space *s;

	r->fake.ready_flags = PAGERD_READY_INHERITED;
	CHECK((s = start(r)) != NULL);
	fake_hang_up(s);
	return (killed_with_message(r));
}

/* A packet that is not as the protocol has it ends the connection. */
static int
case_bad_packet(struct run *r)
{
	struct fake_space *s = start(r);
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
	struct fake_space *s = start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK(take(r, s, addr, 16) == 0);
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
	CHECK(start(r) != NULL);
	CHECK(write(r->in, "exit 42\n", 8) == 8);
	CHECK(run_wait(r) == EXITED(42));
	return (0);
}

static int
case_signal_status(struct run *r)
{
	int status;

	CHECK(start(r) != NULL);
	CHECK(write(r->in, "raise 11\n", 9) == 9);
	status = run_wait(r);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	return (0);
}

static int
case_last_thread(struct run *r)
{
	CHECK(start(r) != NULL);
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
	struct fake_space *s = start(r);
	char statm[128] = "";
	uint64_t addr;

	CHECK(s != NULL && (addr = adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("orphan 9", "ok");
	CHECK(take(r, s, addr, 16) == 0);
	CHECK(pread(s->fds[PAGERD_FD_STATM], statm, sizeof(statm) - 1, 0) > 0);
	CHECK(atoi(statm) > 256);
	CHECK_SAYS("verify", "ok");
	CHECK(run_finish(r) == EXITED(9));
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

#define CASE(name)                                                             \
	{                                                                      \
#name, case_##name                                             \
	}

static const struct test_case {
	const char *name;
	int (*run)(struct run *);
} cases[] = {
	CASE(no_environment),
	CASE(handshake),
	CASE(locked_down),
	CASE(sandboxed),
	CASE(fds_invisible),
	CASE(closed_fds),
	CASE(signals),
	CASE(move),
	CASE(move_holes),
	CASE(move_errors),
	CASE(move_partial),
	CASE(move_huge),
	CASE(move_shared),
	CASE(unshare_error),
	CASE(drop),
	CASE(drop_late),
	CASE(drop_lost),
	CASE(locked_memory),
	CASE(fresh_unarmed),
	CASE(fresh),
	CASE(fresh_not_announced),
	CASE(fresh_fixed),
	CASE(fresh_many),
	CASE(fresh_threads),
	CASE(fresh_unprivileged),
	CASE(fresh_strict),
	CASE(fresh_signal),
	CASE(fresh_interrupted),
	CASE(fresh_forked_at_doorbell),
	CASE(fresh_other_children),
	CASE(fresh_fork),
	CASE(fresh_inherited),
	CASE(fresh_exec),
	CASE(fresh_released),
	CASE(fresh_lost),
	CASE(doorbells_touched),
	CASE(doorbells_nonsense),
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
	CASE(empty_environment),
	CASE(refused),
	CASE(version),
	CASE(hang_up),
	CASE(no_daemon),
	CASE(bad_group),
	CASE(foreign_daemon),
	CASE(no_room),
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
	CASE(true),
	CASE(bash),
	CASE(python),
	CASE(jemalloc),
	CASE(tcmalloc),
};

static int
wanted(const char *name, char **names)
{
	if (*names == NULL)
		return (1);
	for (; *names != NULL; names++) {
		if (strcmp(*names, name) == 0)
			return (1);
	}
	return (0);
}

static int
run_case(unsigned int n, const struct test_case *tc)
{
	struct run *r = calloc(1, sizeof(*r));
	int ret;

	if (r == NULL)
		return (-1);
	ret = tc->run(r);
	if (ret != SKIPPED && run_stop(r) < 0)
		ret = -1;
	free(r);
	printf("%sok %u - %s%s\n", ret < 0 ? "not " : "", n, tc->name,
	    ret == SKIPPED ? " # SKIP not installed" : "");
	fflush(stdout);
	return (ret);
}

int
main(int argc, char **argv)
{
	unsigned int i, n = 0;
	int failed = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: test-shim SHIM CLIENT [CASE...]\n");
		return (2);
	}
	if (geteuid() != 0 || access("/dev/userfaultfd", R_OK | W_OK) != 0) {
		printf("1..0 # SKIP needs root and /dev/userfaultfd\n");
		return (77);
	}
	signal(SIGPIPE, SIG_IGN);
	run_lib = argv[1];
	run_client = argv[2];
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (wanted(cases[i].name, argv + 3) &&
		    run_case(++n, &cases[i]) < 0)
			failed++;
	}
	printf("1..%u\n", n);
	return (failed != 0 || n == 0);
}
