/*
 * session.c: one request at a time
 *
 *	enter --> MAP --> mmap --> ARM --> leave
 *	  |                                 |
 *	  +-- no fork, no other request ----+
 *
 * A child that is made between MAP and ARM would have memory that nobody has
 * registered: pages that are out later would read as zeros there.  So there is
 * one lock for the process, and a fork waits for it.  It serialises the
 * requests of all handles, too.
 */
#include <sys/socket.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int atfork_error;

static void
before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void
after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

static void
watch_forks(void)
{
	atfork_error = pthread_atfork(before_fork, after_fork, after_fork);
}

int
session_init(void)
{
	const int ret = pthread_once(&once, watch_forks);

	return (-(ret != 0 ? ret : atfork_error));
}

/* A thread that is cancelled in recvmsg(2) would leave the lock behind. */
int
session_enter(struct pagerd *p)
{
	int state;

	if (p->pid != getpid())
		return (-ECHILD);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_mutex_lock(&lock);
	p->cancel_state = state;
	return (0);
}

void
session_leave(struct pagerd *p)
{
	const int state = p->cancel_state;

	pthread_mutex_unlock(&lock);
	pthread_setcancelstate(state, NULL);
}

/*
 * What comes next may be the answer to something else.  The daemon is to hear
 * of it at once: a forked child may have the socket open, too.
 */
static void
end(struct pagerd *p)
{
	p->ended = true;
	shutdown(p->sock, SHUT_RDWR);
}

int
session_violated(struct pagerd *p)
{
	end(p);
	return (-EPROTO);
}

void
answer_close(struct answer *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

/* => a is valid if this returns 0 */
static int
exchange(struct pagerd *p, struct pagerd_msg_request *req, int fd,
    struct answer *a)
{
	struct packet pk;
	int ret;

	packet_header(&req->hdr, PAGERD_MSG_REQUEST, sizeof(*req));
	req->arena = PAGERD_ARENA_START;
	req->arena_len = PAGERD_ARENA_BYTES;
	ret = packet_send(p->sock, req, sizeof(*req), fd);
	if (ret < 0)
		return (ret);
	ret = packet_receive(p->sock, PAGERD_MSG_REPLY, sizeof(a->msg), &pk);
	if (ret < 0)
		return (ret);
	if (pk.nfds > 1) {
		packet_close_fds(&pk);
		return (-EPROTO);
	}
	a->msg = pk.msg.reply;
	a->fd = pk.nfds == 1 ? pk.fds[0] : -1;
	a->fd_lost = pk.fds_lost;
	return (0);
}

static bool
is_result(int32_t result)
{
	return (result <= 0 && result >= -4095);
}

int
session_ask(struct pagerd *p, struct pagerd_msg_request *req, struct answer *a)
{
	return (session_ask_with(p, req, -1, a));
}

/* A descriptor that cannot be sent is not the session's fault. */
int
session_ask_with(struct pagerd *p, struct pagerd_msg_request *req, int fd,
    struct answer *a)
{
	int ret;

	if (p->ended)
		return (-ECONNRESET);
	ret = exchange(p, req, fd, a);
	if (ret == -EBADF || ret == -ETOOMANYREFS)
		return (ret);
	if (ret < 0) {
		end(p);
		return (ret);
	}
	if (!is_result(a->msg.result) ||
	    (a->msg.result < 0 && (a->fd >= 0 || a->fd_lost))) {
		answer_close(a);
		return (session_violated(p));
	}
	return (a->msg.result);
}

int
session_tell(struct pagerd *p, struct pagerd_msg_request *req)
{
	struct answer a;
	int ret;

	ret = session_ask(p, req, &a);
	if (ret == 0 && (a.fd >= 0 || a.fd_lost)) {
		answer_close(&a);
		return (session_violated(p));
	}
	return (ret);
}

int
session_tell_once(struct pagerd *p, struct pagerd_msg_request *req)
{
	int ret;

	ret = session_enter(p);
	if (ret < 0)
		return (ret);
	ret = session_tell(p, req);
	session_leave(p);
	return (ret);
}

int
request_name(struct pagerd_msg_request *req, const char *name)
{
	const size_t len = name != NULL ? strnlen(name, PAGERD_NAME_BYTES) : 0;

	if (len == 0 || len > PAGERD_NAME_MAX)
		return (-EINVAL);
	memcpy(req->name, name, len);
	return (0);
}

_Static_assert(PAGERD_NAME_MAX + 1 == PAGERD_NAME_BYTES, "a name and its NUL");
