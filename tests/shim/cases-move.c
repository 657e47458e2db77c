/*
 * cases-move.c: pages leave a program, and come back
 *
 * MOVE, UNSHARE, EMPTY and DROP as the protocol has them, errors too: the
 * status of each page, and that the program reads what it wrote.
 */
#include "fixture.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static int
case_move(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint8_t status[PAGERD_STAGE_PAGES];
	uint64_t addr, runs[3];

	CHECK(s != NULL && (addr = client_adopt(r, s, 64, "")) != 0);
	runs[0] = PAGERD_RUN(addr + 10 * PAGE, 3);
	runs[1] = PAGERD_RUN(addr, 1);
	runs[2] = PAGERD_RUN(addr + 40 * PAGE, 20);
	CHECK(fake_move(&r->fake, s, 0, runs, 3, status) == 0);
	CHECK(status_are(status, PAGERD_STAGE_PAGES, 0));
	CHECK(client_staged(s, 0, 10) && client_staged(s, 2, 12) &&
	      client_staged(s, 3, 0));
	CHECK(client_staged(s, 4, 40) && client_staged(s, 23, 59));
	CHECK(client_absent(s, s->hello.stage_start + 24 * PAGE));
	CHECK(client_absent(s, addr) && client_absent(s, addr + 59 * PAGE));
	CHECK(fake_empty(&r->fake, s) == 0);
	/* It is not registered any more. */
	CHECK(client_zero(s, s->hello.stage_start));
	return (0);
}

static int
case_move_holes(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint8_t status[PAGERD_STAGE_PAGES];
	uint64_t addr, run;

	CHECK(s != NULL && (addr = client_adopt(r, s, 8, "")) != 0);
	CHECK_SAYS("discard 2", "ok");
	run = PAGERD_RUN(addr, 8);
	CHECK(fake_move(&r->fake, s, 0, &run, 1, status) == 0);
	CHECK(status_are(status, 8, 0));
	CHECK(client_staged(s, 1, 1) && client_staged(s, 3, 3));
	CHECK(client_absent(s, s->hello.stage_start + 2 * PAGE));
	return (0);
}

/* What is in the way in staging fails its run, and no other. */
static int
case_move_errors(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint8_t status[PAGERD_STAGE_PAGES];
	uint64_t addr, runs[3];

	CHECK(s != NULL && (addr = client_adopt(r, s, 32, "")) != 0);
	runs[0] = PAGERD_RUN(addr, 1);
	CHECK(fake_move(&r->fake, s, 0, runs, 1, status) == 0);
	CHECK(status[0] == 0);
	runs[0] = PAGERD_RUN(addr + 1 * PAGE, 2);   /* staging 0 is taken */
	runs[1] = PAGERD_RUN(UINT64_C(0x10000), 2); /* nothing there */
	runs[2] = PAGERD_RUN(addr + 8 * PAGE, 4);
	CHECK(fake_move(&r->fake, s, 0, runs, 3, status) == 0);
	CHECK(status_are(status, 2, EEXIST));
	CHECK(status[2] != 0 && status[3] == status[2]);
	CHECK(status_are(status + 4, 4, 0) && client_staged(s, 4, 8));
	runs[1] = PAGERD_RUN(addr + 16 * PAGE, 2);
	runs[2] = PAGERD_RUN(addr + 24 * PAGE, 4);
	CHECK(fake_move(&r->fake, s, PAGERD_MOVE_EMPTY_FIRST, runs, 3,
		  status) == 0);
	CHECK(status_are(status, 8, 0) && client_staged(s, 1, 2) &&
	      client_staged(s, 7, 27));
	return (0);
}

/* A run that stops half-way: what was moved counts, the rest has the error. */
static int
case_move_partial(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint8_t status[PAGERD_STAGE_PAGES];
	uint64_t addr, run;

	CHECK(s != NULL && (addr = client_adopt(r, s, 32, "")) != 0);
	CHECK_SAYS("discard 0", "ok");
	CHECK_SAYS("discard 1", "ok");
	run = PAGERD_RUN(addr, 3);
	CHECK(fake_move(&r->fake, s, 0, &run, 1, status) == 0);
	CHECK(status_are(status, 3, 0) && client_staged(s, 2, 2));
	run = PAGERD_RUN(addr + 8 * PAGE, 4);
	CHECK(fake_move(&r->fake, s, 0, &run, 1, status) == 0);
	CHECK(status_are(status, 2, 0) && status_are(status + 2, 2, EEXIST));
	CHECK(client_staged(s, 0, 8) && client_staged(s, 1, 9) &&
	      client_staged(s, 2, 2));
	CHECK(client_absent(s, addr + 9 * PAGE) &&
	      !client_absent(s, addr + 10 * PAGE));
	CHECK(fake_move(&r->fake, s, PAGERD_MOVE_EMPTY_FIRST, &run, 1,
		  status) == 0);
	CHECK(status_are(status, 4, 0) && client_staged(s, 2, 10));
	return (0);
}

static int
case_move_huge(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;
	unsigned int i;

	CHECK(s != NULL && (addr = client_adopt(r, s, 1024, "huge")) != 0);
	CHECK(client_take(r, s, addr + 512 * PAGE, 256) == 0);
	CHECK(client_staged(s, 0, 512) && client_staged(s, 255, 767));
	CHECK(client_take(r, s, addr + 768 * PAGE, 256) == 0);
	for (i = 0; i < 64; i++)
		CHECK(client_take(r, s, addr + i * 8 * PAGE, 1) == 0);
	CHECK_SAYS("verify", "ok");
	return (0);
}

/* After a fork pages are shared: busy, until made the process's own. */
static int
case_move_shared(struct run *r)
{
	struct fake_space *s = client_start(r), *child;
	uint8_t status[PAGERD_STAGE_PAGES];
	uint64_t addr, runs[2];
	int32_t result;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(atoi(run_ask(r, "fork")) > 0);
	CHECK((child = fake_client(&r->fake, 1)) != NULL);
	runs[0] = PAGERD_RUN(addr + 2 * PAGE, 2);
	runs[1] = PAGERD_RUN(addr + 8 * PAGE, 1);
	CHECK(fake_unshare(&r->fake, s, runs, 2, &result) == 0);
	CHECK(result == 0);
	runs[0] = PAGERD_RUN(addr, 16);
	CHECK(fake_move(&r->fake, s, 0, runs, 1, status) == 0);
	CHECK(status_are(status, 2, EBUSY) && status_are(status + 2, 2, 0));
	CHECK(status_are(status + 4, 4, EBUSY) && status[8] == 0);
	CHECK(status_are(status + 9, 7, EBUSY));
	CHECK(client_staged(s, 3, 3) && client_staged(s, 8, 8));
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
	CHECK(result == 0 && client_take(r, s, addr, 16) == 0);
	CHECK_SAYS("verify", "ok");
	return (0);
}

/* While a mapping changes nothing is moved. */
static int
case_move_changing(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint8_t status[PAGERD_STAGE_PAGES];
	struct pollfd event;
	uint64_t addr, run;
	int ret;

	CHECK(s != NULL && (addr = client_adopt(r, s, 32, "")) != 0);
	CHECK_SAYS("split 4", "ok");
	pthread_mutex_lock(&r->fake.lock);
	event = (struct pollfd){ .fd = s->main_fd, .events = POLLIN };
	run = PAGERD_RUN(addr, 16);
	ret = write(r->in, "discard 20\n", 11) == 11 &&
		      poll(&event, 1, FAKE_WAIT_MS) == 1
		  ? fake_move(&r->fake, s, 0, &run, 1, status)
		  : -1;
	pthread_mutex_unlock(&r->fake.lock);
	CHECK(ret == 0 && status_are(status, 16, EAGAIN));
	CHECK(strcmp(run_line(r), "ok") == 0);
	CHECK(fake_move(&r->fake, s, 0, &run, 1, status) == 0);
	CHECK(status_are(status, 4, 0) && status[4] != 0 &&
	      status_are(status + 5, 11, 0));
	return (0);
}

/* Who was stopped, and is not waited for any more, moves nothing. */
static int
case_move_late(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint8_t status = 0;
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 8, "")) != 0);
	CHECK(!client_absent(s, addr));
	CHECK(fake_move_late(&r->fake, s, addr, &status) == 0);
	CHECK(status == ECANCELED && !client_absent(s, addr));
	return (0);
}

static int
case_unshare_error(struct run *r)
{
	struct fake_space *s = client_start(r);
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
	struct fake_space *s = client_start(r);
	uint64_t addr, runs[3];
	int32_t result;

	CHECK(s != NULL && (addr = client_adopt(r, s, 64, "")) != 0);
	for (unsigned int i = 0; i < 50; i++) {
		runs[0] = PAGERD_RUN(addr, 1);
		runs[1] = PAGERD_RUN(addr + 8 * PAGE, 40);
		runs[2] = PAGERD_RUN(addr + (50 + i % 14) * PAGE, 1);
		CHECK(fake_drop(&r->fake, s, runs, 3, &result) == 0);
		CHECK(result == 0 && client_absent(s, addr));
		CHECK(!client_absent(s, addr + PAGE) &&
		      client_absent(s, addr + 47 * PAGE));
		CHECK(client_absent(s, addr + (50 + i % 14) * PAGE));
		CHECK_SAYS("verify", "ok");
	}
	return (0);
}

/* Nobody waits for it any more, and nobody could bring the page back. */
static int
case_drop_late(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	for (unsigned int i = 0; i < 16; i++)
		CHECK(!client_absent(s, addr + i * PAGE));
	CHECK(fake_drop_and_release(&r->fake, s, addr) == 0);
	for (unsigned int i = 0; i < 16; i++)
		CHECK(!client_absent(s, addr + i * PAGE));
	CHECK_SAYS("verify", "ok");
	return (0);
}

/* It waits for a daemon that is gone: somebody sees that all the same. */
static int
case_drop_lost(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;
	int ret;

	CHECK(s != NULL && (addr = client_adopt(r, s, 16, "")) != 0);
	CHECK(fake_stall_drop(&r->fake, s, addr) == 0);
	ret = client_killed(r);
	pthread_mutex_unlock(&r->fake.lock);
	return (ret);
}

static int
case_locked_memory(struct run *r)
{
	struct fake_space *s = client_start(r);
	uint64_t addr;

	CHECK(s != NULL && (addr = client_adopt(r, s, 8, "")) != 0);
	CHECK(client_take(r, s, addr, PAGERD_STAGE_PAGES > 8 ? 8 : 1) == 0);
	CHECK(write(r->in, "mlockall\n", 9) == 9);
	CHECK(fake_empty(&r->fake, s) == 0);
	return (0);
}

const struct test_case move_cases[] = {
	CASE(move),
	CASE(move_holes),
	CASE(move_errors),
	CASE(move_partial),
	CASE(move_huge),
	CASE(move_shared),
	CASE(move_changing),
	CASE(move_late),
	CASE(unshare_error),
	CASE(drop),
	CASE(drop_late),
	CASE(drop_lost),
	CASE(locked_memory),
	{ NULL, NULL },
};
