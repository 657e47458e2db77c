/*
 * test-ring.c: files are read and closed beside everything else
 */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ring.h"
#include "test.h"

#define LEN 8192u
#define SECOND_US 1000000u

static struct ring *ring;

static int
file_new(void)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);

	CHECK(fd >= 0 && ftruncate(fd, LEN - 100) == 0);
	CHECK(pwrite(fd, "image", 5, 4096) == 5);
	return fd;
}

/* => the next event; there is one */
static struct ring_event
wait_one(void)
{
	struct ring_event ev;
	int n;

	do
		n = ring_wait(ring, 10 * SECOND_US, &ev, 1);
	while (n == 0 && ring_pending(ring) > 0);
	CHECK(n == 1);
	return ev;
}

/* What the kernel's workers write memory checkers do not see: it is zeroed. */
static void
read_file(void)
{
	int fd = file_new();
	char buf[LEN] = { 0 };
	struct ring_event ev;

	CHECK(ring_new(64, &ring) == 0);
	CHECK(ring_read(ring, fd, buf, LEN, 0, 7) == 0);
	CHECK(ring_pending(ring) == 1);
	ev = wait_one();
	CHECK(ev.read && ev.cookie == 7 && ev.result == (int)LEN - 100);
	CHECK(memcmp(buf + 4096, "image", 5) == 0 && ring_pending(ring) == 0);
	CHECK(ring_read(ring, fd, buf, LEN, LEN, UINT32_MAX) == 0);
	ev = wait_one();
	CHECK(ev.read && ev.cookie == UINT32_MAX && ev.result == 0);
	close(fd);
	CHECK(ring_read(ring, fd, buf, LEN, 0, 0) == 0);
	ev = wait_one();
	CHECK(ev.read && ev.cookie == 0 && ev.result == -EBADF);
	ring_delete(ring);
}

/* A pipe that nobody writes to: its reader waits, others do not. */
static void
read_that_hangs(void)
{
	int pipes[2], fd = file_new();
	char hung[LEN] = { 0 }, buf[LEN];
	struct ring_event ev;

	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	CHECK(ring_new(64, &ring) == 0);
	CHECK(ring_watch(ring, pipes[0], 99) == 0);
	CHECK(ring_read(ring, pipes[0], hung, LEN, UINT64_MAX, 1) == 0);
	CHECK(ring_read(ring, fd, buf, LEN, 0, 2) == 0);
	ev = wait_one();
	CHECK(ev.read && ev.cookie == 2 && ring_pending(ring) == 1);
	CHECK(ring_wait(ring, 1000, &ev, 1) == 0);
	CHECK(write(pipes[1], "x", 1) == 1);
	/* The watch may tell of it, too. */
	do
		ev = wait_one();
	while (!ev.read);
	CHECK(ev.cookie == 1 && ev.result == 1 && hung[0] == 'x');
	ring_delete(ring);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

/* What comes while nobody waits is there before anybody does. */
static void
reports_that_wait(void)
{
	struct ring_event ev;
	int pipes[2];

	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	CHECK(ring_new(64, &ring) == 0);
	CHECK(ring_watch(ring, pipes[0], 99) == 0);
	CHECK(ring_wait(ring, 1000, &ev, 1) == 0);
	CHECK(!ring_has_reports(ring));
	CHECK(write(pipes[1], "x", 1) == 1);
	CHECK(ring_has_reports(ring));
	ev = wait_one();
	CHECK(!ev.read && ev.cookie == 99 && !ring_has_reports(ring));
	ring_delete(ring);
	close(pipes[0]);
	close(pipes[1]);
}

static void
close_file(void)
{
	int pipes[2];
	struct ring_event ev;
	char c;

	CHECK(ring_new(64, &ring) == 0);
	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	ring_close(ring, pipes[1]);
	CHECK(ring_pending(ring) == 1);
	while (ring_pending(ring) > 0)
		CHECK(ring_wait(ring, 10 * SECOND_US, &ev, 1) == 0);
	CHECK(read(pipes[0], &c, 1) == 0);
	close(pipes[0]);
	ring_delete(ring);
}

static const struct test tests[] = {
	{ "a file is read", read_file },
	{ "a read that hangs", read_that_hangs },
	{ "reports that wait", reports_that_wait },
	{ "a file is closed", close_file },
};

TEST_MAIN(tests)
