/*
 * agent-handshake.c: from an empty descriptor table to a managed program
 *
 *	agent:	connect, /proc files   userfaultfds    lockdown
 *	                    \          /            \           \
 *	daemon:	             WELCOME                 HELLO ----- READY
 *
 * WELCOME brings /dev/userfaultfd.  Who may open that does not wait for it.
 *
 * Every wait is bounded: the program's first instruction, or the return of
 * its fork(), is waiting for this.  So what can be done while the daemon is
 * busy is done then: files are opened before WELCOME is waited for, and power
 * is given up before READY is.  At no time are more than eight descriptors
 * needed, as the program's own limit counts here.
 */
#include <sys/prctl.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <time.h>

#include <pagerd/uffd_abi.h>

#include "agent.h"
#include "sys.h"

#define HANDSHAKE_SECONDS 10

/* For connect(2), which waits for room in a queue, and for sending. */
static int
set_timeout(struct agent *a, long seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	return ((int)sys5(SYS_setsockopt, a->sock, SOL_SOCKET, SO_SNDTIMEO, &tv,
	    sizeof(tv)));
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
	ret = set_timeout(a, HANDSHAKE_SECONDS);
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

	if (len < 0)
		return ((int)len);
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
 * => what recvmsg(2) returns, or -ETIMEDOUT
 * => ECONNRESET comes once, before what is still to be read: the daemon has
 *    refused us without reading HELLO
 */
static long
receive_soon(const struct agent *a, struct msghdr *msg)
{
	struct timespec left = { .tv_sec = HANDSHAKE_SECONDS };
	struct pollfd pfd = { .fd = a->sock, .events = POLLIN };
	long ret;

	ret = sys5(SYS_ppoll, &pfd, 1, &left, NULL, 0);
	if (ret == 0)
		return (-ETIMEDOUT);
	if (ret < 0)
		return (ret);
	ret = sys3(SYS_recvmsg, a->sock, msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (ret == -ECONNRESET)
		ret = sys3(SYS_recvmsg, a->sock, msg,
		    MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	return (ret);
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
	int ret;

	ret = check_packet(a, receive_soon(a, &msg), type, size);
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
 * A userfaultfd of this address space, raw: the daemon enables it, as only it
 * may ask for fork events.  A forked child's own exists already, and comes with
 * READY.  Another, for the doorbells, is ours alone.
 */
static int
make_userfaultfds(struct agent *a, int device, int *fds)
{
	const int flags = O_CLOEXEC | O_NONBLOCK;
	long ret;

	a->step = STEP_UFFD;
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

static int
open_proc(struct agent *a, int *fds)
{
	long fd;

	a->step = STEP_PROC;
	if ((fd = open_read("/proc/self/mem")) < 0)
		return ((int)fd);
	fds[PAGERD_FD_MEM] = (int)fd;
	if ((fd = open_read("/proc/self/pagemap")) < 0)
		return ((int)fd);
	fds[PAGERD_FD_PAGEMAP] = (int)fd;
	if ((fd = open_read("/proc/self/maps")) < 0)
		return ((int)fd);
	fds[PAGERD_FD_MAPS] = (int)fd;
	if ((fd = open_read("/proc/self/smaps")) < 0)
		return ((int)fd);
	fds[PAGERD_FD_SMAPS] = (int)fd;
	if ((fd = open_read("/proc/self/smaps_rollup")) < 0)
		return ((int)fd);
	fds[PAGERD_FD_ROLLUP] = (int)fd;
	return (0);
}

/*
 * statm is the agent's own: that of the process reads all zeros once the
 * main thread has exited and others go on.  It is opened last, when there is
 * room for it: /dev/userfaultfd is closed by then.
 */
static int
open_statm(struct agent *a, int *fds)
{
	long fd;

	a->step = STEP_PROC;
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
send_hello(struct agent *a, const int *fds, unsigned int nfds)
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
		.msg_controllen = nfds > 0 ? CMSG_SPACE(nfds * sizeof(int)) : 0,
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

/* => the main userfaultfd has the number that is expected, if one is */
static int
take_main(struct agent *a, int32_t fd)
{
	long ret;

	if (a->main_fd < 0 || fd == a->main_fd) {
		a->main_fd = fd;
		return (0);
	}
	ret = sys3(SYS_dup3, fd, a->main_fd, O_CLOEXEC);
	sys1(SYS_close, fd);
	return (ret < 0 ? (int)ret : 0);
}

static int
wait_ready(struct agent *a)
{
	const int exec = a->hello.kind == PAGERD_HELLO_EXEC;
	int32_t fd = a->main_fd;
	int ret;

	a->step = STEP_READY;
	ret = receive(a, PAGERD_MSG_READY, sizeof(a->in.ready),
	    exec ? NULL : &fd);
	if (ret < 0)
		return (ret);
	ret = take_main(a, fd);
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

/*
 * A forked child's main userfaultfd comes with READY.  What number it will get
 * is known, as nobody else uses this table; the system calls that are left to
 * us by then know that number.
 */
static int
expect_main(struct agent *a)
{
	long fd;

	if (a->main_fd >= 0)
		return (0);
	fd = sys1(SYS_dup, a->sock);
	if (fd < 0)
		return ((int)fd);
	a->main_fd = (int32_t)fd;
	return ((int)sys1(SYS_close, fd));
}

/* The daemon is busy with HELLO: what the agent's own life needs. */
static int
settle_in(struct agent *a)
{
	int ret;

	ret = set_timeout(a, 0);
	if (ret < 0)
		return (ret);
	open_extras(a);
	ret = expect_main(a);
	if (ret < 0)
		return (ret);
	agent_lockdown(a);
	return (0);
}

/* => the daemon's device; -errno */
static int
await_welcome(struct agent *a)
{
	int32_t device;
	int ret;

	a->step = STEP_WELCOME;
	ret = receive(a, PAGERD_MSG_WELCOME, sizeof(a->in.welcome), &device);
	return (ret < 0 ? ret : device);
}

/* => EPIPE: what is there to be read says why */
static int
say_hello(struct agent *a, int device, int *fds)
{
	int ret;

	if ((ret = make_userfaultfds(a, device, fds)) < 0)
		return (ret);
	if ((ret = open_statm(a, fds)) < 0)
		return (ret);
	ret = send_hello(a, fds,
	    a->hello.kind == PAGERD_HELLO_EXEC ? PAGERD_FDS_EXEC
					       : PAGERD_FDS_FORK);
	return (ret == -EPIPE ? 0 : ret);
}

static int
handshake(struct agent *a)
{
	int fds[PAGERD_FDS_EXEC];
	int device, own, ret;

	if ((ret = connect_daemon(a)) < 0)
		return (ret);
	if ((ret = open_proc(a, fds)) < 0)
		return (ret);
	if ((ret = check_peer(a)) < 0)
		return (ret);
	own = (int)sys4(SYS_openat, AT_FDCWD, "/dev/userfaultfd",
	    O_RDWR | O_CLOEXEC, 0);
	device = own >= 0 ? own : await_welcome(a);
	if (device < 0)
		return (device);
	if ((ret = say_hello(a, device, fds)) < 0)
		return (ret);
	if ((ret = settle_in(a)) < 0)
		return (ret);
	if (own >= 0) {
		device = await_welcome(a);
		if (device < 0)
			return (device);
		sys1(SYS_close, device);
	}
	return (wait_ready(a));
}

int
agent_handshake(struct agent *a)
{
	int ret;

	a->pid = (int32_t)sys0(SYS_getpid);
	a->hello.agent_tid = (uint32_t)sys0(SYS_gettid);
	ret = handshake(a);
	if (ret < 0)
		a->error = -ret;
	return (ret < 0 ? -1 : 0);
}

/* Nobody waits for a holder but the daemon, which ends it by hanging up. */
int
agent_hello(struct agent *a)
{
	if (send_hello(a, NULL, PAGERD_FDS_HOLD) < 0)
		return (-1);
	return (wait_ready(a) < 0 ? -1 : 0);
}
