/*
 * varlink.c: calls over the daemon's control socket
 */
#include "varlink.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)64 << 20)

struct varlink {
	int fd;
	char *in; /* what has come of the answer */
	size_t len, capacity;
};

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* => a descriptor or -errno */
static int
open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int
varlink_connect(const char *path, struct varlink **out)
{
	struct varlink *v;
	int fd;

	fd = open_socket(path);
	if (fd < 0)
		return fd;
	v = calloc(1, sizeof(*v));
	if (v == NULL) {
		close(fd);
		return -ENOMEM;
	}
	v->fd = fd;
	*out = v;
	return 0;
}

void
varlink_close(struct varlink *v)
{
	if (v == NULL)
		return;
	close(v->fd);
	free(v->in);
	free(v);
}

static int
wait_for(const struct varlink *v, short events, int64_t deadline)
{
	struct pollfd p = { .fd = v->fd, .events = events };
	int64_t left;
	int r;

	do {
		left = deadline - now_ms();
		if (left < 0)
			left = 0;
		r = poll(&p, 1, (int)left);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

static int
send_all(struct varlink *v, const char *text, size_t len, int64_t deadline)
{
	ssize_t n;
	int r;

	while (len > 0) {
		n = send(v->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			text += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EPIPE)
			return -ECONNRESET;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(v, POLLOUT, deadline);
		if (r != 0)
			return r;
	}
	return 0;
}

static int
make_room(struct varlink *v)
{
	size_t capacity = v->capacity == 0 ? 4096 : 2 * v->capacity;
	char *in;

	if (v->len < v->capacity)
		return 0;
	if (capacity > ANSWER_MAX)
		return -EPROTO;
	in = realloc(v->in, capacity);
	if (in == NULL)
		return -ENOMEM;
	v->in = in;
	v->capacity = capacity;
	return 0;
}

/* => an answer ends with NUL; one call at a time: nothing may follow it */
static int
receive(struct varlink *v, int64_t deadline)
{
	ssize_t n;
	int r;

	v->len = 0;
	while (v->len == 0 || v->in[v->len - 1] != '\0') {
		r = make_room(v);
		if (r == 0)
			r = wait_for(v, POLLIN, deadline);
		if (r != 0)
			return r;
		n = recv(v->fd, v->in + v->len, v->capacity - v->len,
		    MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0)
			v->len += (size_t)n;
	}
	return 0;
}

static int
parse(const struct varlink *v, json_t **answer)
{
	json_t *whole = json_loadb(v->in, v->len - 1, 0, NULL);
	json_t *parameters;

	if (!json_is_object(whole)) {
		json_decref(whole);
		return -EPROTO;
	}
	if (json_is_string(json_object_get(whole, "error"))) {
		*answer = whole;
		return VARLINK_ERROR;
	}
	/* Varlink lets an answer without any leave them out. */
	parameters = json_object_get(whole, "parameters");
	*answer = json_is_object(parameters) ? json_incref(parameters)
					     : json_object();
	json_decref(whole);
	return *answer != NULL ? 0 : -ENOMEM;
}

static char *
request(const char *method, json_t *parameters)
{
	json_t *call;
	char *text;

	if (parameters == NULL)
		parameters = json_object();
	call =
	    json_pack("{s:s, s:o}", "method", method, "parameters", parameters);
	text = json_dumps(call, JSON_COMPACT);
	json_decref(call);
	return text;
}

int
varlink_call(struct varlink *v, const char *method, json_t *parameters,
    int seconds, json_t **answer)
{
	int64_t deadline = now_ms() + (int64_t)seconds * 1000;
	char *text = request(method, parameters);
	int r;

	if (text == NULL)
		return -ENOMEM;
	r = send_all(v, text, strlen(text) + 1, deadline);
	free(text);
	if (r == 0)
		r = receive(v, deadline);
	if (r == 0)
		r = parse(v, answer);
	return r;
}
