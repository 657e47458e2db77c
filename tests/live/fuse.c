/*
 * fuse.c: a file of a file system that does not always answer
 *
 * The protocol itself, of which next to nothing is needed: fuse(4).
 */
#include "fuse.h"

#include "live.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/fuse.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_MAX (1 << 18)
#define READ_MAX (1 << 17)
#define FILE_NODE 2

static struct {
	int device;
	size_t len, answers;
} fs;

static pid_t server;

static void
answer(const struct fuse_in_header *in, int error, const void *data, size_t len)
{
	static uint8_t out[sizeof(struct fuse_out_header) + READ_MAX];
	struct fuse_out_header *h = (struct fuse_out_header *)out;

	h->len = (uint32_t)(sizeof(*h) + len);
	h->error = -error;
	h->unique = in->unique;
	if (len > 0)
		memcpy(h + 1, data, len);
	if (write(fs.device, out, h->len) < 0 && errno != ENOENT)
		_exit(1);
}

static struct fuse_attr
attr_of(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.size = node == FILE_NODE ? fs.len : 0,
		.mode = node == FILE_NODE ? S_IFREG | 0644 : S_IFDIR | 0755,
		.nlink = 1,
		.blksize = PAGE,
	};
}

static void
do_init(const struct fuse_in_header *in)
{
	const struct fuse_init_in *q = (const void *)(in + 1);
	const struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = q->minor < FUSE_KERNEL_MINOR_VERSION
			     ? q->minor
			     : FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = q->max_readahead,
		.flags = FUSE_ASYNC_READ,
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = PAGE,
	};

	answer(in, 0, &out, sizeof(out));
}

static void
do_read(const struct fuse_in_header *in)
{
	static uint64_t data[READ_MAX / sizeof(uint64_t)];
	const struct fuse_read_in *q = (const void *)(in + 1);
	size_t n = q->size < fs.len - q->offset ? q->size : fs.len - q->offset;

	if (q->offset + n > fs.answers)
		return;
	for (size_t i = 0; i < n / PAGE; i++)
		page_fill(data + i * LIVE_WORDS,
		    live_tag(1, q->offset / PAGE + i));
	answer(in, 0, data, n);
}

static void
serve(const struct fuse_in_header *in)
{
	const struct fuse_entry_out entry = { .nodeid = FILE_NODE,
		.attr = attr_of(FILE_NODE) };
	const struct fuse_attr_out attr = { .attr = attr_of(in->nodeid) };
	const struct fuse_open_out opened = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT:
		do_init(in);
		break;
	case FUSE_LOOKUP:
		answer(in, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		answer(in, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		answer(in, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
		do_read(in);
		break;
	case FUSE_RELEASE:
		answer(in, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(in, ENOSYS, NULL, 0);
	}
}

static void
run(void)
{
	static uint64_t request[REQUEST_MAX / sizeof(uint64_t)];

	for (;;) {
		ssize_t n = read(fs.device, request, sizeof(request));

		if (n < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (n < (ssize_t)sizeof(struct fuse_in_header))
			_exit(0);
		serve((struct fuse_in_header *)request);
	}
}

int
fuse_file(size_t len, size_t answers)
{
	char dir[] = "/var/tmp/live-fuse.XXXXXX", path[64], options[96];
	int fd;

	fs.len = len;
	fs.answers = answers;
	fs.device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fs.device < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mkdtemp(dir) == NULL)
		live_die("no fuse: %s", strerror(errno));
	snprintf(options, sizeof(options),
	    "fd=%d,rootmode=40000,user_id=0,group_id=0", fs.device);
	if (mount("live", dir, "fuse", 0, options) < 0)
		live_die("mount: %s", strerror(errno));
	server = fork();
	if (server < 0)
		live_die("fork: %s", strerror(errno));
	if (server == 0)
		run();
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		live_die("%s: %s", path, strerror(errno));
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	close(fs.device);
	return fd;
}

/* Without a server every request fails. */
void
fuse_end(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}
