/*
 * Files, pipes and block devices get the same bytes; only files get holes.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sink.h"
#include "test.h"

#define SIZE (1u << 20)
#define PIECES 40u

static uint8_t want[SIZE], got[SIZE + 1];

/* => a file without a name, of so many bytes of junk */
static int
file_make(size_t junk)
{
	char path[] = "/tmp/test-sink.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	CHECK(fd >= 0 && unlink(path) == 0);
	memset(got, 0x5a, sizeof(got));
	CHECK(pwrite(fd, got, junk, 0) == (ssize_t)junk);
	return fd;
}

/* Pieces of any length, with gaps; what was put is in want. */
static void
put_pieces(struct sink *s)
{
	uint64_t at = 0, len;

	memset(want, 0, sizeof(want));
	for (uint32_t i = 0; i < PIECES && at < SIZE; i++) {
		at += test_random_below(3) == 0 ? 0 : test_random_below(40000);
		len = 1 + test_random_below(20000);
		if (at + len > SIZE)
			break;
		for (uint64_t k = at; k < at + len; k++)
			want[k] = (uint8_t)test_random();
		CHECK(sink_put(s, want + at, len, at) == 0);
		at += len;
	}
	CHECK(sink_end(s) == 0);
}

static void
files(void)
{
	int fd = file_make(SIZE + 1);
	struct stat st;
	struct sink s;

	CHECK(sink_open(&s, fd, SIZE) == 0);
	put_pieces(&s);
	CHECK(pread(fd, got, sizeof(got), 0) == SIZE);
	CHECK(memcmp(got, want, SIZE) == 0);
	CHECK(sink_open(&s, fd, SIZE) == 0);
	CHECK(sink_put(&s, "x", 1, SIZE - 1) == 0 && sink_end(&s) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == SIZE);
	CHECK(st.st_blocks * 512 < SIZE / 2);
	CHECK(close(fd) == 0);
}

/* => what the other end of the pipe has read */
static void
read_pipe(int from, int to)
{
	ssize_t n;

	while ((n = read(from, got, 1 + test_random_below(SIZE))) > 0)
		CHECK(write(to, got, (size_t)n) == n);
	CHECK(n == 0);
}

static void
pipes(void)
{
	int fd = file_make(0), ends[2], status;
	struct sink s;
	pid_t pid;

	CHECK(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		(void)close(ends[1]);
		read_pipe(ends[0], fd);
		_exit(0);
	}
	CHECK(pid > 0 && close(ends[0]) == 0);
	CHECK(sink_open(&s, ends[1], SIZE) == 0);
	put_pieces(&s);
	CHECK(close(ends[1]) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(pread(fd, got, sizeof(got), 0) == SIZE);
	CHECK(memcmp(got, want, SIZE) == 0);
	CHECK(close(fd) == 0);
}

static void
refused(void)
{
	int fd = file_make(10), ends[2], other;
	struct sink s;

	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0);
	CHECK(sink_open(&s, fd, 10) == -EINVAL);
	CHECK(close(fd) == 0);
	CHECK(sink_open(&s, fd, 10) == -EBADF);
	other = open("/dev/null", O_WRONLY | O_CLOEXEC);
	CHECK(other >= 0 && sink_open(&s, other, 10) == -EINVAL);
	CHECK(close(other) == 0);
	CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	CHECK(sink_open(&s, ends[1], 10) == 0);
	CHECK(sink_put(&s, "x", 1, 0) == -EPIPE);
	CHECK(close(ends[1]) == 0);
}

static const struct test tests[] = {
	{ "files", files },
	{ "pipes", pipes },
	{ "refused", refused },
};

TEST_MAIN(tests)
