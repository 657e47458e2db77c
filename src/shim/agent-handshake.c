/*
 * agent-handshake.c: from an empty descriptor table to a managed program
 *
 *	connect -> WELCOME -> userfaultfds -> /proc files -> HELLO -> READY
 *
 * Every wait is bounded: the program's first instruction, or the return of
 * its fork(), is waiting for this.  At no time are more than eight
 * descriptors needed, as the program's own limit counts here.
 */
#include <sys/prctl.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include <pagerd/uffd_abi.h>

#include "agent.h"
#include "sys.h"

#define HANDSHAKE_SECONDS 10

static int
set_timeouts(struct agent *a, long seconds)
{
	struct timeval tv = { .tv_sec = seconds };
	long ret;

	ret = sys5(SYS_setsockopt, a->sock, SOL_SOCKET, SO_RCVTIMEO, &tv,
	    sizeof(tv));
	if (ret == 0)
		ret = sys5(SYS_setsockopt, a->sock, SOL_SOCKET, SO_SNDTIMEO,
		    &tv, sizeof(tv));
	return ((int)ret);
}

static int
connect_daemon(struct agent *a)
{
	long ret;

	a->step = STEP_CONNECT;
	ret = sys3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (ret < 0)
		return ((int)ret);
	a->sock = (int32_t)ret;
	ret = set_timeouts(a, HANDSHAKE_SECONDS);
	if (ret == 0)
		ret = sys3(SYS_connect, a->sock, &a->addr, a->addr_len);
	return ((int)ret);
}

/*
 * We are about to hand over /proc/self/mem: only root, who can have it
 * anyway, and our own user may be at the other end.
 */
static int
check_peer(struct agent *a)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	long ret;

	a->step = STEP_PEER;
	ret =
	    sys5(SYS_getsockopt, a->sock, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	if (ret < 0)
		return ((int)ret);
	if (cred.uid != 0 && cred.uid != a->euid)
		return (-EPERM);
	return (0);
}

/*
 * refused: keep the daemon's reason, as text that is safe on a terminal
 */
static int
refused(struct agent *a)
{
	size_t i;
	char c;

	a->step = STEP_REFUSED;
	for (i = 0; i < sizeof(a->reason) - 1; i++) {
		c = a->in.refused.reason[i];
		if (c == '\0')
			break;
		a->reason[i] = c >= ' ' && c <= '~' ? c : '?';
	}
	a->reason[i] = '\0';
	return (-ECONNREFUSED);
}

static int
check_packet(struct agent *a, long len, uint16_t type, size_t size)
{
	const struct pagerd_msg *hdr = &a->in.hdr;

	if (len < (long)sizeof(*hdr))
		return (len == 0 ? -ECONNRESET : -EPROTO);
	if (hdr->version != PAGERD_PROTOCOL_VERSION)
		return (-EPROTONOSUPPORT);
	if (hdr->size != (size_t)len)
		return (-EPROTO);
	if (hdr->type == PAGERD_MSG_REFUSED &&
	    hdr->size == sizeof(a->in.refused))
		return (refused(a));
	if (hdr->type != type || hdr->size != size)
		return (-EPROTO);
	return (0);
}

/*
 * receive: one packet of exactly this type and size into a->in
 *
 * => fd: NULL, the packet has no descriptor; else it has one, stored here
 * => descriptors of a bad packet are left to the end of the thread
 */
static int
receive(struct agent *a, uint16_t type, size_t size, int32_t *fd)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = &a->in, .iov_len = sizeof(a->in) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	long len;
	int ret;

	len = sys3(SYS_recvmsg, a->sock, &msg, MSG_CMSG_CLOEXEC);
	if (len < 0)
		return ((int)(len == -EAGAIN ? -ETIMEDOUT : len));
	ret = check_packet(a, len, type, size);
	if (ret < 0)
		return (ret);
	if (msg.msg_flags & MSG_CTRUNC)
		return (-EMFILE);
	if (fd == NULL)
		return (msg.msg_controllen == 0 ? 0 : -EPROTO);
	if (msg.msg_controllen < CMSG_LEN(sizeof(int)) ||
	    control.hdr.cmsg_level != SOL_SOCKET ||
	    control.hdr.cmsg_type != SCM_RIGHTS ||
	    control.hdr.cmsg_len != CMSG_LEN(sizeof(int)))
		return (-EPROTO);
	*fd = *(const int *)CMSG_DATA(&control.hdr);
	return (0);
}

/*
 * Two userfaultfds of this address space, both raw: the daemon enables them,
 * as only it may ask for fork events.  A forked child's own main one exists
 * already, and comes with READY.  A third, for the doorbells, is ours alone.
 */
static int
make_userfaultfds(struct agent *a, int device, int *fds)
{
	const int flags = O_CLOEXEC | O_NONBLOCK;
	long ret;

	a->step = STEP_UFFD;
	ret = sys3(SYS_ioctl, device, USERFAULTFD_IOC_NEW, flags);
	if (ret < 0)
		return ((int)ret);
	fds[PAGERD_FD_STAGE] = a->stage_fd = (int32_t)ret;
	if (a->hello.kind == PAGERD_HELLO_EXEC) {
		ret = sys3(SYS_ioctl, device, USERFAULTFD_IOC_NEW, flags);
		if (ret < 0)
			return ((int)ret);
		fds[PAGERD_FD_MAIN] = a->main_fd = (int32_t)ret;
	}
	if (a->bells != NULL) {
		ret = sys3(SYS_ioctl, device, USERFAULTFD_IOC_NEW, flags);
		a->bell_fd = ret < 0 ? -1 : (int32_t)ret;
	}
	sys1(SYS_close, device);
	return (0);
}

static long
open_read(const char *path)
{
	return (sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
}

/* Where descriptors are short the doorbells' is the one to go without. */
static long
open_needed(struct agent *a, const char *path)
{
	long fd = open_read(path);

	if (fd != -EMFILE || a->bell_fd < 0)
		return (fd);
	sys1(SYS_close, a->bell_fd);
	a->bell_fd = -1;
	return (open_read(path));
}

/*
 * statm is the agent's own: that of the process reads all zeros once the
 * main thread has exited and others go on.
 */
static int
open_proc(struct agent *a, int *fds)
{
	long fd;

	a->step = STEP_PROC;
	if ((fd = open_needed(a, "/proc/self/mem")) < 0)
		return ((int)fd);
	fds[PAGERD_FD_MEM] = (int)fd;
	if ((fd = open_needed(a, "/proc/self/pagemap")) < 0)
		return ((int)fd);
	fds[PAGERD_FD_PAGEMAP] = (int)fd;
	if ((fd = open_needed(a, "/proc/self/maps")) < 0)
		return ((int)fd);
	fds[PAGERD_FD_MAPS] = (int)fd;
	if ((fd = open_needed(a, "/proc/self/smaps")) < 0)
		return ((int)fd);
	fds[PAGERD_FD_SMAPS] = (int)fd;
	if ((fd = open_needed(a, "/proc/thread-self/statm")) < 0)
		return ((int)fd);
	fds[PAGERD_FD_STATM] = (int)fd;
	return (0);
}

/*
 * send_hello: hand over what the daemon needs, and keep only the userfaultfds
 *
 * => they stay open until the agent ends: the last close of one would make
 *    pages that are out read as zero
 */
static int
send_hello(struct agent *a, int *fds, unsigned int nfds)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(PAGERD_FDS_EXEC * sizeof(int))];
	} control;
	struct iovec iov = {
		.iov_base = &a->hello,
		.iov_len = sizeof(a->hello),
	};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_SPACE(nfds * sizeof(int)),
	};
	unsigned int i;
	long ret;

	a->step = STEP_HELLO;
	control.hdr.cmsg_level = SOL_SOCKET;
	control.hdr.cmsg_type = SCM_RIGHTS;
	control.hdr.cmsg_len = CMSG_LEN(nfds * sizeof(int));
	for (i = 0; i < nfds; i++)
		((int *)CMSG_DATA(&control.hdr))[i] = fds[i];
	ret = sys3(SYS_sendmsg, a->sock, &msg, MSG_NOSIGNAL);
	for (i = PAGERD_FD_MEM; i < nfds && i <= PAGERD_FD_STATM; i++)
		sys1(SYS_close, fds[i]);
	if (ret < 0)
		return ((int)(ret == -EAGAIN ? -ETIMEDOUT : ret));
	return (0);
}

static int
wait_ready(struct agent *a)
{
	const int exec = a->hello.kind == PAGERD_HELLO_EXEC;
	int ret;

	a->step = STEP_READY;
	ret = receive(a, PAGERD_MSG_READY, sizeof(a->in.ready),
	    exec ? NULL : &a->main_fd);
	if (ret < 0)
		return (ret);
	if (a->in.ready.flags & PAGERD_READY_INHERITED)
		a->pages_out = 1;
	return (0);
}

/*
 * What the loop uses to notice that it is the last thread, and to reach the
 * program's stderr at the very end; neither is worth failing for.
 */
static void
open_extras(struct agent *a)
{
	a->stat_fd = (int32_t)open_read("/proc/self/stat");
	a->pid_fd = (int32_t)sys2(SYS_pidfd_open, a->pid, 0);
}

static int
handshake(struct agent *a)
{
	int fds[PAGERD_FDS_EXEC];
	int32_t device;
	int ret;

	if ((ret = connect_daemon(a)) < 0)
		return (ret);
	if ((ret = check_peer(a)) < 0)
		return (ret);
	a->step = STEP_WELCOME;
	ret = receive(a, PAGERD_MSG_WELCOME, sizeof(a->in.welcome), &device);
	if (ret < 0)
		return (ret);
	if ((ret = make_userfaultfds(a, device, fds)) < 0)
		return (ret);
	if ((ret = open_proc(a, fds)) < 0)
		return (ret);
	ret = send_hello(a, fds,
	    a->hello.kind == PAGERD_HELLO_EXEC ? PAGERD_FDS_EXEC
					       : PAGERD_FDS_FORK);
	if (ret < 0)
		return (ret);
	if ((ret = wait_ready(a)) < 0)
		return (ret);
	return (set_timeouts(a, 0));
}

int
agent_handshake(struct agent *a)
{
	int ret;

	a->pid = (int32_t)sys0(SYS_getpid);
	a->hello.agent_tid = (uint32_t)sys0(SYS_gettid);
	ret = handshake(a);
	if (ret < 0) {
		a->error = -ret;
		return (-1);
	}
	open_extras(a);
	return (0);
}

/* Nobody waits for a holder but the daemon, which ends it by hanging up. */
int
agent_hello(struct agent *a, int device)
{
	int fds[PAGERD_FDS_HOLD];

	if (make_userfaultfds(a, device, fds) < 0 ||
	    send_hello(a, fds, PAGERD_FDS_HOLD) < 0)
		return (-1);
	return (wait_ready(a) < 0 ? -1 : 0);
}
