#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <pagerd/uffd_abi.h>

#include "fake.h"

#define PAGE ((uint64_t)PAGERD_PAGE_SIZE)
#define MAIN_FEATURES                                                          \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EVENT_FORK |            \
	    UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE |             \
	    UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_WP_UNPOPULATED)

static void __attribute__((format(printf, 2, 3)))
fail(struct fake *f, const char *fmt, ...)
{
	va_list ap;

	if (f->error[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(f->error, sizeof(f->error), fmt, ap);
	va_end(ap);
	pthread_cond_broadcast(&f->changed);
}

/* ---- pages that are out ---- */

static struct fake_page *
find_page(struct fake *f, uint64_t id, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < f->npages; i++) {
		if (f->pages[i].space_id == id && f->pages[i].addr == addr)
			return (&f->pages[i]);
	}
	return (NULL);
}

static struct fake_page *
add_page(struct fake *f, uint64_t id, uint64_t addr)
{
	struct fake_page *page = find_page(f, id, addr);

	if (page == NULL) {
		if (f->npages == FAKE_MAX_PAGES) {
			fail(f, "too many pages out");
			return (NULL);
		}
		page = &f->pages[f->npages++];
		page->space_id = id;
		page->addr = addr;
	}
	return (page);
}

static void
drop_range(struct fake *f, uint64_t id, uint64_t start, uint64_t end)
{
	unsigned int i = 0;

	while (i < f->npages) {
		if (f->pages[i].space_id == id && f->pages[i].addr >= start &&
		    f->pages[i].addr < end)
			f->pages[i] = f->pages[--f->npages];
		else
			i++;
	}
}

static void
copy_pages(struct fake *f, uint64_t from, uint64_t to)
{
	const unsigned int n = f->npages;
	struct fake_page *page;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (f->pages[i].space_id != from)
			continue;
		page = add_page(f, to, f->pages[i].addr);
		if (page != NULL)
			memcpy(page->data, f->pages[i].data, PAGE);
	}
}

/* ---- faults and events ---- */

static struct fake_space *
new_space(struct fake *f)
{
	struct fake_space *s;
	unsigned int i;

	if (f->nspaces == FAKE_MAX_SPACES) {
		fail(f, "too many spaces");
		return (NULL);
	}
	s = &f->spaces[f->nspaces];
	memset(s, 0, sizeof(*s));
	s->id = 1000 + f->nspaces++;
	s->sock = s->main_fd = -1;
	for (i = 0; i < PAGERD_FDS_EXEC; i++)
		s->fds[i] = -1;
	if (getrandom(s->token, sizeof(s->token), 0) < 0)
		fail(f, "getrandom");
	return (s);
}

static void
forked(struct fake *f, struct fake_space *parent, int fd)
{
	struct fake_space *s = new_space(f);

	if (s == NULL)
		return;
	s->main_fd = fd;
	s->anchor = parent->anchor;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	copy_pages(f, parent->id, s->id);
}

/*
 * fill: answer one missing fault
 * => 0: done, or no longer needed; -EAGAIN: try again
 */
static int
fill(struct fake *f, struct fake_space *s, uint64_t addr)
{
	static uint8_t buf[PAGERD_PAGE_SIZE]
	    __attribute__((aligned(PAGERD_PAGE_SIZE)));
	struct pagerd_anchor anchor = { .magic = PAGERD_ANCHOR_MAGIC };
	struct uffdio_copy copy = { .len = PAGE };
	struct fake_page *page = find_page(f, s->id, addr);

	memset(buf, 0, sizeof(buf));
	if (addr == s->anchor) {
		anchor.space_id = s->id;
		memcpy(anchor.space_token, s->token, PAGERD_TOKEN_BYTES);
		memcpy(buf, &anchor, sizeof(anchor));
	} else if (page != NULL) {
		memcpy(buf, page->data, PAGE);
	}
	copy.dst = addr;
	copy.src = (uintptr_t)buf;
	if (ioctl(s->main_fd, UFFDIO_COPY, &copy) == 0) {
		s->nserved += addr != s->anchor;
		return (0);
	}
	if (errno == EAGAIN)
		return (-EAGAIN);
	if (errno == EEXIST) {
		struct uffdio_range range = { addr, PAGE };

		ioctl(s->main_fd, UFFDIO_WAKE, &range);
	} else if (errno != ENOENT && errno != ESRCH) {
		fail(f, "UFFDIO_COPY: %s", strerror(errno));
	}
	return (0);
}

static void
event(struct fake *f, struct fake_space *s, const struct uffd_msg *msg)
{
	switch (msg->event) {
	case UFFD_EVENT_PAGEFAULT:
		if (s->nfaults == FAKE_MAX_FAULTS)
			fail(f, "too many faults at once");
		else
			s->faults[s->nfaults++] =
			    msg->arg.pagefault.address & ~(PAGE - 1);
		break;
	case UFFD_EVENT_FORK:
		forked(f, s, (int)msg->arg.fork.ufd);
		break;
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		drop_range(f, s->id, msg->arg.remove.start,
		    msg->arg.remove.end);
		break;
	}
}

static void
serve_space(struct fake *f, struct fake_space *s)
{
	struct uffd_msg msg;
	unsigned int i, left = 0;

	while (read(s->main_fd, &msg, sizeof(msg)) == sizeof(msg))
		event(f, s, &msg);
	for (i = 0; i < s->nfaults; i++) {
		if (fill(f, s, s->faults[i]) == -EAGAIN)
			s->faults[left++] = s->faults[i];
	}
	s->nfaults = left;
}

/* ---- handshake ---- */

static int
send_packet(int sock, const void *packet, size_t len, int fd)
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

static void
set_hdr(struct pagerd_msg *hdr, enum pagerd_msg_type type, size_t size)
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

	set_hdr(&welcome.hdr, PAGERD_MSG_WELCOME, sizeof(welcome));
	set_hdr(&no.hdr, PAGERD_MSG_REFUSED, sizeof(no));
	switch (f->manner) {
	case FAKE_HANG_UP:
		return (-1);
	case FAKE_REFUSE:
		send_packet(sock, &no, sizeof(no), -1);
		return (-1);
	case FAKE_WRONG_VERSION:
		welcome.hdr.version++;
		/* FALLTHROUGH */
	case FAKE_SERVE:
		return (send_packet(sock, &welcome, sizeof(welcome),
		    f->device));
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

static int
register_range(int fd, uint64_t start, uint64_t len, uint64_t mode)
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
		fail(f, "HELLO EXEC: wrong tokens");
		return (NULL);
	}
	s = new_space(f);
	if (s == NULL)
		return (NULL);
	s->main_fd = fds[PAGERD_FD_MAIN];
	s->anchor = h->anchor_start;
	if (enable(s->main_fd, MAIN_FEATURES) < 0 ||
	    register_range(s->main_fd, s->anchor, PAGE,
		UFFDIO_REGISTER_MODE_MISSING) < 0) {
		fail(f, "main userfaultfd: %s", strerror(errno));
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
		fail(f, "HELLO FORK: not from its anchor");
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
	static const char *const names[] = { NULL, "mem", "pagemap", "maps",
		"smaps", "statm", NULL };

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

	set_hdr(&ready.hdr, PAGERD_MSG_READY, sizeof(ready));
	return (send_packet(s->sock, &ready, sizeof(ready),
	    s->hello.kind == PAGERD_HELLO_FORK ? s->main_fd : -1));
}

static int
attach(struct fake *f, int sock)
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
		fail(f, "HELLO is not as it should be (%d descriptors)", n);
		return (-1);
	}
	s = n == PAGERD_FDS_EXEC ? space_exec(f, &hello, fds)
				 : space_fork(f, &hello);
	if (s == NULL)
		return (-1);
	if (enable(fds[PAGERD_FD_STAGE], 0) < 0 ||
	    register_range(fds[PAGERD_FD_STAGE], hello.stage_start,
		PAGERD_STAGE_PAGES * PAGE, UFFDIO_REGISTER_MODE_MISSING) < 0) {
		fail(f, "staging: %s", strerror(errno));
		return (-1);
	}
	memcpy(s->fds, fds, sizeof(int) * (size_t)n);
	s->sock = sock;
	s->pid = cred.pid;
	s->hello = hello;
	s->attached = 1;
	f->nattached++;
	return (send_ready(f, s));
}

static void
accept_client(struct fake *f)
{
	int sock = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (sock >= 0 && attach(f, sock) < 0)
		close(sock);
	pthread_cond_broadcast(&f->changed);
}

/* ---- the thread ---- */

static unsigned int
fill_pollfds(struct fake *f, struct pollfd *pfds, int *busy)
{
	unsigned int i;

	pfds[0] = (struct pollfd){ .fd = f->wake[0], .events = POLLIN };
	pfds[1] = (struct pollfd){ .fd = f->listen_fd, .events = POLLIN };
	*busy = 0;
	for (i = 0; i < f->nspaces; i++) {
		pfds[2 + i] = (struct pollfd){
			.fd = f->spaces[i].gone ? -1 : f->spaces[i].main_fd,
			.events = POLLIN,
		};
		*busy |= f->spaces[i].nfaults > 0;
	}
	return (2 + f->nspaces);
}

static void *
serve(void *arg)
{
	static struct pollfd pfds[2 + FAKE_MAX_SPACES];
	struct fake *f = arg;
	unsigned int i, n;
	int busy;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		n = fill_pollfds(f, pfds, &busy);
		pthread_mutex_unlock(&f->lock);
		poll(pfds, n, busy ? 1 : -1);
		pthread_mutex_lock(&f->lock);
		if (pfds[0].revents != 0)
			break;
		for (i = 2; i < n; i++) {
			if (pfds[i].revents & (POLLERR | POLLHUP))
				f->spaces[i - 2].gone = 1;
			else if (pfds[i].revents != 0 ||
				 f->spaces[i - 2].nfaults > 0)
				serve_space(f, &f->spaces[i - 2]);
		}
		if (pfds[1].revents != 0)
			accept_client(f);
	}
	pthread_mutex_unlock(&f->lock);
	return (NULL);
}

static int
listen_at(struct fake *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int ret;

	snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	memcpy(addr.sun_path, f->path, sizeof(addr.sun_path));
	f->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(f->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod(f->path, 0666) < 0)
		return (-1);
	if (f->listen_uid != 0)
		syscall(SYS_setresuid, -1, f->listen_uid, -1);
	ret = listen(f->listen_fd, 64);
	if (f->listen_uid != 0)
		syscall(SYS_setresuid, -1, 0, -1);
	return (ret);
}

int
fake_start(struct fake *f)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(f->dir, sizeof(f->dir), "%s/shim-test.XXXXXX",
	    tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	f->device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	f->pages = calloc(FAKE_MAX_PAGES, sizeof(*f->pages));
	if (f->device < 0 || f->pages == NULL || mkdtemp(f->dir) == NULL ||
	    chmod(f->dir, 0755) < 0 || listen_at(f) < 0 ||
	    pipe2(f->wake, O_CLOEXEC) < 0 ||
	    pthread_create(&f->thread, NULL, serve, f) != 0) {
		fail(f, "the fake daemon does not start: %s", strerror(errno));
		return (-1);
	}
	return (0);
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
close_space(struct fake_space *s)
{
	unsigned int i;

	close_fd(&s->sock);
	for (i = 0; i < PAGERD_FD_MAIN; i++)
		close_fd(&s->fds[i]);
	close_fd(&s->main_fd);
}

void
fake_stop(struct fake *f)
{
	unsigned int i;

	if (write(f->wake[1], "", 1) == 1)
		pthread_join(f->thread, NULL);
	for (i = 0; i < f->nspaces; i++)
		close_space(&f->spaces[i]);
	close(f->wake[0]);
	close(f->wake[1]);
	close(f->listen_fd);
	close(f->device);
	unlink(f->path);
	rmdir(f->dir);
	free(f->pages);
}

/* ---- what tests do ---- */

static struct timespec
deadline(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += FAKE_WAIT_MS / 1000;
	return (ts);
}

static struct fake_space *
nth_attached(struct fake *f, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < f->nspaces; i++) {
		if (f->spaces[i].attached && n-- == 0)
			return (&f->spaces[i]);
	}
	return (NULL);
}

struct fake_space *
fake_client(struct fake *f, unsigned int n)
{
	const struct timespec until = deadline();
	struct fake_space *s;

	pthread_mutex_lock(&f->lock);
	while ((s = nth_attached(f, n)) == NULL && f->error[0] == '\0') {
		if (pthread_cond_timedwait(&f->changed, &f->lock, &until) != 0)
			break;
	}
	pthread_mutex_unlock(&f->lock);
	return (s);
}

unsigned int
fake_spaces(struct fake *f)
{
	unsigned int n;

	pthread_mutex_lock(&f->lock);
	n = f->nspaces;
	pthread_mutex_unlock(&f->lock);
	return (n);
}

unsigned int
fake_attached(struct fake *f)
{
	unsigned int n;

	pthread_mutex_lock(&f->lock);
	n = f->nattached;
	pthread_mutex_unlock(&f->lock);
	return (n);
}

unsigned int
fake_served(struct fake *f, struct fake_space *s)
{
	unsigned int n;

	pthread_mutex_lock(&f->lock);
	n = s->nserved;
	s->nserved = 0;
	pthread_mutex_unlock(&f->lock);
	return (n);
}

int
fake_register(struct fake_space *s, uint64_t addr, unsigned int npages)
{
	return (register_range(s->main_fd, addr, npages * PAGE,
	    UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP));
}

/* => size of the answer, 0 at the end of the connection, -1 on an error */
static ssize_t
ask(struct fake_space *s, const void *packet, size_t len, void *answer,
    size_t answer_len)
{
	if (send_packet(s->sock, packet, len, -1) < 0)
		return (-1);
	return (recv(s->sock, answer, answer_len, 0));
}

static size_t
fill_runs(struct fake *f, struct pagerd_msg_move *m, enum pagerd_msg_type type,
    const uint64_t *runs, unsigned int nruns)
{
	unsigned int i;

	m->seq = ++f->seq;
	m->nruns = nruns;
	for (i = 0; i < nruns; i++) {
		m->runs[i] = runs[i];
		m->npages += PAGERD_RUN_PAGES(runs[i]);
	}
	set_hdr(&m->hdr, type, PAGERD_MOVE_SIZE(nruns));
	return (PAGERD_MOVE_SIZE(nruns));
}

int
fake_move(struct fake *f, struct fake_space *s, uint32_t flags,
    const uint64_t *runs, unsigned int nruns, uint8_t *status)
{
	struct pagerd_msg_move m = { .flags = flags };
	struct pagerd_msg_moved moved;
	size_t len = fill_runs(f, &m, PAGERD_MSG_MOVE, runs, nruns);

	if (ask(s, &m, len, &moved, sizeof(moved)) != sizeof(moved) ||
	    moved.hdr.type != PAGERD_MSG_MOVED ||
	    moved.hdr.size != sizeof(moved) || moved.seq != m.seq ||
	    moved.npages != m.npages)
		return (-1);
	memcpy(status, moved.status, sizeof(moved.status));
	return (0);
}

static int
check_done(const struct pagerd_msg_done *done, ssize_t len, uint32_t seq)
{
	return (len == sizeof(*done) && done->hdr.type == PAGERD_MSG_DONE &&
			done->hdr.size == sizeof(*done) && done->seq == seq
		    ? 0
		    : -1);
}

int
fake_unshare(struct fake *f, struct fake_space *s, const uint64_t *runs,
    unsigned int nruns, int32_t *result)
{
	struct pagerd_msg_unshare m = { 0 };
	struct pagerd_msg_done done;
	size_t len = fill_runs(f, &m, PAGERD_MSG_UNSHARE, runs, nruns);
	ssize_t got = ask(s, &m, len, &done, sizeof(done));

	if (check_done(&done, got, m.seq) < 0)
		return (-1);
	*result = done.result;
	return (0);
}

int
fake_stall(struct fake *f, struct fake_space *s, uint64_t addr)
{
	struct pagerd_msg_unshare m = { 0 };
	const uint64_t run = PAGERD_RUN(addr, 1);
	size_t len = fill_runs(f, &m, PAGERD_MSG_UNSHARE, &run, 1);

	pthread_mutex_lock(&f->lock);
	return (send_packet(s->sock, &m, len, -1));
}

int
fake_go_on(struct fake *f, struct fake_space *s)
{
	struct pagerd_msg_done done;

	pthread_mutex_unlock(&f->lock);
	return (check_done(&done, recv(s->sock, &done, sizeof(done), 0),
	    f->seq));
}

int
fake_empty(struct fake *f, struct fake_space *s)
{
	struct pagerd_msg_empty m = { .seq = ++f->seq };
	struct pagerd_msg_done done;
	ssize_t got;

	set_hdr(&m.hdr, PAGERD_MSG_EMPTY, sizeof(m));
	got = ask(s, &m, sizeof(m), &done, sizeof(done));
	return (check_done(&done, got, m.seq) < 0 ? -1 : done.result);
}

int
fake_release(struct fake_space *s)
{
	struct pagerd_msg_release m;
	char byte;

	set_hdr(&m.hdr, PAGERD_MSG_RELEASE, sizeof(m));
	return (ask(s, &m, sizeof(m), &byte, 1) == 0 ? 0 : -1);
}

void
fake_hang_up(struct fake_space *s)
{
	shutdown(s->sock, SHUT_RDWR);
}

void
fake_close_space(struct fake *f, struct fake_space *s)
{
	pthread_mutex_lock(&f->lock);
	close_space(s);
	s->nfaults = 0;
	s->gone = 1;
	pthread_mutex_unlock(&f->lock);
}

int
fake_peek(const struct fake_space *s, uint64_t addr, void *buf, size_t len)
{
	ssize_t got = pread(s->fds[PAGERD_FD_MEM], buf, len, (off_t)addr);

	return (got == (ssize_t)len ? 0 : -1);
}

/* keep: what is at from, to be filled back at addr */
static int
keep(struct fake *f, struct fake_space *s, uint64_t from, uint64_t addr)
{
	struct fake_page *page;
	int ret = -1;

	pthread_mutex_lock(&f->lock);
	page = add_page(f, s->id, addr);
	if (page != NULL)
		ret = fake_peek(s, from, page->data, PAGE);
	pthread_mutex_unlock(&f->lock);
	return (ret);
}

int
fake_keep(struct fake *f, struct fake_space *s, unsigned int pos, uint64_t addr)
{
	return (keep(f, s, s->hello.stage_start + pos * PAGE, addr));
}

int
fake_drop(struct fake *f, struct fake_space *s, const uint64_t *runs,
    unsigned int nruns, int32_t *result)
{
	struct pagerd_msg_drop m = { 0 };
	struct pagerd_msg_done done;
	size_t len = fill_runs(f, &m, PAGERD_MSG_DROP, runs, nruns);
	ssize_t got;

	for (unsigned int i = 0; i < nruns; i++)
		for (unsigned int k = 0; k < PAGERD_RUN_PAGES(runs[i]); k++) {
			uint64_t addr = PAGERD_RUN_ADDR(runs[i]) + k * PAGE;

			if (keep(f, s, addr, addr) < 0)
				return (-1);
		}
	got = ask(s, &m, len, &done, sizeof(done));
	if (check_done(&done, got, m.seq) < 0)
		return (-1);
	*result = done.result;
	return (0);
}

int
fake_drop_and_release(struct fake *f, struct fake_space *s, uint64_t addr)
{
	const uint64_t run = PAGERD_RUN(addr, 1);
	struct pagerd_msg_drop m = { 0 };
	size_t len = fill_runs(f, &m, PAGERD_MSG_DROP, &run, 1);
	struct pagerd_msg_release release;
	struct pagerd_msg_done done;
	int ret;

	set_hdr(&release.hdr, PAGERD_MSG_RELEASE, sizeof(release));
	if (kill(s->pid, SIGSTOP) < 0)
		return (-1);
	ret = send_packet(s->sock, &m, len, -1);
	if (ret == 0)
		ret = send_packet(s->sock, &release, sizeof(release), -1);
	kill(s->pid, SIGCONT);
	while (ret == 0 && recv(s->sock, &done, sizeof(done), 0) > 0)
		;
	return (ret);
}

int
fake_stall_drop(struct fake *f, struct fake_space *s, uint64_t addr)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const uint64_t run = PAGERD_RUN(addr, 1);
	struct pagerd_msg_drop m = { 0 };
	size_t len = fill_runs(f, &m, PAGERD_MSG_DROP, &run, 1);
	int ret, ms;
	char byte;

	pthread_mutex_lock(&f->lock);
	ret = send_packet(s->sock, &m, len, -1);
	for (ms = 0; fake_peek(s, addr, &byte, 1) == 0; ms++) {
		if (ms == FAKE_WAIT_MS)
			ret = -1;
		if (ret < 0)
			break;
		nanosleep(&pause, NULL);
	}
	fake_hang_up(s);
	return (ret);
}
