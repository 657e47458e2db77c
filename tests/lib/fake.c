#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake-parts.h"

/* => op is about to be answered; does the lie come now? */
static bool
is_due(struct fake *f, uint32_t op)
{
	return (f->lie != LIE_NONE && f->lie_op == op && f->lie_after-- == 0);
}

/* => -1: the session has ended */
static int
send_out(int sock, const struct outgoing *out)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control = { 0 };
	const size_t fds_len = out->nfds * sizeof(int);
	struct iovec iov = { (void *)(uintptr_t)&out->msg, out->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (out->hang_up)
		return (-1);
	if (out->nfds > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(fds_len);
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(fds_len);
		memcpy(CMSG_DATA(&control.hdr), out->fds, fds_len);
	}
	return (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -1 : 0);
}

static int
send_truth_or_lie(struct fake *f, int sock, uint32_t op, struct outgoing *out)
{
	if (is_due(f, op)) {
		fake_tell_lie(f, out);
		f->lie = LIE_NONE;
	}
	return (send_out(sock, out));
}

static int
welcome(struct fake *f, int sock)
{
	struct outgoing out = { .nfds = 1, .fds = { f->null_fd } };

	fake_set_header(&out, PAGERD_MSG_WELCOME, sizeof(out.msg.welcome));
	return (send_truth_or_lie(f, sock, FAKE_WELCOME, &out));
}

static void
log_request(struct fake *f, const struct pagerd_msg_request *req)
{
	if (f->nlog < FAKE_LOG)
		f->log[f->nlog++] = *req;
	f->holding = req->op == f->held_op;
	pthread_cond_broadcast(&f->changed);
	while (req->op == f->held_op)
		pthread_cond_wait(&f->changed, &f->lock);
	f->holding = false;
}

static bool
is_request(const struct pagerd_msg_request *req, ssize_t len)
{
	return (len == sizeof(*req) &&
		req->hdr.version == PAGERD_PROTOCOL_VERSION &&
		req->hdr.type == PAGERD_MSG_REQUEST &&
		req->hdr.size == sizeof(*req) &&
		memchr(req->name, '\0', sizeof(req->name)) != NULL);
}

/* => with the one descriptor that a request may have */
static ssize_t
receive(struct fake *f, int sock, struct pagerd_msg_request *req)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { req, sizeof(*req) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	const ssize_t len = recvmsg(sock, &msg, MSG_TRUNC | MSG_CMSG_CLOEXEC);

	f->file_fd = -1;
	if (len > 0 && CMSG_FIRSTHDR(&msg) != NULL)
		memcpy(&f->file_fd, CMSG_DATA(&control.hdr), sizeof(int));
	if (len > 0 && msg.msg_flags & MSG_CTRUNC)
		f->failed = true;
	return (len);
}

static int serve(struct fake *, int sock, const struct pagerd_msg_request *);

static int
answer(struct fake *f, int sock)
{
	struct pagerd_msg_request req;
	const ssize_t len = receive(f, sock, &req);
	int ret;

	if (len <= 0)
		return (-1);
	if (!is_request(&req, len) ||
	    (f->file_fd >= 0) != (req.op == PAGERD_OP_MAP_FILE)) {
		f->failed = true;
		return (-1);
	}
	ret = serve(f, sock, &req);
	if (f->file_fd >= 0)
		close(f->file_fd);
	return (ret);
}

/* => what fails by order changes nothing */
static int
serve(struct fake *f, int sock, const struct pagerd_msg_request *req)
{
	struct outgoing out = { .nfds = 0 };

	log_request(f, req);
	fake_set_header(&out, PAGERD_MSG_REPLY, sizeof(out.msg.reply));
	if (f->lie != LIE_FAIL || f->lie_op != req->op || f->lie_after > 0)
		out.msg.reply.result = fake_serve(f, req, &out);
	return (send_truth_or_lie(f, sock, req->op, &out));
}

static void
accept_session(struct fake *f)
{
	const int sock = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (sock < 0 || f->nsessions == FAKE_SESSIONS) {
		f->failed = true;
		return;
	}
	if (welcome(f, sock) < 0)
		close(sock);
	else
		f->sessions[f->nsessions++] = sock;
}

static void
look_at(struct fake *f, const struct pollfd *pfds, unsigned int n)
{
	while (n-- > 0) {
		if (pfds[n].revents == 0 || answer(f, pfds[n].fd) == 0)
			continue;
		close(f->sessions[n]);
		f->sessions[n] = f->sessions[--f->nsessions];
	}
}

static void *
run(void *arg)
{
	struct pollfd pfds[2 + FAKE_SESSIONS];
	struct fake *f = arg;
	unsigned int i, n;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		n = f->nsessions;
		pfds[0] = (struct pollfd){ f->wake[0], POLLIN, 0 };
		pfds[1] = (struct pollfd){ f->listen_fd, POLLIN, 0 };
		for (i = 0; i < n; i++)
			pfds[2 + i] =
			    (struct pollfd){ f->sessions[i], POLLIN, 0 };
		pthread_mutex_unlock(&f->lock);
		poll(pfds, 2 + n, -1);
		pthread_mutex_lock(&f->lock);
		if (pfds[0].revents != 0)
			break;
		look_at(f, pfds + 2, n);
		if (pfds[1].revents != 0)
			accept_session(f);
	}
	pthread_mutex_unlock(&f->lock);
	return (NULL);
}

static int
listen_at(struct fake *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *tmp = getenv("TMPDIR");

	snprintf(f->dir, sizeof(f->dir), "%s/lib-test.XXXXXX",
	    tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	if (mkdtemp(f->dir) == NULL)
		return (-1);
	snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	memcpy(addr.sun_path, f->path, sizeof(f->path));
	f->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(f->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return (-1);
	return (listen(f->listen_fd, 16));
}

static int
open_foreign(struct fake *f)
{
	f->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	f->foreign_fd = eventfd(0, EFD_CLOEXEC);
	return (f->null_fd < 0 || f->foreign_fd < 0 ? -1 : 0);
}

int
fake_start(struct fake *f)
{
	memset(f, 0, sizeof(*f));
	f->next = PAGERD_ARENA_START + (UINT64_C(1) << 30);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	if (open_foreign(f) < 0 || pipe2(f->wake, O_CLOEXEC) < 0 ||
	    listen_at(f) < 0)
		return (-1);
	return (pthread_create(&f->thread, NULL, run, f) == 0 ? 0 : -1);
}

int
fake_stop(struct fake *f)
{
	if (write(f->wake[1], "", 1) != 1)
		return (-1);
	pthread_join(f->thread, NULL);
	while (f->nsessions > 0)
		close(f->sessions[--f->nsessions]);
	while (f->nobjects > 0)
		close(f->objects[--f->nobjects].fd);
	close(f->listen_fd);
	close(f->wake[0]);
	close(f->wake[1]);
	close(f->null_fd);
	close(f->foreign_fd);
	unlink(f->path);
	rmdir(f->dir);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	return (f->failed ? -1 : 0);
}

void
fake_lies(struct fake *f, enum fake_lie lie, uint32_t op, unsigned int after)
{
	pthread_mutex_lock(&f->lock);
	f->lie = lie;
	f->lie_op = op;
	f->lie_after = after;
	pthread_mutex_unlock(&f->lock);
}

void
fake_fails(struct fake *f, int error, uint32_t op, unsigned int after)
{
	f->fail_with = error;
	fake_lies(f, LIE_FAIL, op, after);
}

void
fake_unmapped(struct fake *f, uint64_t addr, uint64_t len)
{
	pthread_mutex_lock(&f->lock);
	fake_remove_range(f, addr, len);
	pthread_mutex_unlock(&f->lock);
}

static void
fill_piece(int fd, uint64_t offset, uint64_t len)
{
	uint64_t at;

	for (at = offset; at < offset + len; at += PAGE) {
		if (pwrite(fd, &at, sizeof(at), (off_t)at) != sizeof(at))
			abort();
	}
}

void
fake_snapshot(struct fake *f, const char *name, uint64_t addr, uint64_t len,
    uint64_t offset, bool readonly)
{
	struct fake_object *o;
	unsigned int i;

	pthread_mutex_lock(&f->lock);
	i = fake_find_object(f, name, true);
	if (i == f->nobjects)
		fake_new_object(f, name, true, 64 * PAGE);
	o = &f->objects[i];
	fill_piece(o->fd, offset, len);
	if (o->npieces == FAKE_PIECES)
		abort();
	o->pieces[o->npieces++] = (struct fake_region){
		.addr = addr,
		.len = len,
		.offset = offset,
		.memtype = "cow",
		.readonly = readonly,
		.object = i,
	};
	pthread_mutex_unlock(&f->lock);
}

void
fake_hold(struct fake *f, uint32_t op)
{
	pthread_mutex_lock(&f->lock);
	f->held_op = op;
	pthread_mutex_unlock(&f->lock);
}

void
fake_wait_held(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	while (!f->holding)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

void
fake_let_go(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	f->held_op = 0;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

unsigned int
fake_count(struct fake *f, uint32_t op)
{
	unsigned int i, n = 0;

	pthread_mutex_lock(&f->lock);
	for (i = 0; i < f->nlog; i++)
		n += f->log[i].op == op;
	pthread_mutex_unlock(&f->lock);
	return (n);
}

struct pagerd_msg_request
fake_last(struct fake *f, uint32_t op)
{
	struct pagerd_msg_request req = { .op = 0 };
	unsigned int i;

	pthread_mutex_lock(&f->lock);
	for (i = 0; i < f->nlog; i++) {
		if (f->log[i].op == op)
			req = f->log[i];
	}
	pthread_mutex_unlock(&f->lock);
	return (req);
}

unsigned int
fake_nregions(struct fake *f)
{
	unsigned int n;

	pthread_mutex_lock(&f->lock);
	n = f->nregions;
	pthread_mutex_unlock(&f->lock);
	return (n);
}

bool
fake_all_armed(struct fake *f)
{
	bool armed = true;
	unsigned int i;

	pthread_mutex_lock(&f->lock);
	for (i = 0; i < f->nregions; i++)
		armed = armed && f->regions[i].armed;
	pthread_mutex_unlock(&f->lock);
	return (armed);
}
