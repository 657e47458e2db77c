/*
 * cases-mmap.c: new mappings are announced to the agent, at doorbells
 *
 * How many pages the daemon has to bring says whether a mapping was registered
 * before the program could touch it.
 */
#include "fixture.h"

#include <stdlib.h>
#include <unistd.h>

/* Nothing is announced before the daemon has asked for anything. */
static int
case_fresh_unarmed(struct run *r)
{
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_adopt(r, s, 16, "") != 0);
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
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_arm(r, s) == 0 &&
	      fake_served(&r->fake, s) == 0);
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
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_arm(r, s) == 0);
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
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 600, "")) != 0);
	CHECK(client_take(r, s, addr, 64) == 0 &&
	      fake_served(&r->fake, s) == 0);
	CHECK_SAYS("fresh-fixed", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	return (0);
}

/* Doorbells are used again and again. */
static int
case_fresh_many(struct run *r)
{
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_arm(r, s) == 0);
	CHECK_SAYS("fresh-many 200", "ok");
	CHECK(fake_served(&r->fake, s) == 200 * 512);
	return (0);
}

static int
case_fresh_threads(struct run *r)
{
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_arm(r, s) == 0);
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
	CHECK((s = client_start(r)) != NULL && client_arm(r, s) == 0);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	return (0);
}

/* A thread that may make hardly any system call. */
static int
case_fresh_strict(struct run *r)
{
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_arm(r, s) == 0);
	CHECK_SAYS("strict touch", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	CHECK(run_wait(r) == 0);
	return (0);
}

static int
case_fresh_signal(struct run *r)
{
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_arm(r, s) == 0);
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
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("discard 5", "ok");
	CHECK(client_arm(r, s) == 0);
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
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK_SAYS("discard 5", "ok");
	CHECK(client_arm(r, s) == 0);
	CHECK(fake_stall(&r->fake, s, addr + 5 * PAGE) == 0);
	CHECK_SAYS("fork-mapper", "ok");
	CHECK(fake_go_on(&r->fake, s) == 0);
	CHECK_SAYS("join-mapper", "ok 0 0");
	return (0);
}

static int
case_fresh_other_children(struct run *r)
{
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_arm(r, s) == 0);
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
	struct fake_space *s = client_start(r), *child;

	CHECK(s != NULL && client_arm(r, s) == 0);
	CHECK_SAYS("fresh-many 40", "ok");
	CHECK(fake_served(&r->fake, s) == 40 * 512);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK((child = fake_client(&r->fake, 1)) != NULL);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, child) == 0);
	CHECK(client_arm(r, child) == 0);
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
	CHECK((s = client_start(r)) != NULL);
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
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_arm(r, s) == 0);
	CHECK(atoi(run_ask(r, "reexec")) == r->pid);
	CHECK((s = fake_client(&r->fake, 1)) != NULL);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, s) == 0 && client_arm(r, s) == 0);
	CHECK_SAYS("fresh touch", "ok");
	CHECK(fake_served(&r->fake, s) == 512);
	return (0);
}

/* Threads ring all the time while the agent leaves. */
static int
case_fresh_released(struct run *r)
{
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_arm(r, s) == 0);
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
	struct fake_space *s = client_start(r);

	CHECK(s != NULL && client_arm(r, s) == 0);
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
	struct fake_space *s = client_start(r);

	CHECK(s != NULL);
	CHECK_SAYS("doorbells touch", "ok");
	CHECK(client_arm(r, s) == 0);
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
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && client_arm(r, s) == 0);
	CHECK_SAYS("doorbells ring", "ok");
	CHECK_SAYS("fresh touch", "ok");
	CHECK_SAYS("doorbells garbage", "ok");
	CHECK_SAYS("fresh touch", "ok");
	CHECK_SAYS("doorbells unmap", "ok");
	CHECK_SAYS("fresh touch", "ok");
	CHECK((addr = client_adopt(r, s, 16, "")) != 0 &&
	      client_take(r, s, addr, 16) == 0);
	CHECK_SAYS("verify", "ok");
	return (0);
}

const struct test_case mmap_cases[] = {
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
	{ NULL, NULL },
};
