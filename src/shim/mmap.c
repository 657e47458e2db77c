/*
 * mmap.c: the program's new mappings are announced
 *
 * Near the limit the daemon has registered the program's memory, but learns
 * of what is mapped later only by looking: too late for a program that has the
 * kernel fill it at once (MAP_POPULATE, MADV_POPULATE_WRITE, huge pages).  So
 * from the time when pages of this process may be out, a new mapping is
 * registered before the program knows its address; its first fault tells the
 * daemon.
 *
 * Only calls from outside the C library come here: malloc(3)'s own do not.
 */
#undef _FILE_OFFSET_BITS /* the names as they are: mmap and mmap64 */

#include <sys/mman.h>

#include <errno.h>
#include <stddef.h>

#include "doorbell.h"
#include "sys.h"

#ifndef MADV_POPULATE_WRITE /* 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

/* Smaller ones are not worth a wake-up: they fill slowly enough to be seen. */
#define ANNOUNCE_MIN_BYTES ((size_t)1 << 20)

_Static_assert(sizeof(off_t) == sizeof(__off64_t), "one function for both");

/* Of a kind that is adopted, and so new that there is nothing in it? */
static int
is_fresh(size_t len, int prot, int flags)
{
	const int never =
	    MAP_STACK | MAP_GROWSDOWN | MAP_LOCKED | MAP_HUGETLB | MAP_SHARED;

	return (len >= ANNOUNCE_MIN_BYTES && prot == (PROT_READ | PROT_WRITE) &&
		(flags & (MAP_PRIVATE | MAP_ANONYMOUS | never)) ==
		    (MAP_PRIVATE | MAP_ANONYMOUS));
}

static int
is_populated(int flags)
{
	return ((flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE);
}

static long
raw_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return (sys6(SYS_mmap, addr, len, prot, flags, fd, offset));
}

static int
failed(long ret)
{
	return (ret < 0 && ret > -4096);
}

/*
 * What the kernel would populate before anybody can register it is populated
 * afterwards.  As with MAP_POPULATE, nobody hears how far that went.
 */
static long
announced_mmap(void *addr, size_t len, int prot, int flags, int fd,
    off_t offset)
{
	const int populate = is_populated(flags);
	long ret;

	ret = raw_mmap(addr, len, prot,
	    populate ? flags & ~MAP_POPULATE : flags, fd, offset);
	if (failed(ret))
		return (ret);
	doorbell_ring((uint64_t)ret, len);
	if (populate)
		sys3(SYS_madvise, ret, len, MADV_POPULATE_WRITE);
	return (ret);
}

__attribute__((visibility("default"))) void *
mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	long ret;

	if (is_fresh(len, prot, flags) && doorbells_armed())
		ret = announced_mmap(addr, len, prot, flags, fd, offset);
	else
		ret = raw_mmap(addr, len, prot, flags, fd, offset);
	if (failed(ret)) {
		errno = (int)-ret;
		return (MAP_FAILED);
	}
	return ((void *)ret);
}

__attribute__((visibility("default"), alias("mmap"))) __typeof__(mmap) mmap64;
