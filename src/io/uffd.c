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
uffd_enable(int fd)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features =
		    UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
		    UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP |
		    UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID |
		    UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM |
		    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};

	if (ioctl(fd, UFFDIO_API, &api) < 0)
		return -errno;
	return set_nonblocking(fd);
}

int
uffd_register(int fd, uint64_t start, uint64_t len, unsigned int mode)
{
	struct uffdio_register reg = {
		.range = { .start = start, .len = len },
		.mode =
		    UFFDIO_REGISTER_MODE_MISSING |
		    (mode & UFFD_MODE_WP ? UFFDIO_REGISTER_MODE_WP : 0) |
		    (mode & UFFD_MODE_MINOR ? UFFDIO_REGISTER_MODE_MINOR : 0),
	};

	return ioctl(fd, UFFDIO_REGISTER, &reg) < 0 ? -errno : 0;
}

int
uffd_unregister(int fd, uint64_t start, uint64_t len)
{
	struct uffdio_range range = { .start = start, .len = len };

	return ioctl(fd, UFFDIO_UNREGISTER, &range) < 0 ? -errno : 0;
}

static enum uffd_kind
fault_kind(uint64_t flags)
{
	if (flags & UFFD_PAGEFAULT_FLAG_WP)
		return UFFD_WP;
	return flags & UFFD_PAGEFAULT_FLAG_MINOR ? UFFD_MINOR : UFFD_MISSING;
}

static void
message_of(const struct uffd_msg *m, struct uffd_message *out)
{
	*out = (struct uffd_message){ .fd = -1 };
	switch (m->event) {
	case UFFD_EVENT_PAGEFAULT:
		out->kind = fault_kind(m->arg.pagefault.flags);
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

ssize_t
uffd_continue(int fd, uint64_t start, size_t len, unsigned int flags)
{
	struct uffdio_continue c = {
		.range = { .start = start, .len = len },
		.mode = flags & UFFD_PROTECT ? UFFDIO_CONTINUE_MODE_WP : 0,
	};

	if (ioctl(fd, UFFDIO_CONTINUE, &c) == 0 || c.mapped > 0)
		return c.mapped;
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
