/*
 * agent.c: the agent's life after the handshake
 *
 *	            +---------------------------+
 *	            v                           |
 *	start -> waiting -- MOVE, EMPTY, UNSHARE -> answer
 *	            |
 *	            +-- DROP ---------------------> agent-drop.c answers
 *	            +-- doorbell -----------------> registers, wakes, waits on
 *	            +-- RELEASE ------------------> ends, the program goes on
 *	            +-- connection lost ----------> the same, or if pages may be
 *	            |                               out: ends the process
 *	            +-- last thread left ---------> ends, the process with it
 *
 * All signals are blocked here from birth, so nothing is ever interrupted.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include <pagerd/uffd_abi.h>

#include "agent.h"
#include "holder.h"
#include "sys.h"

#define PAGE ((uint64_t)PAGERD_PAGE_SIZE)
#define STDERR 2
#define LOOK_SOON_SECONDS 1 /* from the start to the first look */
#define LOOK_SECONDS 60     /* between looks whether anybody else is left */
#define REAP_SECONDS 3      /* the same while there are holders */
#define LOOK_SLACK_NS 1000000000ul
#define LOOK_EVENTS 64
#define STAT_NUM_THREADS 20
#define STAT_EXIT_CODE 52

void
agent_end_thread(int status)
{
	for (;;)
		sys1(SYS_exit, status);
}

/*
 * tell_program: one line to the program's own stderr
 *
 * => our descriptor table has none, and holding one all the time would keep a
 *    pipe from ever reaching its end; so it is fetched now
 * => gives up rather than waits, as threads hang on our next step
 */
static void
tell_program(struct agent *a, const char *line, size_t len)
{
	const struct timespec patience = { .tv_sec = 1 };
	struct timespec left = patience;
	struct pollfd pfd = { .events = POLLOUT };

	pfd.fd = (int)sys3(SYS_pidfd_getfd, a->pid_fd, STDERR, 0);
	if (pfd.fd < 0)
		return;
	if (sys5(SYS_ppoll, &pfd, 1, &left, NULL, 0) == 1)
		sys3(SYS_write, pfd.fd, line, len);
}

void
agent_lost(struct agent *a)
{
	static const char line[] = "pagerd: lost the daemon that holds part of "
				   "this program's memory: killing the "
				   "program\n";

	if (a->pages_out) {
		tell_program(a, line, sizeof(line) - 1);
		sys2(SYS_kill, a->pid, SIGKILL);
		for (;;)
			sys1(SYS_exit_group, 128 + SIGKILL);
	}
	agent_disarm(a);
	agent_end_thread(0);
}

/*
 * send_packet: of size bytes, header filled in
 *
 * => if it does not go the daemon has closed its end, perhaps while we were
 *    stopped: what it has left in the socket, RELEASE or nothing, says why
 */
static void
send_packet(const struct agent *a, struct pagerd_msg *m, uint16_t type,
    size_t size)
{
	struct iovec iov = { .iov_base = m, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	m->version = PAGERD_PROTOCOL_VERSION;
	m->type = type;
	m->size = (uint32_t)size;
	sys3(SYS_sendmsg, a->sock, &msg, MSG_NOSIGNAL);
}

void
agent_send_done(const struct agent *a, uint32_t seq, long result)
{
	struct pagerd_msg_done done = {
		.seq = seq,
		.result = (int32_t)result,
	};

	send_packet(a, &done.hdr, PAGERD_MSG_DONE, sizeof(done));
}

/*
 * empty_staging: and it is not registered any more
 *
 * => madvise(2) of what is registered would wait until the daemon has read of
 *    it: never
 * => DONTNEED_LOCKED is DONTNEED that also works after mlockall()
 */
static long
empty_staging(struct agent *a)
{
	struct uffdio_range range = {
		.start = a->hello.stage_start,
		.len = PAGERD_STAGE_PAGES * PAGE,
	};
	long ret;

	ret = sys3(SYS_ioctl, a->main_fd, UFFDIO_UNREGISTER, &range);
	if (ret < 0)
		return (ret);
	a->staging = 0;
	return (sys3(SYS_madvise, range.start, range.len,
	    MADV_DONTNEED_LOCKED));
}

/*
 * open_staging: empty, and registered: pages can be moved there
 *
 * => returns 0 or -errno; -ECANCELED: nobody waits for them any more.  Who
 *    gives us up sends something, and then unregisters it: so we look in
 *    between.
 */
static long
open_staging(struct agent *a)
{
	struct uffdio_register reg = {
		.range = { .start = a->hello.stage_start,
		    .len = PAGERD_STAGE_PAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	long ret;

	ret = empty_staging(a);
	if (ret == 0)
		ret = sys3(SYS_ioctl, a->main_fd, UFFDIO_REGISTER, &reg);
	if (ret < 0)
		return (ret);
	a->staging = 1;
	return (agent_is_late(a) ? -ECANCELED : 0);
}

/*
 * move_some: one UFFDIO_MOVE
 *
 * => returns pages moved (holes count), at least one, or -errno
 * => a move that stops half-way counts what it moved; the next attempt then
 *    fails on the first page and names the error
 */
static long
move_some(struct agent *a, uint64_t src, uint32_t pos, uint32_t npages)
{
	struct uffdio_move mv = {
		.dst = a->hello.stage_start + pos * PAGE,
		.src = src,
		.len = npages * PAGE,
		.mode = UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES,
	};
	long ret;

	ret = sys3(SYS_ioctl, a->main_fd, UFFDIO_MOVE, &mv);
	if (mv.move >= (int64_t)PAGE)
		return ((long)(mv.move / (int64_t)PAGE));
	if (mv.move < 0)
		return ((long)mv.move);
	return (ret < 0 ? ret : -EIO);
}

static void
set_status(struct agent *a, uint32_t pos, uint32_t npages, long status)
{
	while (npages-- > 0)
		a->out.moved.status[pos++] = (uint8_t)status;
}

/*
 * move_run: capture one run into staging from page pos on
 *
 * => a busy page (shared after a fork, or pinned) is passed over
 * => EINVAL is what a run gets that is not one mapping (mprotect(2) has split
 *    it): then each page is moved by itself
 * => any other error stands for the rest of the run
 * => returns 0, or -EAGAIN: the address space is changing, stop altogether;
 *    what has not been tried says so already
 */
static int
move_run(struct agent *a, uint64_t src, uint32_t pos, uint32_t npages)
{
	long ret;
	uint32_t n;
	int single = 0;

	while (npages > 0) {
		n = single ? 1 : npages;
		ret = move_some(a, src, pos, n);
		if (ret == -EINVAL && n > 1) {
			single = 1;
			continue;
		}
		if (ret == -EAGAIN)
			return (-EAGAIN);
		if (ret > 0) {
			n = ret < (long)n ? (uint32_t)ret : n;
			a->pages_out = 1;
			set_status(a, pos, n, 0);
		} else {
			n = ret == -EBUSY ? 1 : n;
			set_status(a, pos, n, -ret);
		}
		src += n * PAGE;
		pos += n;
		npages -= n;
	}
	return (0);
}

static void
do_move(struct agent *a)
{
	const struct pagerd_msg_move *m = &a->in.move;
	uint32_t i, n, pos = 0;
	long ret = 0;

	a->out.moved.seq = m->seq;
	a->out.moved.npages = m->npages;
	if ((m->flags & PAGERD_MOVE_EMPTY_FIRST) || !a->staging)
		ret = open_staging(a);
	set_status(a, 0, m->npages, ret < 0 ? -ret : EAGAIN);
	set_status(a, m->npages, PAGERD_STAGE_PAGES - m->npages, 0);
	for (i = 0; ret == 0 && i < m->nruns; i++) {
		n = PAGERD_RUN_PAGES(m->runs[i]);
		ret = move_run(a, PAGERD_RUN_ADDR(m->runs[i]), pos, n);
		pos += n;
	}
	send_packet(a, &a->out.hdr, PAGERD_MSG_MOVED, sizeof(a->out.moved));
}

/*
 * do_unshare: make the pages of the runs this process's own
 *
 * => may raise faults in the program's registered ranges: the daemon serves
 *    them while it waits for DONE
 */
static void
do_unshare(struct agent *a)
{
	const struct pagerd_msg_unshare *m = &a->in.move;
	const uint32_t seq = m->seq;
	long ret, result = 0;
	uint32_t i;

	for (i = 0; i < m->nruns; i++) {
		ret = sys3(SYS_madvise, PAGERD_RUN_ADDR(m->runs[i]),
		    PAGERD_RUN_PAGES(m->runs[i]) * PAGE, MADV_POPULATE_WRITE);
		if (ret < 0 && result == 0)
			result = ret;
	}
	agent_send_done(a, seq, result);
}

static int
runs_valid(const struct pagerd_msg_move *m)
{
	uint32_t i, npages = 0;

	if (m->hdr.size < PAGERD_MOVE_SIZE(1) || m->nruns < 1 ||
	    m->nruns > PAGERD_STAGE_PAGES)
		return (0);
	if (m->hdr.size != PAGERD_MOVE_SIZE(m->nruns))
		return (0);
	for (i = 0; i < m->nruns; i++)
		npages += PAGERD_RUN_PAGES(m->runs[i]);
	return (npages == m->npages && npages <= PAGERD_STAGE_PAGES);
}

/*
 * release: the daemon holds nothing of ours any more
 *
 * => the thread's end closes all its descriptors, which wakes whoever waits
 *    at a doorbell; the area stays mapped, for nobody is left who could unmap
 *    it
 */
static void __attribute__((noreturn)) release(struct agent *a)
{
	__atomic_store_n(&a->released, 1, __ATOMIC_RELEASE);
	agent_disarm(a);
	empty_staging(a);
	agent_end_thread(0);
}

/*
 * dispatch: carry out the packet of len bytes in a->in
 *
 * => a packet that is not exactly as the protocol has it ends the connection
 * => that the daemon wants something done says that the limit is near: new
 *    mappings are announced from now on
 */
static void
dispatch(struct agent *a, size_t len)
{
	const struct pagerd_msg *hdr = &a->in.hdr;

	if (len < sizeof(*hdr) || hdr->size != len ||
	    hdr->version != PAGERD_PROTOCOL_VERSION)
		agent_lost(a);
	if (hdr->type != PAGERD_MSG_RELEASE && hdr->type != PAGERD_MSG_DEPEND)
		agent_arm(a);
	if (hdr->type == PAGERD_MSG_MOVE && runs_valid(&a->in.move))
		do_move(a);
	else if (hdr->type == PAGERD_MSG_UNSHARE && runs_valid(&a->in.move))
		do_unshare(a);
	else if (hdr->type == PAGERD_MSG_DROP && runs_valid(&a->in.move))
		agent_drop(a);
	else if (hdr->type == PAGERD_MSG_EMPTY && len == sizeof(a->in.empty))
		agent_send_done(a, a->in.empty.seq, empty_staging(a));
	else if (hdr->type == PAGERD_MSG_DEPEND && len == sizeof(a->in.depend))
		a->pages_out = 1;
	else if (hdr->type == PAGERD_MSG_RELEASE &&
		 len == sizeof(a->in.release))
		release(a);
	else
		agent_lost(a);
}

static int
is_hold(const struct agent *a, size_t len)
{
	const struct pagerd_msg *hdr = &a->in.hdr;

	return (len == sizeof(a->in.hold) && hdr->size == len &&
		hdr->version == PAGERD_PROTOCOL_VERSION &&
		hdr->type == PAGERD_MSG_HOLD);
}

/*
 * The daemon asks for one thing at a time: what is behind MOVE, HOLD or DROP
 * can only be that it gives us up, and nobody waits for the answer any more.
 * Nobody reads userfaultfd events either, and a fork would wait for that for
 * ever.
 */
int
agent_is_late(const struct agent *a)
{
	struct pollfd pfd = { .fd = a->sock, .events = POLLIN };
	struct timespec now = { 0 };

	return (__atomic_load_n(&a->released, __ATOMIC_ACQUIRE) ||
		sys5(SYS_ppoll, &pfd, 1, &now, NULL, 0) > 0);
}

static void
do_hold(struct agent *a, int sock)
{
	const uint32_t seq = a->in.hold.seq;

	if (agent_is_late(a)) {
		sys1(SYS_close, sock);
		agent_send_done(a, seq, -ECANCELED);
		return;
	}
	agent_send_done(a, seq, holder_start(a, sock));
}

/*
 * => ECONNRESET comes once, before what is still to be read: the daemon had
 *    not read all of ours when it closed
 */
static void
receive_one(struct agent *a)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(PAGERD_HOLD_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = &a->in, .iov_len = sizeof(a->in) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	const int *fds = (const int *)(const void *)CMSG_DATA(&control.hdr);
	long len;

	len = sys3(SYS_recvmsg, a->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (len == -EAGAIN || len == -EINTR || len == -ECONNRESET)
		return;
	if (len <= 0 || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		agent_lost(a);
	if (msg.msg_controllen == 0)
		dispatch(a, (size_t)len);
	else if (is_hold(a, (size_t)len) &&
		 control.hdr.cmsg_level == SOL_SOCKET &&
		 control.hdr.cmsg_type == SCM_RIGHTS &&
		 control.hdr.cmsg_len ==
		     CMSG_LEN(PAGERD_HOLD_FDS * sizeof(int)))
		do_hold(a, fds[0]);
	else
		agent_lost(a);
}

/*
 * stat_field: number in the n-th field of a line of /proc/PID/stat
 *
 * => n counts as in proc(5), from 4 on; the fields start behind the second,
 *    which is in parentheses and may hold anything
 * => returns 0 if the line has no such field
 */
static unsigned long
stat_field(const char *line, size_t len, unsigned int n)
{
	const char *end = line + len, *p = end;
	unsigned long value = 0;
	unsigned int field;

	while (p > line && p[-1] != ')')
		p--;
	for (field = 2; p < end && field < n; p++)
		field += *p == ' ';
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		value = value * 10 + (unsigned long)(*p - '0');
	return (value);
}

static int
stat_says_zombie(const char *line, size_t len)
{
	const char *p = line + len;

	while (p > line && p[-1] != ')')
		p--;
	return (p > line && line + len - p > 2 && p[1] == 'Z');
}

/*
 * end_if_alone: follow the program's last thread
 *
 * => a main thread that has left by the exit system call stays as a zombie
 *    until all others are gone; if the agent stayed, the process would never
 *    end
 * => the last thread's exit status becomes the process's (seen on 6.18), so
 *    that of the main thread is handed on
 */
static void
end_if_alone(const struct agent *a)
{
	unsigned long code;
	char line[512];
	long len;

	len = sys4(SYS_pread64, a->stat_fd, line, sizeof(line), 0);
	if (len <= 0 || !stat_says_zombie(line, (size_t)len))
		return;
	code = stat_field(line, (size_t)len, STAT_EXIT_CODE);
	if (stat_field(line, (size_t)len, STAT_NUM_THREADS) == 2)
		agent_end_thread((int)(code >> 8 & 0xff));
}

/*
 * Nothing tells of a main thread that leaves before the others: a pidfd of that
 * thread did from Linux 6.9 to 6.14, and since then does not (tried on 6.18).
 * So now and then we look.  Rarely is enough: only the exit system call itself
 * leads there, as when the last thread of a C library's returns, that ends the
 * process.  What ends soon after its start, as such small programs do, is not
 * kept waiting.
 */
static long
seconds_to_look(const struct agent *a)
{
	if (a->nholders > 0)
		return (REAP_SECONDS);
	return (a->looked ? LOOK_SECONDS : LOOK_SOON_SECONDS);
}

static void
look(struct agent *a)
{
	a->looked = 1;
	end_if_alone(a);
	holder_reap(a);
}

/*
 * wait_event: sleep until the daemon has sent something, or a thread of the
 * program has rung, and see to it
 *
 * => looks around also while the daemon is busy with us; the slack lets the
 *    timer ride along with another wake-up of that CPU
 */
static void
wait_event(struct agent *a)
{
	struct pollfd pfds[2];
	struct timespec nap = { .tv_sec = seconds_to_look(a) };
	long ret;

	pfds[0].fd = a->sock;
	pfds[1].fd = a->bells_open ? a->bell_fd : -1; /* is passed over */
	pfds[0].events = pfds[1].events = POLLIN;
	ret = sys5(SYS_ppoll, pfds, 2, &nap, NULL, 0);
	if (ret == 0 || ++a->nevents % LOOK_EVENTS == 0)
		look(a);
	if (ret <= 0)
		return;
	if (pfds[1].revents != 0)
		agent_bells_answer(a);
	if (pfds[0].revents != 0) {
		receive_one(a);
		agent_bells_renew(a);
	}
}

static void
set_phase(struct agent *a, enum agent_phase phase)
{
	__atomic_store_n(&a->phase, phase, __ATOMIC_RELEASE);
	sys3(SYS_futex, &a->phase, FUTEX_WAKE, 1);
}

void
agent_serve(struct agent *a)
{
	for (;;)
		wait_event(a);
}

void
agent_main(void *arg)
{
	struct agent *a = arg;

	sys3(SYS_close_range, 0, ~0u, 0);
	sys2(SYS_prctl, PR_SET_NAME, "pagerd-agent");
	sys2(SYS_prctl, PR_SET_TIMERSLACK, LOOK_SLACK_NS);
	if (agent_handshake(a) < 0) {
		set_phase(a, AGENT_FAILED);
		agent_end_thread(0);
	}
	if (a->pages_out)
		agent_arm(a);
	set_phase(a, AGENT_RUNNING);
	agent_serve(a);
}
