/*
 * pagerd.h: memory that pagerd manages, for programs that ask for it
 *
 * A program connects once, and maps regions in an arena: a range of addresses
 * that is the same in every program, so that pointers into it mean the same
 * everywhere.  Regions are evicted and brought back within the limit of the
 * program's group like all its memory.
 *
 *	struct pagerd *p;
 *	void *mem;
 *
 *	if (pagerd_open(NULL, &p) < 0) ...
 *	if (pagerd_map(p, NULL, size, NULL, 0, 0, &mem) < 0) ...
 *	... use mem ...
 *	pagerd_snapshot(p, "warm");     another program: pagerd_clone(q, "warm")
 *
 * => every function returns 0, or a negative errno value; libpagerd(3) says
 *    which and why
 * => what they give out they write only if they return 0
 * => lengths and offsets are bytes, multiples of the page size (4096)
 * => threads may share a handle; a forked child may not: it opens its own, and
 *    has all mappings of its parent.  Of its parent's handle it hears -ECHILD
 * => not in signal handlers; a fork waits until no request is under way
 * => -EPROTO: the daemon said what cannot be; -ECONNRESET: it is gone, or was
 *    given up after an -EPROTO.  pagerd_unmap() still works then
 */
#ifndef PAGERD_H
#define PAGERD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PAGERD_PAGE ((size_t)4096)
#define PAGERD_NAME_MAX 63 /* bytes of a name */

/* Where the arena of every program is. */
#define PAGERD_ARENA_START UINT64_C(0x200000000000)
#define PAGERD_ARENA_BYTES (UINT64_C(1) << 40)

struct pagerd; /* a connection, and this process's arena */

/*
 * pagerd_open: connect to the daemon that manages this process
 *
 * socket	path of its client socket; NULL: the environment's
 *		(PAGERD_SOCKET), as `pagerctl run` sets it
 *
 * => the caller owns *p until pagerd_close(); two handles of one process share
 *    the arena
 * => -ESRCH: this process is not managed; -ENOENT, -ECONNREFUSED: no daemon;
 *    -EPERM: it is neither root's nor this user's; -ETIMEDOUT: no answer;
 *    -ENOMEM: the arena's addresses cannot be reserved (ulimit -v);
 *    -EEXIST: something of somebody else is there (another copy of this
 *    library, for example); -EPROTONOSUPPORT: a daemon of another version
 */
int pagerd_open(const char *socket, struct pagerd **p);
/*
 * => what was mapped stays mapped, and managed, and the arena reserved; NULL is
 *    fine
 */
void pagerd_close(struct pagerd *);

enum {
	PAGERD_CREATE = 1 << 0,    /* shared memory is made if need be */
	PAGERD_EXCLUSIVE = 1 << 1, /* with CREATE: and must not be there yet */
	PAGERD_READONLY = 1 << 2,
	PAGERD_FIXED = 1 << 3, /* at the hint, or nowhere */
};

/*
 * pagerd_map: a new region
 *
 * hint		an address of the arena that is tried first; NULL: any
 * name		NULL: zeroed memory of this process's own; else shared memory
 *		of this name, one for all programs of the user: a write by one
 *		is seen by all
 * offset	of shared memory, where the region begins
 *
 * => shared memory is as long as the region that made it (offset + len), and
 *    lives until it is unlinked and unmapped by all
 * => -EINVAL: not a multiple of pages, out of the arena, a name that cannot
 *    be; -EEXIST: EXCLUSIVE, or FIXED and something is there; -ENOENT: no such
 *    shared memory; -ENOMEM: no room; -ENOSPC: the daemon has no room
 */
int pagerd_map(struct pagerd *, void *hint, size_t len, const char *name,
    uint64_t offset, unsigned int flags, void **addr);
/*
 * pagerd_map_file: a new region that shows a file, as mmap(MAP_PRIVATE) does
 *
 * fd		a regular file or a block device, open for reading; the caller
 *		may close it.  The bytes from offset on are mapped
 * flags	READONLY, FIXED
 *
 * => what is not written is one memory for all programs of the user that map
 *    the file; what is written is the program's own
 * => the file's last page reads zero behind its end
 * => nothing is read before it is touched.  A page that cannot be read then, or
 *    that the file has no more, raises SIGBUS
 * => -EACCES: fd is not open for reading; -EINVAL: neither kind of file, or
 *    it has no such pages; -EBADF; else as pagerd_map()
 */
int pagerd_map_file(struct pagerd *, void *hint, size_t len, int fd,
    uint64_t offset, unsigned int flags, void **addr);
/*
 * pagerd_restore: map all memory that an exported snapshot (pagerctl export)
 * has in the arena, at the same addresses, as by pagerd_map_file()
 *
 * => -ENOEXEC: not an ELF core that can be mapped; -ENOENT: it has nothing in
 *    the arena; -EEXIST: something is mapped at one of its addresses; else as
 *    pagerd_map_file(); then nothing was mapped
 */
int pagerd_restore(struct pagerd *, int fd);
/*
 * => addr and len need not be those of one region; -EINVAL: out of the arena
 * => works without the daemon, too
 */
int pagerd_unmap(struct pagerd *, void *addr, size_t len);
/*
 * => the region that starts at addr has new_len bytes; it does not move
 * => -EINVAL: no region starts there, or new_len is 0 or not of whole pages;
 *    -ENOMEM: something is in the way, the arena ends there, or shared memory
 *    has no more
 * => a clone that was made shorter gets back what the snapshot had there
 */
int pagerd_extend(struct pagerd *, void *addr, size_t new_len);
/* => the name is free; the memory goes with its last region.  -ENOENT */
int pagerd_unlink(struct pagerd *, const char *name);

/*
 * pagerd_snapshot: keep all memory of this process as it is now
 *
 * => it can be cloned, and exported (pagerctl export), until it is dropped;
 *    it survives the process
 * => other threads stand still while the process is forked
 * => -EEXIST: the user has one of that name; -EINVAL: a name that cannot be;
 *    -EAGAIN: 16 of this process are in use, by name or by clones
 */
int pagerd_snapshot(struct pagerd *, const char *name);
/* => clones that are mapped stay.  -ENOENT */
int pagerd_drop(struct pagerd *, const char *name);
/*
 * pagerd_clone: map all regions that a snapshot has in the arena, at the same
 * addresses, copy on write
 *
 * => nothing is copied: what clones read is one memory for all of them, what
 *    they write is their own
 * => shared memory is not in a snapshot
 * => -ENOENT: no such snapshot; -EEXIST: something is mapped at one of its
 *    addresses; -ENOSPC; then nothing was mapped
 */
int pagerd_clone(struct pagerd *, const char *name);

enum pagerd_advise {
	PAGERD_COLD = 1,       /* may go out before all else */
	PAGERD_SEQUENTIAL = 2, /* will be read in order */
	PAGERD_NORMAL = 3,     /* takes SEQUENTIAL back */
	PAGERD_PIN = 4,        /* is brought in, and stays */
	PAGERD_UNPIN = 5,
	PAGERD_WILLNEED = 6, /* is brought in */
	PAGERD_EXCLUDE = 7,  /* is brought in, and not managed any more */
};

/*
 * => pages of clones and images that are brought in stay shared
 * => -EINVAL: out of the arena; -ENOMEM: not all of [addr, addr + len) is
 *    mapped, or it does not fit into memory; -EOPNOTSUPP: EXCLUDE of shared
 *    memory, of a clone or of an image
 */
int pagerd_advise(struct pagerd *, void *addr, size_t len, enum pagerd_advise);

struct pagerd_region {
	void *addr;
	size_t len;
	char memtype[16]; /* "anon", "shared", "cow", "image" */
	uint64_t id;      /* regions that map the same memory have one */
	uint32_t users;   /* regions that map it */
	int readonly;
	uint64_t resident; /* bytes in memory */
	uint64_t out;      /* bytes that are in the store */
	uint64_t shared;   /* bytes that somebody else has too */
};

/*
 * pagerd_query: the first region of the arena that ends above addr
 *
 * => go on with addr + len of what was found; -ENOENT: there is none
 */
int pagerd_query(struct pagerd *, const void *addr, struct pagerd_region *);

#ifdef __cplusplus
}
#endif

#endif
