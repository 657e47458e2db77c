#include "imagefile.h"

#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/fs.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <time.h>

#include "planes.h"

#define NS_PER_S INT64_C(1000000000)
/* A file's times are those of the last tick of the clock, at most 10 ms ago. */
#define SETTLES_NS INT64_C(20000000)

static int64_t
ns_of(const struct statx_timestamp *ts)
{
	return ts->tv_sec * NS_PER_S + ts->tv_nsec;
}

static int64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int
check_access(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return flags & O_PATH || (flags & O_ACCMODE) == O_WRONLY ? -EACCES : 0;
}

/*
 * A file that is written after we have looked has other times than now, unless
 * that was in the same tick.  Of a device no times tell.
 */
static bool
is_settled(const struct mail_file *f)
{
	int64_t now = now_ns();

	return f->ctime_ns < now - SETTLES_NS && f->mtime_ns < now - SETTLES_NS;
}

static int
look_at_device(int fd, struct mail_file *f)
{
	if (ioctl(fd, BLKGETSIZE64, &f->size) < 0)
		return -errno;
	f->settled = false;
	return 0;
}

int
imagefile_look(int fd, struct mail_file *file)
{
	const int how = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
	struct mail_file f = { .fd = fd };
	struct statx stx;
	int r = check_access(fd);

	if (r < 0)
		return r;
	if (statx(fd, "", how, STATX_BASIC_STATS, &stx) < 0)
		return -errno;
	f.dev = (uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor;
	f.ino = stx.stx_ino;
	f.size = stx.stx_size;
	f.mtime_ns = ns_of(&stx.stx_mtime);
	f.ctime_ns = ns_of(&stx.stx_ctime);
	f.settled = is_settled(&f);
	if (S_ISBLK(stx.stx_mode))
		r = look_at_device(fd, &f);
	else if (!S_ISREG(stx.stx_mode) || f.size > INT64_MAX)
		r = -EINVAL;
	if (r == 0)
		*file = f;
	return r;
}
