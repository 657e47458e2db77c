/*
 * uffd.h: the userfaultfd calls, and nothing else
 *
 * The only place that knows the ioctls (ioctl_userfaultfd(2)).  Addresses and
 * lengths are bytes of the client, page aligned.
 *
 * => fault thread; no call blocks (the descriptors are non-blocking)
 * => errors that every filling call may return:
 *	-EAGAIN	the client's mappings are changing: an event is unread, or
 *		its waiter has not run yet
 *	-EEXIST	the page is there already
 *	-ENOENT	nothing is registered there (any more)
 *	-ESRCH	the process is gone
 */
#ifndef UFFD_H
#define UFFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum uffd_kind {
	UFFD_MISSING,
	UFFD_MINOR, /* it is in the memfd, and only not mapped */
	UFFD_WP,
	UFFD_FORK,
	UFFD_REMAP,
	UFFD_REMOVE,
	UFFD_UNMAP,
};

struct uffd_message {
	enum uffd_kind kind;
	bool write;       /* faults */
	uint32_t tid;     /* faults: the thread, as its process sees it */
	int fd;           /* FORK: the child's userfaultfd, now the reader's */
	uint64_t addr;    /* fault, REMAP from, REMOVE and UNMAP start */
	uint64_t end;     /* REMOVE, UNMAP: first byte behind */
	uint64_t to, len; /* REMAP */
};

/*
 * uffd_enable: the UFFDIO_API handshake on a raw userfaultfd, non-blocking
 *
 * => -EINVAL when somebody has done it before, -EPERM without CAP_SYS_PTRACE
 */
int uffd_enable(int fd);

enum uffd_mode { /* which faults are told, besides those of missing pages */
	UFFD_MODE_MISSING = 0,
	UFFD_MODE_WP = 1 << 0,
	UFFD_MODE_MINOR = 1 << 1, /* of a memfd alone */
};

int uffd_register(int fd, uint64_t start, uint64_t len, unsigned int mode);
int uffd_unregister(int fd, uint64_t start, uint64_t len);

/* => number of messages read; 0: none is pending; -errno */
ssize_t uffd_read(int fd, struct uffd_message *, size_t max);

#define UFFD_PROTECT 1u /* install write-protected */
#define UFFD_NOWAKE 2u

/*
 * uffd_copy: install pages
 *
 * => returns bytes installed, > 0 and maybe fewer than len; or -errno
 */
ssize_t uffd_copy(int fd, uint64_t dst, const void *src, size_t len,
    unsigned int flags);
/*
 * uffd_continue: map the memfd's pages; flags: UFFD_PROTECT
 *
 * => returns bytes mapped, > 0 and maybe fewer than len; -EFAULT: the memfd
 * does not have the first one; or -errno
 */
ssize_t uffd_continue(int fd, uint64_t start, size_t len, unsigned int flags);
int uffd_protect(int fd, uint64_t start, uint64_t len, bool protect);
int uffd_wake(int fd, uint64_t start, uint64_t len);
int uffd_poison(int fd, uint64_t start, uint64_t len);

#endif
