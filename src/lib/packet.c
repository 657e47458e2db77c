/*
 * packet.c: packets to and from the daemon, and the descriptors with them
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

static int
socket_error(void)
{
	if (errno == EAGAIN)
		return (-ETIMEDOUT);
	return (errno == EPIPE ? -ECONNRESET : -errno);
}

int
packet_send(int sock, const void *packet, size_t len, int fd)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {
		.hdr = {
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		},
	};
	struct iovec iov = { (void *)(uintptr_t)packet, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return (n < 0 ? socket_error() : 0);
}

void
packet_close_fds(struct packet *pk)
{
	while (pk->nfds > 0)
		close(pk->fds[--pk->nfds]);
}

/* The kernel makes no more of them than there is room for. */
static void
take_fds(struct packet *pk, struct msghdr *msg)
{
	struct cmsghdr *c;
	size_t n;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(pk->fds, CMSG_DATA(c), n * sizeof(int));
		pk->nfds = (unsigned int)n;
	}
	if (msg->msg_flags & MSG_CTRUNC && pk->nfds < PACKET_FDS)
		pk->fds_lost = true;
}

static int
check(const struct packet *pk, ssize_t len, int flags, uint16_t type,
    size_t size)
{
	const struct pagerd_msg *hdr = &pk->msg.hdr;

	if (len == 0)
		return (-ECONNRESET);
	if ((size_t)len < sizeof(*hdr))
		return (-EPROTO);
	if (hdr->version != PAGERD_PROTOCOL_VERSION)
		return (-EPROTONOSUPPORT);
	if (flags & MSG_TRUNC || hdr->size != (size_t)len)
		return (-EPROTO);
	if (hdr->type == PAGERD_MSG_REFUSED &&
	    hdr->size == sizeof(pk->msg.refused))
		return (-ECONNREFUSED);
	if (hdr->type != type || hdr->size != size)
		return (-EPROTO);
	return (0);
}

int
packet_receive(int sock, uint16_t type, size_t size, struct packet *pk)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(PACKET_FDS * sizeof(int))];
	} control;
	struct iovec iov = { &pk->msg, sizeof(pk->msg) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t len;
	int ret;

	memset(pk, 0, sizeof(*pk));
	do
		len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return (socket_error());
	take_fds(pk, &msg);
	ret = check(pk, len, msg.msg_flags, type, size);
	if (ret < 0)
		packet_close_fds(pk);
	return (ret);
}
