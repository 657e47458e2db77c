/*
 * fake-attach.c: the fake daemon's handshake, which believes nothing
 */
#include "fake_impl.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <pagerd/uffd_abi.h>

#define MAIN_FEATURES                                                          \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EVENT_FORK |            \
	    UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE |             \
	    UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_WP_UNPOPULATED)

int
fake_send(int sock, const void *packet, size_t len, int fd)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)packet, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
	}
	return (sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1);
}

void
fake_header(struct pagerd_msg *hdr, enum pagerd_msg_type type, size_t size)
{
	hdr->version = PAGERD_PROTOCOL_VERSION;
	hdr->type = (uint16_t)type;
	hdr->size = (uint32_t)size;
}

static int
send_welcome(struct fake *f, int sock)
{
	struct pagerd_msg_welcome welcome;
	struct pagerd_msg_refused no = { .reason = "not\ttoday" };

	fake_header(&welcome.hdr, PAGERD_MSG_WELCOME, sizeof(welcome));
	fake_header(&no.hdr, PAGERD_MSG_REFUSED, sizeof(no));
	switch (f->manner) {
	case FAKE_HANG_UP:
		return (-1);
	case FAKE_REFUSE:
		fake_send(sock, &no, sizeof(no), -1);
		return (-1);
	case FAKE_WRONG_VERSION:
		welcome.hdr.version++;
		/* FALLTHROUGH */
	case FAKE_SERVE:
		return (fake_send(sock, &welcome, sizeof(welcome), f->device));
	}
	return (-1);
}

/* => number of descriptors, or -1 */
static int
recv_hello(int sock, struct pagerd_msg_hello *hello, int *fds)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(16 * sizeof(int))];
	} control;
	struct iovec iov = { hello, sizeof(*hello) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	size_t n;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(*hello))
		return (-1);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
	    msg.msg_controllen == 0 || control.hdr.cmsg_type != SCM_RIGHTS)
		return (-1);
	n = (control.hdr.cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (n > PAGERD_FDS_EXEC)
		return (-1);
	memcpy(fds, CMSG_DATA(&control.hdr), n * sizeof(int));
	return ((int)n);
}

int
fake_uffd_register(int fd, uint64_t start, uint64_t len, uint64_t mode)
{
	struct uffdio_register reg = {
		.range = { start, len },
		.mode = mode,
	};

	return (ioctl(fd, UFFDIO_REGISTER, &reg));
}

static int
enable(int fd, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	return (ioctl(fd, UFFDIO_API, &api));
}

static int
zero_token(const uint8_t *token)
{
	static const uint8_t zero[PAGERD_TOKEN_BYTES];

	return (memcmp(token, zero, sizeof(zero)) == 0);
}

static int
check_layout(const struct pagerd_msg_hello *h)
{
	const uint64_t stage_len = PAGERD_STAGE_PAGES * PAGE;

	return ((h->area_start | h->area_len | h->stage_start |
		    h->anchor_start) %
			PAGE ==
		    0 &&
		h->anchor_start != 0 && h->stage_start >= h->area_start &&
		h->stage_start + stage_len <= h->area_start + h->area_len &&
		(h->anchor_start + PAGE <= h->area_start ||
		    h->anchor_start >= h->area_start + h->area_len));
}

static struct fake_space *
space_exec(struct fake *f, const struct pagerd_msg_hello *h, const int *fds)
{
	uint8_t token[PAGERD_TOKEN_BYTES];
	struct fake_space *s;

	memset(token, 0xa5, sizeof(token));
	if (memcmp(h->group_token, token, sizeof(token)) != 0 ||
	    !zero_token(h->space_token) || h->space_id != 0) {
		fake_fail(f, "HELLO EXEC: wrong tokens");
		return (NULL);
	}
	s = fake_space_new(f);
	if (s == NULL)
		return (NULL);
	s->main_fd = fds[PAGERD_FD_MAIN];
	s->anchor = h->anchor_start;
	if (enable(s->main_fd, MAIN_FEATURES) < 0 ||
	    fake_uffd_register(s->main_fd, s->anchor, PAGE,
		UFFDIO_REGISTER_MODE_MISSING) < 0) {
		fake_fail(f, "main userfaultfd: %s", strerror(errno));
		return (NULL);
	}
	return (s);
}

static struct fake_space *
space_fork(struct fake *f, const struct pagerd_msg_hello *h)
{
	struct fake_space *s = NULL;
	unsigned int i;

	for (i = 0; i < f->nspaces; i++) {
		if (f->spaces[i].id == h->space_id)
			s = &f->spaces[i];
	}
	if (s == NULL || s->attached || !zero_token(h->group_token) ||
	    memcmp(s->token, h->space_token, PAGERD_TOKEN_BYTES) != 0 ||
	    s->anchor != h->anchor_start) {
		fake_fail(f, "HELLO FORK: not from its anchor");
		return (NULL);
	}
	return (s);
}

static int
expected_fds(const struct pagerd_msg_hello *h)
{
	return (h->kind == PAGERD_HELLO_EXEC   ? PAGERD_FDS_EXEC
		: h->kind == PAGERD_HELLO_FORK ? PAGERD_FDS_FORK
					       : -2);
}

/* Does each descriptor name the file that the enum says? */
static int
check_fds(const int *fds, int n, pid_t pid, uint32_t tid)
{
	char link[64], path[128], want[64];
	ssize_t len;
	int i;
	static const char *const names[] = { "mem", "pagemap", "maps", "smaps",
		"smaps_rollup", "statm", NULL };

	for (i = 0; i < n; i++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fds[i]);
		len = readlink(link, path, sizeof(path) - 1);
		if (len < 0)
			return (-1);
		path[len] = '\0';
		if (i == PAGERD_FD_STATM)
			snprintf(want, sizeof(want), "/proc/%d/task/%u/statm",
			    pid, tid);
		else if (names[i] == NULL)
			snprintf(want, sizeof(want),
			    "anon_inode:[userfaultfd]");
		else
			snprintf(want, sizeof(want), "/proc/%d/%s", pid,
			    names[i]);
		if (strcmp(path, want) != 0)
			return (-1);
	}
	return (0);
}

static int
send_ready(struct fake *f, struct fake_space *s)
{
	struct pagerd_msg_ready ready = {
		.space_id = s->id,
		.flags = f->ready_flags,
	};

	fake_header(&ready.hdr, PAGERD_MSG_READY, sizeof(ready));
	return (fake_send(s->sock, &ready, sizeof(ready),
	    s->hello.kind == PAGERD_HELLO_FORK ? s->main_fd : -1));
}

int
fake_attach(struct fake *f, int sock)
{
	const struct timeval patience = { .tv_sec = FAKE_WAIT_MS / 1000 };
	struct pagerd_msg_hello hello;
	struct fake_space *s;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fds[PAGERD_FDS_EXEC] = { -1 }, n;

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	if (send_welcome(f, sock) < 0)
		return (-1);
	n = recv_hello(sock, &hello, fds);
	if (n < 0)
		return (-1);
	if (n != expected_fds(&hello) || !check_layout(&hello) ||
	    hello.hdr.type != PAGERD_MSG_HELLO ||
	    hello.hdr.size != sizeof(hello) ||
	    hello.hdr.version != PAGERD_PROTOCOL_VERSION ||
	    check_fds(fds, n, cred.pid, hello.agent_tid) < 0) {
		fake_fail(f, "HELLO is not as it should be (%d descriptors)",
		    n);
		return (-1);
	}
	s = n == PAGERD_FDS_EXEC ? space_exec(f, &hello, fds)
				 : space_fork(f, &hello);
	if (s == NULL)
		return (-1);
	memcpy(s->fds, fds, sizeof(int) * (size_t)n);
	s->sock = sock;
	s->pid = cred.pid;
	s->hello = hello;
	s->attached = 1;
	f->nattached++;
	return (send_ready(f, s));
}
