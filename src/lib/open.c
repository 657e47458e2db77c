/*
 * open.c: from the path of a socket to a handle
 *
 *	connect -> whose is it? -> WELCOME -> OPEN -> arena reserved
 *
 * Every wait is bounded here.  Later ones are not: a snapshot takes as long as
 * it takes.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define HANDSHAKE_SECONDS 10

static int
set_timeouts(int sock, time_t seconds)
{
	const struct timeval tv = { .tv_sec = seconds };

	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return (-errno);
	return (0);
}

static int
connect_to(int sock, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const size_t len = strlen(path);
	int ret;

	if (len >= sizeof(addr.sun_path))
		return (-ENAMETOOLONG);
	memcpy(addr.sun_path, path, len + 1);
	do
		ret = connect(sock, (struct sockaddr *)&addr, sizeof(addr));
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return (errno == EAGAIN ? -ETIMEDOUT : -errno);
	return (0);
}

/* What we are about to map comes from there. */
static int
check_peer(int sock)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return (-errno);
	return (cred.uid == 0 || cred.uid == geteuid() ? 0 : -EPERM);
}

/* The descriptor is for agents. */
static int
be_welcomed(int sock)
{
	struct packet pk;
	unsigned int nfds;
	int ret;

	ret = packet_receive(sock, PAGERD_MSG_WELCOME, sizeof(pk.msg.welcome),
	    &pk);
	if (ret < 0)
		return (ret);
	nfds = pk.nfds;
	packet_close_fds(&pk);
	if (pk.fds_lost)
		return (-EMFILE);
	return (nfds == 1 ? 0 : -EPROTO);
}

static int
begin_session(struct pagerd *p)
{
	struct pagerd_msg_request req = { .op = PAGERD_OP_OPEN };
	int ret;

	ret = session_enter(p);
	if (ret < 0)
		return (ret);
	ret = session_tell(p, &req);
	if (ret == 0)
		ret = arena_open();
	session_leave(p);
	return (ret);
}

static int
shake_hands(struct pagerd *p, const char *path)
{
	int ret;

	if ((ret = set_timeouts(p->sock, HANDSHAKE_SECONDS)) < 0)
		return (ret);
	if ((ret = connect_to(p->sock, path)) < 0)
		return (ret);
	if ((ret = check_peer(p->sock)) < 0)
		return (ret);
	if ((ret = be_welcomed(p->sock)) < 0)
		return (ret);
	if ((ret = begin_session(p)) < 0)
		return (ret);
	return (set_timeouts(p->sock, 0));
}

static int
new_handle(struct pagerd **out)
{
	struct pagerd *p = calloc(1, sizeof(*p));
	int ret;

	if (p == NULL)
		return (-ENOMEM);
	p->pid = getpid();
	p->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (p->sock < 0) {
		ret = -errno;
		free(p);
		return (ret);
	}
	*out = p;
	return (0);
}

int
pagerd_open(const char *path, struct pagerd **out)
{
	struct pagerd *p = NULL;
	int ret;

	if (path == NULL)
		path = secure_getenv(PAGERD_ENV_SOCKET);
	if (path == NULL || path[0] == '\0')
		return (-ESRCH);
	if ((ret = session_init()) < 0)
		return (ret);
	if ((ret = new_handle(&p)) < 0)
		return (ret);
	ret = shake_hands(p, path);
	if (ret < 0) {
		pagerd_close(p);
		return (ret);
	}
	*out = p;
	return (0);
}

/* The connection ends, even if a forked child has the socket open. */
void
pagerd_close(struct pagerd *p)
{
	if (p == NULL)
		return;
	if (p->pid == getpid())
		shutdown(p->sock, SHUT_RDWR);
	close(p->sock);
	free(p);
}
