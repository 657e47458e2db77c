#include "uffd.h"

#include <sys/ioctl.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "assert.h"
#include "pagerd/uffd_abi.h"

#define READ_BATCH 64

static int
set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int
uffd_enable(int fd, bool events)
{
	struct uffdio_api api = { .api = UFFD_API };

	if (events)
		api.features =
		    UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
		    UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP |
		    UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID;
	if (ioctl(fd, UFFDIO_API, &api) < 0)
		return -errno;
	return set_nonblocking(fd);
}

int
uffd_register(int fd, uint64_t start, uint64_t len, bool wp)
{
	struct uffdio_register reg = {
		.range = { .start = start, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING |
			(wp ? UFFDIO_REGISTER_MODE_WP : 0),
	};

	return ioctl(fd, UFFDIO_REGISTER, &reg) < 0 ? -errno : 0;
}

int
uffd_unregister(int fd, uint64_t start, uint64_t len)
{
	struct uffdio_range range = { .start = start, .len = len };

	return ioctl(fd, UFFDIO_UNREGISTER, &range) < 0 ? -errno : 0;
}

static void
message_of(const struct uffd_msg *m, struct uffd_message *out)
{
	*out = (struct uffd_message){ .fd = -1 };
	switch (m->event) {
	case UFFD_EVENT_PAGEFAULT:
		out->kind = m->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP
				? UFFD_WP
				: UFFD_MISSING;
		out->tid = m->arg.pagefault.feat.ptid;
		out->write = m->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE;
		out->addr = m->arg.pagefault.address & ~UINT64_C(0xfff);
		break;
	case UFFD_EVENT_FORK:
		out->kind = UFFD_FORK;
		out->fd = (int)m->arg.fork.ufd;
		(void)set_nonblocking(out->fd);
		break;
	case UFFD_EVENT_REMAP:
		out->kind = UFFD_REMAP;
		out->addr = m->arg.remap.from;
		out->to = m->arg.remap.to;
		out->len = m->arg.remap.len;
		break;
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		out->kind =
		    m->event == UFFD_EVENT_REMOVE ? UFFD_REMOVE : UFFD_UNMAP;
		out->addr = m->arg.remove.start;
		out->end = m->arg.remove.end;
		break;
	default:
		ASSERT(!"a message that nobody asked for");
	}
}

ssize_t
uffd_read(int fd, struct uffd_message *out, size_t max)
{
	struct uffd_msg msgs[READ_BATCH];
	ssize_t n;

	if (max > READ_BATCH)
		max = READ_BATCH;
	n = read(fd, msgs, max * sizeof(msgs[0]));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	n /= (ssize_t)sizeof(msgs[0]);
	for (ssize_t i = 0; i < n; i++)
		message_of(&msgs[i], &out[i]);
	return n;
}

ssize_t
uffd_copy(int fd, uint64_t dst, const void *src, size_t len, unsigned int flags)
{
	struct uffdio_copy copy = {
		.dst = dst,
		.src = (uintptr_t)src,
		.len = len,
		.mode = (flags & UFFD_PROTECT ? UFFDIO_COPY_MODE_WP : 0) |
			(flags & UFFD_NOWAKE ? UFFDIO_COPY_MODE_DONTWAKE : 0),
	};

	if (ioctl(fd, UFFDIO_COPY, &copy) == 0 || copy.copy > 0)
		return copy.copy;
	return -errno;
}

int
uffd_protect(int fd, uint64_t start, uint64_t len, bool protect)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = start, .len = len },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &wp) < 0 ? -errno : 0;
}

int
uffd_wake(int fd, uint64_t start, uint64_t len)
{
	struct uffdio_range range = { .start = start, .len = len };

	return ioctl(fd, UFFDIO_WAKE, &range) < 0 ? -errno : 0;
}

int
uffd_poison(int fd, uint64_t start, uint64_t len)
{
	struct uffdio_poison poison = {
		.range = { .start = start, .len = len },
	};

	return ioctl(fd, UFFDIO_POISON, &poison) < 0 ? -errno : 0;
}
