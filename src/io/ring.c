#include "ring.h"

#include <sys/mman.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <liburing.h>

#include "assert.h"

#define MAX_FD (1 << 20)
#define DATA_REMOVED UINT64_MAX
#define DATA_CLOSED (UINT64_MAX - 1)
#define DATA_READ (UINT64_C(1) << 31) /* no descriptor is as large */

/*
 * A poll that ended by itself (its completion queue overflowed, say) is armed
 * again.  Its user_data is the descriptor and the number of the watch on it,
 * so that a late report is not taken for one of the descriptor's next user.
 */
struct watch {
	uint64_t cookie; /* 0: not watched */
	uint32_t number;
};

struct ring { /* fault thread */
	struct io_uring uring;
	struct watch *watches; /* by descriptor; touched as used */
	uint32_t pending;      /* reads and closes */
};

static struct watch *
watches_new(void)
{
	void *p =
	    mmap(NULL, MAX_FD * sizeof(struct watch), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int
ring_new(unsigned int entries, struct ring **out)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
		.cq_entries = 4 * entries,
	};
	struct ring *ring = calloc(1, sizeof(*ring));
	int r;

	if (ring == NULL)
		return -ENOMEM;
	ring->watches = watches_new();
	if (ring->watches == NULL) {
		free(ring);
		return -ENOMEM;
	}
	r = io_uring_queue_init_params(entries, &ring->uring, &params);
	if (r < 0) {
		(void)munmap(ring->watches, MAX_FD * sizeof(struct watch));
		free(ring);
		return r;
	}
	/* By itself it would have some for each processor. */
	(void)io_uring_register_iowq_max_workers(&ring->uring,
	    (unsigned int[2]){ RING_WORKERS, 0 });
	*out = ring;
	return 0;
}

void
ring_delete(struct ring *ring)
{
	if (ring == NULL)
		return;
	io_uring_queue_exit(&ring->uring);
	(void)munmap(ring->watches, MAX_FD * sizeof(struct watch));
	free(ring);
}

static struct io_uring_sqe *
ring_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	if (sqe == NULL) {
		(void)io_uring_submit(&ring->uring);
		sqe = io_uring_get_sqe(&ring->uring);
	}
	return sqe;
}

static uint64_t
data_of(const struct ring *ring, int fd)
{
	return (uint64_t)ring->watches[fd].number << 32 | (uint32_t)fd;
}

static int
ring_arm(struct ring *ring, int fd)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	if (sqe == NULL)
		return -EBUSY;
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, data_of(ring, fd));
	return 0;
}

int
ring_watch(struct ring *ring, int fd, uint64_t cookie)
{
	struct watch *w;

	ASSERT(cookie != 0 && fd >= 0);
	if (fd >= MAX_FD)
		return -EMFILE;
	w = &ring->watches[fd];
	w->cookie = cookie;
	w->number++;
	return ring_arm(ring, fd);
}

/*
 * Submitted at once: the poll holds a reference of the file, and the caller
 * is about to close it.
 */
int
ring_unwatch(struct ring *ring, int fd)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	ring->watches[fd].cookie = 0;
	if (sqe == NULL)
		return -EBUSY;
	io_uring_prep_poll_remove(sqe, data_of(ring, fd));
	io_uring_sqe_set_data64(sqe, DATA_REMOVED);
	(void)io_uring_submit(&ring->uring);
	return 0;
}

/*
 * Never tried on this thread first, as io_uring would: a file system may wait
 * there for what says where the bytes are.
 */
int
ring_read(struct ring *ring, int fd, void *buf, uint32_t len, uint64_t at,
    uint32_t cookie)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	if (sqe == NULL)
		return -EBUSY;
	io_uring_prep_read(sqe, fd, buf, len, at);
	io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	io_uring_sqe_set_data64(sqe, (uint64_t)cookie << 32 | DATA_READ);
	ring->pending++;
	return 0;
}

void
ring_close(struct ring *ring, int fd)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	if (sqe == NULL) {
		(void)close(fd);
		return;
	}
	io_uring_prep_close(sqe, fd);
	io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	io_uring_sqe_set_data64(sqe, DATA_CLOSED);
	ring->pending++;
}

uint32_t
ring_pending(const struct ring *ring)
{
	return ring->pending;
}

static int
ring_block(struct ring *ring, uint64_t timeout_us)
{
	struct __kernel_timespec ts = {
		.tv_sec = (long long)(timeout_us / 1000000),
		.tv_nsec = (long long)(timeout_us % 1000000 * 1000),
	};
	struct io_uring_cqe *cqe;
	int r;

	if (timeout_us == 0)
		r = io_uring_submit(&ring->uring);
	else if (timeout_us == UINT64_MAX)
		r = io_uring_submit_and_wait(&ring->uring, 1);
	else
		r = io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &ts,
		    NULL);
	return r == -ETIME || r == -EINTR || r > 0 ? 0 : r;
}

/* => false: it is about a watch that is over */
static bool
ring_event(struct ring *ring, const struct io_uring_cqe *cqe,
    struct ring_event *ev)
{
	int fd = (int)(uint32_t)cqe->user_data;

	if (cqe->user_data == DATA_REMOVED)
		return false;
	if (cqe->user_data == DATA_CLOSED) {
		ring->pending--;
		return false;
	}
	*ev = (struct ring_event){ .result = cqe->res };
	if (cqe->user_data & DATA_READ) {
		ring->pending--;
		ev->cookie = cqe->user_data >> 32;
		ev->read = true;
		return true;
	}
	if (cqe->user_data != data_of(ring, fd) ||
	    ring->watches[fd].cookie == 0)
		return false;
	ev->cookie = ring->watches[fd].cookie;
	if (!(cqe->flags & IORING_CQE_F_MORE) && cqe->res >= 0)
		(void)ring_arm(ring, fd);
	return true;
}

bool
ring_has_reports(const struct ring *ring)
{
	return io_uring_cq_ready(&ring->uring) > 0;
}

int
ring_wait(struct ring *ring, uint64_t timeout_us, struct ring_event *events,
    unsigned int max)
{
	struct io_uring_cqe *cqe;
	unsigned int head, seen = 0, n = 0;
	int r;

	if (ring_has_reports(ring))
		timeout_us = 0;
	r = ring_block(ring, timeout_us);
	if (r < 0)
		return r;
	io_uring_for_each_cqe(&ring->uring, head, cqe)
	{
		if (n == max)
			break;
		seen++;
		if (ring_event(ring, cqe, &events[n]))
			n++;
	}
	io_uring_cq_advance(&ring->uring, seen);
	return (int)n;
}
