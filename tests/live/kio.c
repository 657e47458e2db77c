/*
 * kio.c: the kernel reads and writes buffers that are out
 *
 * usage: kio KIND MIB [DIRECTORY]
 *
 * KIND: pipe, socket, file, vector, direct, uring.  Kernel-mode faults, and
 * pages pinned for I/O while memory is short.
 */
#include "live.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP ((size_t)16 * PAGE)

static const char *directory = "/var/tmp";

static int
temp_file(int flags)
{
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		live_die("%s: temporary file: %s", directory, strerror(errno));
	return fd;
}

static void
write_all(int fd, const uint8_t *p, size_t len)
{
	ssize_t n;

	for (; len > 0; p += n, len -= (size_t)n) {
		n = write(fd, p, len < STEP * 3 ? len : STEP * 3);
		if (n <= 0)
			live_die("write: %s", strerror(errno));
	}
}

static void
read_all(int fd, uint8_t *p, size_t len)
{
	ssize_t n;

	for (; len > 0; p += n, len -= (size_t)n) {
		n = read(fd, p, len < STEP * 3 ? len : STEP * 3);
		if (n <= 0)
			live_die("read: %s", n < 0 ? strerror(errno) : "end");
	}
}

/* A second area whose pages are full of something else, and out. */
static void
area_junk(struct area *b, size_t npages)
{
	area_new(b, npages);
	area_fill(b, 0, npages, 77);
	live_push_area(b);
}

static void
take_tags(struct area *b, const struct area *a)
{
	memcpy(b->tags, a->tags, b->npages * sizeof(*b->tags));
}

struct sender {
	int fd;
	const struct area *a;
};

static void *
send_area(void *arg)
{
	struct sender *s = arg;

	write_all(s->fd, s->a->base, s->a->npages * PAGE);
	return NULL;
}

static void
through(struct area *a, int from, int to)
{
	struct sender s = { to, a };
	struct area b;
	pthread_t thread;

	area_junk(&b, a->npages);
	live_push_area(a);
	if (pthread_create(&thread, NULL, send_area, &s) != 0)
		live_die("pthread_create");
	read_all(from, b.base, b.npages * PAGE);
	pthread_join(thread, NULL);
	take_tags(&b, a);
	live_hold("sent");
	area_verify(&b, 0, b.npages, "received");
	area_verify(a, 0, a->npages, "sent");
}

static void
kind_pipe(struct area *a)
{
	int ends[2];

	if (pipe(ends) < 0)
		live_die("pipe: %s", strerror(errno));
	through(a, ends[0], ends[1]);
}

static void
kind_socket(struct area *a)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		live_die("socketpair: %s", strerror(errno));
	through(a, ends[0], ends[1]);
}

static void
kind_file(struct area *a)
{
	struct stat st;
	struct area b;
	int fd = temp_file(0);

	write_all(fd, a->base, a->npages * PAGE);
	area_junk(&b, a->npages);
	if (lseek(fd, 0, SEEK_SET) < 0 || fstat(fd, &st) < 0 ||
	    (size_t)st.st_size != a->npages * PAGE)
		live_die("the file is not what was written");
	read_all(fd, b.base, b.npages * PAGE);
	take_tags(&b, a);
	live_hold("read back");
	area_verify(&b, 0, b.npages, "read from a file");
	area_verify(a, 0, a->npages, "written to a file");
}

/* Page i of a list of vectors: scattered, so that each is a fault. */
static size_t
scatter(size_t i, size_t npages)
{
	return i * 7919 % npages;
}

static void
vectors(struct iovec *v, size_t n, struct area *a, size_t first)
{
	size_t i;

	for (i = 0; i < n; i++) {
		v[i].iov_base = a->base + scatter(first + i, a->npages) * PAGE;
		v[i].iov_len = PAGE;
	}
}

static void
kind_vector(struct area *a)
{
	enum {
		N = 64
	};
	struct iovec v[N];
	struct area b;
	int fd = temp_file(0);
	size_t i;

	for (i = 0; i + N <= a->npages; i += N) {
		vectors(v, N, a, i);
		if (pwritev(fd, v, N, (off_t)(i * PAGE)) != N * (ssize_t)PAGE)
			live_die("pwritev: %s", strerror(errno));
	}
	area_junk(&b, a->npages);
	for (i = 0; i + N <= a->npages; i += N) {
		vectors(v, N, &b, i);
		if (preadv(fd, v, N, (off_t)(i * PAGE)) != N * (ssize_t)PAGE)
			live_die("preadv: %s", strerror(errno));
	}
	take_tags(&b, a);
	live_hold("scattered");
	area_verify(&b, 0, b.npages, "scattered");
	area_verify(a, 0, a->npages, "gathered");
}

/*
 * Direct I/O: the device reads and writes the pages themselves.  One thread
 * keeps memory short by walking through an area of its own.
 */
struct press {
	struct area area;
	_Atomic bool stop;
	pthread_t thread;
};

static void *
press_run(void *arg)
{
	struct press *p = arg;
	uint64_t round = 0;
	size_t i;

	while (!p->stop) {
		round++;
		for (i = 0; i < p->area.npages && !p->stop; i++) {
			page_expect(p->area.base + i * PAGE, p->area.tags[i],
			    "pressing area");
			area_fill(&p->area, i, 1, round);
		}
	}
	return NULL;
}

static void
press_start(struct press *p, size_t npages)
{
	p->stop = false;
	area_new(&p->area, npages);
	area_fill(&p->area, 0, npages, 0);
	if (pthread_create(&p->thread, NULL, press_run, p) != 0)
		live_die("pthread_create");
}

static void
press_end(struct press *p)
{
	p->stop = true;
	pthread_join(p->thread, NULL);
}

struct direct {
	pthread_t thread;
	struct area a; /* this thread's part */
	int fd;
	off_t at;
	size_t rounds;
};

/* Buffer to disk, disk to the same buffer made dirty, and compare. */
static void *
direct_run(void *arg)
{
	struct direct *d = arg;
	size_t npages = STEP / PAGE;
	size_t round;
	size_t i;
	off_t at;
	uint8_t *p;

	for (round = 0; round < d->rounds; round++) {
		for (i = 0; i + npages <= d->a.npages; i += npages) {
			p = d->a.base + i * PAGE;
			at = d->at + (off_t)(i * PAGE);
			area_verify(&d->a, i, npages, "before direct I/O");
			area_fill(&d->a, i, npages, round);
			if (pwrite(d->fd, p, STEP, at) != (ssize_t)STEP)
				live_die("direct write: %s", strerror(errno));
			memset(p, 0xee, STEP);
			if (pread(d->fd, p, STEP, at) != (ssize_t)STEP)
				live_die("direct read: %s", strerror(errno));
			area_verify(&d->a, i, npages, "after direct I/O");
		}
	}
	return NULL;
}

static void
kind_direct(struct area *a)
{
	enum {
		THREADS = 4
	};
	struct direct d[THREADS];
	struct press press;
	size_t part = a->npages / THREADS;
	int fd = temp_file(O_DIRECT);
	size_t i;

	press_start(&press, a->npages / 2);
	for (i = 0; i < THREADS; i++) {
		d[i] = (struct direct){ .fd = fd,
			.rounds = 3,
			.at = (off_t)(i * part * PAGE),
			.a = { a->base + i * part * PAGE, part,
			    a->tags + i * part } };
		if (pthread_create(&d[i].thread, NULL, direct_run, &d[i]) != 0)
			live_die("pthread_create");
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(d[i].thread, NULL);
	press_end(&press);
	live_hold("direct");
	area_verify(a, 0, a->npages, "after all direct I/O");
}

static void
uring_do(struct io_uring *ring, bool write, int fd, struct area *a, size_t i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	uint8_t *p = a->base + i * PAGE;

	if (write)
		io_uring_prep_write_fixed(sqe, fd, p, STEP, i * PAGE, 0);
	else
		io_uring_prep_read_fixed(sqe, fd, p, STEP, i * PAGE, 0);
	io_uring_submit(ring);
	if (io_uring_wait_cqe(ring, &cqe) < 0 || cqe->res != (int)STEP)
		live_die("io_uring %s", write ? "write" : "read");
	io_uring_cqe_seen(ring, cqe);
}

/*
 * Buffers registered with io_uring stay pinned: the kernel keeps on using
 * these very frames, so they must never be taken away.
 */
static void
kind_uring(struct area *a)
{
	size_t n = a->npages / 32 / 16 * 16;
	struct area pinned = { a->base + a->npages / 2 * PAGE, n,
		a->tags + a->npages / 2 };
	struct iovec v = { pinned.base, n * PAGE };
	struct io_uring ring;
	struct press press;
	int fd = temp_file(O_DIRECT);
	size_t round;
	size_t i;
	int r;

	r = io_uring_queue_init(8, &ring, 0);
	if (r == 0)
		r = io_uring_register_buffers(&ring, &v, 1);
	if (r < 0)
		live_die("io_uring: %s", strerror(-r));
	press_start(&press, a->npages / 2);
	for (round = 0; round < 8; round++) {
		for (i = 0; i < n; i += STEP / PAGE) {
			area_verify(&pinned, i, STEP / PAGE, "pinned");
			area_fill(&pinned, i, STEP / PAGE, round + 100);
			uring_do(&ring, true, fd, &pinned, i);
			memset(pinned.base + i * PAGE, 0xdd, STEP);
		}
		live_push_out(a->base, a->npages / 2 * PAGE);
		for (i = 0; i < n; i += STEP / PAGE)
			uring_do(&ring, false, fd, &pinned, i);
	}
	press_end(&press);
	live_hold("pinned");
	io_uring_queue_exit(&ring);
	area_verify(a, 0, a->npages, "after pinned I/O");
}

static const struct {
	const char *name;
	void (*run)(struct area *); /* the area is full, and out */
} kinds[] = {
	{ "pipe", kind_pipe },
	{ "socket", kind_socket },
	{ "file", kind_file },
	{ "vector", kind_vector },
	{ "direct", kind_direct },
	{ "uring", kind_uring },
};

int
main(int argc, char **argv)
{
	struct area a;
	size_t i;

	if (argc < 3 || argc > 4)
		live_die("usage: kio KIND MIB [DIRECTORY]");
	if (argc == 4)
		directory = argv[3];
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, argv[1]) != 0)
			continue;
		area_new(&a, live_mib(argv[2]) / PAGE);
		area_fill(&a, 0, a.npages, 1);
		live_push_area(&a);
		kinds[i].run(&a);
		printf("%s: every byte right\n", argv[1]);
		return 0;
	}
	live_die("no kind \"%s\"", argv[1]);
}
