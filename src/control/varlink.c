/*
 * varlink.c: control connections, and calls that came over them
 *
 *	read --> frame --> call_start() --> command ... --> reply --> written
 *	  ^                                                            |
 *	  +------------------- next frame, or read on <----------------+
 *
 * A connection that sends what is no Varlink call is closed; one that goes
 * away while its call is at work is kept until the call has ended.
 */
#include "varlink.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "assert.h"
#include "cmd.h"
#include "frame.h"
#include "groups.h"
#include "hub.h"
#include "log.h"
#include "packet.h"
#include "settings.h"

struct varlink {
	TAILQ_ENTRY(varlink) entry;
	struct hub *hub;
	uv_pipe_t pipe;
	struct ucred cred;
	struct frame in;
	struct call *call; /* at work; NULL: none */
	char *out;         /* being written; NULL: nothing */
	uv_write_t write;
	bool first;   /* private: the daemon ends with it */
	bool pumping; /* pump() is at work on the stack */
	bool closing; /* uv_close() was called */
	bool closed;  /* and has finished */
};

static void pump(struct varlink *);

static void
varlink_free(struct varlink *v)
{
	/* A call at work still refers to it. */
	if (!v->closed || v->call != NULL || v->pumping)
		return;
	frame_fini(&v->in);
	free(v->out);
	free(v);
}

static void
on_closed(uv_handle_t *handle)
{
	struct varlink *v = handle->data;

	v->closed = true;
	varlink_free(v);
}

static void
varlink_close(struct varlink *v)
{
	struct hub *hub = v->hub;

	if (v->closing)
		return;
	v->closing = true;
	uv_close((uv_handle_t *)&v->pipe, on_closed);
	TAILQ_REMOVE(&hub->connections, v, entry);
	if (v->first)
		hub->first_over = true;
	groups_orphan(hub, v);
	hub_settle(hub);
}

void
varlink_close_all(struct hub *hub)
{
	struct varlink *v;

	while ((v = TAILQ_FIRST(&hub->connections)) != NULL)
		varlink_close(v);
}

static void
call_free(struct call *call)
{
	struct varlink *v = call->connection;

	ASSERT(v->call == call);
	v->call = NULL;
	json_decref(call->parameters);
	json_decref(call->request);
	free(call);
}

static void
on_written(uv_write_t *req, int status)
{
	struct varlink *v = req->data;

	free(v->out);
	v->out = NULL;
	if (status < 0)
		varlink_close(v);
	else
		pump(v);
}

/* => takes reply over */
static void
send_reply(struct varlink *v, json_t *reply)
{
	uv_buf_t buf;
	int r;

	ASSERT(v->out == NULL);
	if (!v->closing) {
		v->out = json_dumps(reply, JSON_COMPACT);
		r = v->out == NULL ? -ENOMEM : 0;
		if (r == 0) {
			buf = uv_buf_init(v->out,
			    (unsigned int)strlen(v->out) + 1);
			v->write.data = v;
			r = uv_write(&v->write, (uv_stream_t *)&v->pipe, &buf,
			    1, on_written);
		}
		if (r < 0) {
			free(v->out);
			v->out = NULL;
			varlink_close(v);
		}
	}
	json_decref(reply);
}

static void
call_end(struct call *call, json_t *reply)
{
	struct varlink *v = call->connection;

	if (call->oneway)
		json_decref(reply);
	else
		send_reply(v, reply);
	call_free(call);
	/* After a reply it goes on when that is written, else from here. */
	if (v->out == NULL && !v->pumping && !v->closing)
		pump(v);
	else
		varlink_free(v);
}

void
call_reply(struct call *call, json_t *parameters)
{
	if (parameters == NULL)
		parameters = json_object();
	call_end(call, json_pack("{s:o}", "parameters", parameters));
}

void
call_error(struct call *call, const char *error, json_t *parameters)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s",
	    strchr(error, '.') == NULL ? CMD_INTERFACE "." : "", error);
	if (parameters == NULL)
		parameters = json_object();
	call_end(call,
	    json_pack("{s:s, s:o}", "error", name, "parameters", parameters));
}

void
call_invalid(struct call *call, const char *parameter)
{
	call_error(call, CMD_SERVICE ".InvalidParameter",
	    json_pack("{s:s}", "parameter", parameter));
}

void
call_failed(struct call *call, const char *what, int result)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(-result));
	log_info("pid %d, uid %u: %s", (int)call->pid, call->uid, text);
	call_error(call, "Failed", json_pack("{s:s}", "reason", text));
}

void
call_not_permitted(struct call *call, const char *reason)
{
	call_error(call, "NotPermitted", json_pack("{s:s}", "reason", reason));
}

int
call_ask(struct call *call, struct mail *m, void (*done)(struct mail *))
{
	int r;

	m->done = done;
	m->ctx = call;
	r = hub_ask(call->hub, m);
	if (r < 0)
		call_failed(call,
		    r == -ESHUTDOWN ? "the daemon is stopping"
				    : "the daemon is overloaded",
		    r);
	return r;
}

struct call *
call_answered(struct mail *m)
{
	struct call *call = m->ctx;

	hub_answered(call->hub);
	return call;
}

bool
call_has(const struct call *call, const char *name)
{
	const json_t *v = json_object_get(call->parameters, name);

	return v != NULL && !json_is_null(v);
}

const char *
call_string(const struct call *call, const char *name)
{
	return json_string_value(json_object_get(call->parameters, name));
}

int64_t
call_int(const struct call *call, const char *name)
{
	return json_integer_value(json_object_get(call->parameters, name));
}

bool
call_bool(const struct call *call, const char *name)
{
	return json_is_true(json_object_get(call->parameters, name));
}

static int
peer_pidfd(const struct call *call)
{
	uv_os_fd_t sock;

	if (uv_fileno((uv_handle_t *)&call->connection->pipe, &sock) < 0)
		return -EBADF;
	return packet_peer(sock);
}

static bool
is_writable_file(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY &&
	       !(flags & (O_APPEND | O_PATH)) && fstat(fd, &st) == 0 &&
	       (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ||
		   S_ISFIFO(st.st_mode));
}

int
call_fd(const struct call *call, const char *name)
{
	int64_t number = call_int(call, name);
	int fd, pidfd;

	if (number > INT32_MAX)
		return -EBADF;
	pidfd = peer_pidfd(call);
	if (pidfd < 0)
		return pidfd;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)number, 0);
	if (fd < 0)
		fd = -errno;
	close(pidfd);
	if (fd >= 0 && !is_writable_file(fd)) {
		close(fd);
		return -EBADF;
	}
	return fd;
}

/*
 * call_start: make a call of a message, and let its command run
 *
 * => -EPROTO: it is none; -ENOMEM; in both cases the connection is to end
 */
static int
call_start(struct varlink *v, const char *msg, size_t len)
{
	const char *method;
	json_t *request, *parameters;
	struct call *call;

	request = json_loadb(msg, len, JSON_REJECT_DUPLICATES, NULL);
	method = json_string_value(json_object_get(request, "method"));
	parameters = json_object_get(request, "parameters");
	if (method == NULL ||
	    (parameters != NULL && !json_is_object(parameters))) {
		json_decref(request);
		return -EPROTO;
	}
	call = calloc(1, sizeof(*call));
	if (call == NULL) {
		json_decref(request);
		return -ENOMEM;
	}
	call->hub = v->hub;
	call->connection = v;
	call->request = request;
	call->parameters =
	    parameters != NULL ? json_incref(parameters) : json_object();
	call->uid = v->cred.uid;
	call->pid = v->cred.pid;
	call->privileged = call->uid == 0 || call->uid == geteuid();
	call->oneway = json_is_true(json_object_get(request, "oneway"));
	v->call = call;
	cmd_run(call, method);
	return 0;
}

static void
on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct varlink *v = handle->data;
	size_t len = 0;
	char *room;

	(void)suggested;
	room = frame_room(&v->in, &len);
	*buf = uv_buf_init(room, (unsigned int)len);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct varlink *v = stream->data;

	(void)buf;
	if (n < 0) {
		varlink_close(v);
		return;
	}
	frame_received(&v->in, (size_t)n);
	pump(v);
}

/*
 * take_messages: until a call is at work, or all are taken: then reads on
 */
static int
take_messages(struct varlink *v)
{
	uv_stream_t *stream = (uv_stream_t *)&v->pipe;
	size_t len;
	char *msg;
	int r = 0;

	uv_read_stop(stream);
	while (r == 0 && !v->closing && v->call == NULL && v->out == NULL) {
		r = frame_next(&v->in, &msg, &len);
		if (r == 0)
			return uv_read_start(stream, on_room, on_read);
		if (r == 1)
			r = call_start(v, msg, len);
	}
	return r;
}

static void
pump(struct varlink *v)
{
	int r;

	if (v->closing)
		return;
	v->pumping = true;
	r = take_messages(v);
	if (r < 0 && !v->closing) {
		log_info("pid %d, uid %u: control connection closed: %s",
		    (int)v->cred.pid, v->cred.uid, strerror(-r));
		varlink_close(v);
	}
	v->pumping = false;
	varlink_free(v);
}

static int
read_credentials(struct varlink *v)
{
	socklen_t len = sizeof(v->cred);
	uv_os_fd_t fd;
	int r;

	r = uv_fileno((uv_handle_t *)&v->pipe, &fd);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &v->cred, &len) < 0)
		return -errno;
	return 0;
}

int
varlink_accept(struct hub *hub)
{
	struct varlink *v;
	int r;

	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	v->hub = hub;
	frame_init(&v->in);
	uv_pipe_init(&hub->loop, &v->pipe, 0);
	v->pipe.data = v;
	TAILQ_INSERT_TAIL(&hub->connections, v, entry);
	r = uv_accept((uv_stream_t *)&hub->control_pipe,
	    (uv_stream_t *)&v->pipe);
	if (r == 0)
		r = read_credentials(v);
	if (r < 0) {
		varlink_close(v);
		return r;
	}
	v->first = hub->setup->settings->private && !hub->first_seen;
	hub->first_seen = true;
	pump(v);
	return 0;
}
