#include "frames.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PAGE 4096

static int
seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS,
		   F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0
		   ? -errno
		   : 0;
}

int
frames_create(uint64_t npages)
{
	int fd = memfd_create("pagerd", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return -errno;
	rc = ftruncate(fd, (off_t)(npages * PAGE)) < 0 ? -errno : seal(fd);
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	return fd;
}

void
frames_close(int fd)
{
	(void)close(fd);
}

int
frames_readonly(int fd)
{
	char path[40];
	int other;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, O_RDONLY | O_CLOEXEC);
	return other < 0 ? -errno : other;
}

int
frames_read(int fd, uint64_t page, void *buf)
{
	ssize_t n = pread(fd, buf, PAGE, (off_t)(page * PAGE));

	if (n < 0)
		return -errno;
	return n == PAGE ? 0 : -EIO;
}

int
frames_write(int fd, uint64_t page, const void *buf)
{
	ssize_t n = pwrite(fd, buf, PAGE, (off_t)(page * PAGE));

	if (n < 0)
		return -errno;
	return n == PAGE ? 0 : -EIO;
}

int
frames_punch(int fd, uint64_t page, uint64_t npages)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		   (off_t)(page * PAGE), (off_t)(npages * PAGE)) < 0
		   ? -errno
		   : 0;
}
