/*
 * fake.c: the fake daemon's thread: faults, events, and pages that are out
 */
#include "fake_impl.h"

#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <pagerd/uffd_abi.h>

void
fake_fail(struct fake *f, const char *fmt, ...)
{
	va_list ap;

	if (f->error[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(f->error, sizeof(f->error), fmt, ap);
	va_end(ap);
	pthread_cond_broadcast(&f->changed);
}

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

struct fake_page *
fake_page_add(struct fake *f, uint64_t id, uint64_t addr)
{
	struct fake_page *page = find_page(f, id, addr);

	if (page == NULL) {
		if (f->npages == FAKE_MAX_PAGES) {
			fake_fail(f, "too many pages out");
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
		page = fake_page_add(f, to, f->pages[i].addr);
		if (page != NULL)
			memcpy(page->data, f->pages[i].data, PAGE);
	}
}

struct fake_space *
fake_space_new(struct fake *f)
{
	struct fake_space *s;
	unsigned int i;

	if (f->nspaces == FAKE_MAX_SPACES) {
		fake_fail(f, "too many spaces");
		return (NULL);
	}
	s = &f->spaces[f->nspaces];
	memset(s, 0, sizeof(*s));
	s->id = 1000 + f->nspaces++;
	s->sock = s->main_fd = -1;
	for (i = 0; i < PAGERD_FDS_EXEC; i++)
		s->fds[i] = -1;
	if (getrandom(s->token, sizeof(s->token), 0) < 0)
		fake_fail(f, "getrandom");
	return (s);
}

static void
forked(struct fake *f, struct fake_space *parent, int fd)
{
	struct fake_space *s = fake_space_new(f);

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
		fake_fail(f, "UFFDIO_COPY: %s", strerror(errno));
	}
	return (0);
}

static void
event(struct fake *f, struct fake_space *s, const struct uffd_msg *msg)
{
	switch (msg->event) {
	case UFFD_EVENT_PAGEFAULT:
		if (s->nfaults == FAKE_MAX_FAULTS)
			fake_fail(f, "too many faults at once");
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

static void
accept_client(struct fake *f)
{
	int sock = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (sock >= 0 && fake_attach(f, sock) < 0)
		close(sock);
	pthread_cond_broadcast(&f->changed);
}

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
		fake_fail(f, "the fake daemon does not start: %s",
		    strerror(errno));
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
fake_close_space(struct fake *f, struct fake_space *s)
{
	pthread_mutex_lock(&f->lock);
	close_space(s);
	s->nfaults = 0;
	s->gone = 1;
	pthread_mutex_unlock(&f->lock);
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
