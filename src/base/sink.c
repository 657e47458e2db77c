#include "sink.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "assert.h"

#define PATIENCE_MS 60000

static int
open_file(struct sink *s)
{
	int flags = fcntl(s->fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (flags & O_APPEND)
		return -EINVAL;
	if (ftruncate(s->fd, 0) < 0 || ftruncate(s->fd, (off_t)s->size) < 0)
		return -errno;
	s->holes = true;
	return 0;
}

static int
open_device(const struct sink *s)
{
	off_t size = lseek(s->fd, 0, SEEK_END);

	if (size < 0)
		return -errno;
	return (uint64_t)size < s->size ? -ENOSPC : 0;
}

int
sink_open(struct sink *s, int fd, uint64_t size)
{
	struct stat st;

	*s = (struct sink){ .fd = fd, .size = size };
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		return open_file(s);
	if (S_ISBLK(st.st_mode))
		return open_device(s);
	s->pipe = S_ISFIFO(st.st_mode);
	return s->pipe ? 0 : -EINVAL;
}

/* A pipe that says that it has room has it for PIPE_BUF bytes. */
static ssize_t
write_pipe(const struct sink *s, const void *bytes, size_t len)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLOUT };
	int n = poll(&pfd, 1, PATIENCE_MS);

	if (n == 0)
		errno = ETIMEDOUT;
	if (n <= 0)
		return -1;
	return write(s->fd, bytes, len < PIPE_BUF ? len : PIPE_BUF);
}

static int
write_all(struct sink *s, const uint8_t *p, size_t len, uint64_t at)
{
	ssize_t n;

	while (len > 0) {
		n = s->pipe ? write_pipe(s, p, len)
			    : pwrite(s->fd, p, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	s->at = at;
	return 0;
}

static int
fill(struct sink *s, uint64_t to)
{
	static const uint8_t zeros[1 << 16];
	int r = 0;

	while (r == 0 && s->at < to && !s->holes)
		r = write_all(s, zeros,
		    to - s->at < sizeof(zeros) ? to - s->at : sizeof(zeros),
		    s->at);
	return r;
}

int
sink_put(struct sink *s, const void *bytes, size_t len, uint64_t at)
{
	int r = fill(s, at);

	ASSERT(s->at <= at);
	return r < 0 ? r : write_all(s, bytes, len, at);
}

int
sink_end(struct sink *s)
{
	return fill(s, s->size);
}
