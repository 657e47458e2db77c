/*
 * peer.h: a client seen through the /proc files that it opened for us
 *
 * => fault thread; addresses are bytes of the client
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * => reads pages [addr, addr + len) that are present; returns 0, -EIO (a page
 *    is missing: it never waits for one), or -errno
 */
int peer_read(int mem, uint64_t addr, void *buf, size_t len);

#define PEER_PRESENT 1u
#define PEER_PROTECTED 2u /* write-protected by userfaultfd */
#define PEER_SWAPPED 4u
#define PEER_EXCLUSIVE 8u /* mapped by this process alone */

/* => flags[i] of page i; 0 or -errno */
int peer_pages(int pagemap, uint64_t addr, size_t npages, uint8_t *flags);

struct peer_run {
	uint64_t addr;
	uint64_t npages;
	bool protected; /* by userfaultfd: all of it, or nothing */
};

enum peer_kind {
	PEER_CONTENT, /* pages in memory or swapped, with bytes of their own */
	PEER_ZERO,    /* the kernel's zero page, which takes no memory */
};

/*
 * peer_scan: runs of such pages in [*addr, end)
 *
 * => returns the number of runs, at most max; *addr moves behind what was
 *    looked at, == end when all was; or -errno
 */
ssize_t peer_scan(int pagemap, enum peer_kind, uint64_t *addr, uint64_t end,
    struct peer_run *, size_t max);

struct peer_vma {
	uint64_t start, end;
	bool read, write, exec, shared, file, stack;
};

/* => the mapping that contains addr; 0, -ENOENT (none), -ESRCH, -errno */
int peer_vma(int maps, uint64_t addr, struct peer_vma *);
/* => the same, or, if none does, the first one above it */
int peer_vma_from(int maps, uint64_t addr, struct peer_vma *);

#endif
