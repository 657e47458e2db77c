/*
 * nbdcopy-libnbd.c: with libnbd
 *
 * A thread reads the pipe and writes to the server, zeros as zeros: who writes
 * to the pipe does not know about holes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libnbd.h>

#include "ctl.h"
#include "nbdcopy.h"

#define CHUNK (1u << 20)
#define PIPE_BYTES (1 << 20)

struct nbdcopy {
	struct nbd_handle *nbd;
	int from; /* the pipe's end */
	uint8_t *buf;
	uint64_t at, size; /* bytes written, and that there are */
	bool zeros;        /* the server can write them by itself */
	char error[256];   /* the first one */
	pthread_t thread;
};

bool
nbdcopy_is_uri(const char *text)
{
	return strncmp(text, "nbd", 3) == 0 && strstr(text, "://") != NULL;
}

static void
failed(struct nbdcopy *c, const char *why)
{
	if (c->error[0] == '\0')
		snprintf(c->error, sizeof(c->error), "%s", why);
}

/* => bytes, less than CHUNK only at the end; -1 */
static ssize_t
read_chunk(struct nbdcopy *c)
{
	size_t have = 0;
	ssize_t n;

	while (have < CHUNK) {
		n = read(c->from, c->buf + have, CHUNK - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static bool
is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static int
write_chunk(struct nbdcopy *c, size_t n)
{
	if (n > c->size - c->at) {
		failed(c, "the export is too small");
		return -1;
	}
	if (c->zeros && is_zero(c->buf, n))
		return nbd_zero(c->nbd, n, c->at, 0);
	return nbd_pwrite(c->nbd, c->buf, n, c->at, 0);
}

static void *
pump(void *arg)
{
	struct nbdcopy *c = arg;
	ssize_t n;

	while ((n = read_chunk(c)) > 0) {
		if (write_chunk(c, (size_t)n) < 0) {
			failed(c, nbd_get_error());
			break;
		}
		c->at += (uint64_t)n;
	}
	if (n < 0)
		failed(c, strerror(errno));
	if (n == 0 && nbd_can_flush(c->nbd) > 0 && nbd_flush(c->nbd, 0) < 0)
		failed(c, nbd_get_error());
	/* Whoever writes yet hears of it. */
	close(c->from);
	return NULL;
}

static void
copy_free(struct nbdcopy *c)
{
	nbd_close(c->nbd);
	free(c->buf);
	free(c);
}

static int
connect_to(struct nbdcopy *c, const char *uri)
{
	int64_t size;

	c->nbd = nbd_create();
	if (c->nbd == NULL || nbd_connect_uri(c->nbd, uri) < 0)
		return -1;
	size = nbd_get_size(c->nbd);
	if (size < 0)
		return -1;
	if (nbd_is_read_only(c->nbd) > 0) {
		failed(c, "the export is read-only");
		return -1;
	}
	c->size = (uint64_t)size;
	c->zeros = nbd_can_zero(c->nbd) > 0;
	return 0;
}

static int
start_thread(struct nbdcopy *c, int *fd)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
	c->from = ends[0];
	r = pthread_create(&c->thread, NULL, pump, c);
	if (r != 0) {
		close(ends[0]);
		close(ends[1]);
		return -r;
	}
	*fd = ends[1];
	return 0;
}

int
nbdcopy_start(const char *uri, struct nbdcopy **out, int *fd)
{
	struct nbdcopy *c = calloc(1, sizeof(*c));
	int r;

	if (c != NULL)
		c->buf = malloc(CHUNK);
	if (c == NULL || c->buf == NULL) {
		free(c);
		ctl_error("out of memory");
		return -1;
	}
	r = connect_to(c, uri);
	if (r < 0) {
		failed(c, nbd_get_error());
	} else {
		r = start_thread(c, fd);
		if (r < 0)
			failed(c, strerror(-r));
	}
	if (r < 0) {
		ctl_error("'%s': %s", uri, c->error);
		copy_free(c);
		return -1;
	}
	*out = c;
	return 0;
}

int
nbdcopy_end(struct nbdcopy *c)
{
	bool bad;

	(void)pthread_join(c->thread, NULL);
	bad = c->error[0] != '\0';
	if (bad)
		ctl_error("the export was not written: %s", c->error);
	copy_free(c);
	return bad ? -1 : 0;
}
