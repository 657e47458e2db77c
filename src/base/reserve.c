/*
 * reserve.c: address space now, memory when it is touched
 */
#include "reserve.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "assert.h"

int
reserve_map(int fd, size_t len, void **map)
{
	void *p;

	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
	    fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*map = p;
	return 0;
}

int
reserve_shared(const char *name, size_t len, int *fdp, void **map)
{
	int fd, r;

	fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = ftruncate(fd, (off_t)len) < 0 ? -errno : 0;
	if (r == 0)
		r = reserve_map(fd, len, map);
	if (r < 0) {
		close(fd);
		return r;
	}
	*fdp = fd;
	return 0;
}

int
reserve_private(size_t len, void **map)
{
	void *p;

	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	/*
	 * A huge page would take 2 MiB for the first word.  A kernel that has
	 * none refuses the advice, and does not need it.
	 */
	(void)madvise(p, len, MADV_NOHUGEPAGE);
	*map = p;
	return 0;
}

void
reserve_release(void *map, size_t len)
{
	if (map != NULL)
		ASSERT(munmap(map, len) == 0);
}

void
reserve_punch(int fd, uint64_t offset, uint64_t len)
{
	int r;

	r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)offset, (off_t)len);
	ASSERT(r == 0);
}

uint64_t
reserve_physical(void)
{
	long pages, size;

	pages = sysconf(_SC_PHYS_PAGES);
	size = sysconf(_SC_PAGESIZE);
	ASSERT(pages > 0 && size > 0);
	return (uint64_t)pages * (uint64_t)size;
}
