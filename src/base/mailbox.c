/*
 * mailbox.c: one-way queue of pointers between two threads, with an eventfd
 *
 * A ring with one sender and one receiver.  Positions only grow and wrap at
 * 2^32; a slot is at its position modulo the capacity.
 *
 * No wake-up is lost, though the sender notifies only when it finds that its
 * message is the first: the sender stores tail, then loads head; the receiver
 * stores head, then loads tail (in the next receive).  All four are
 * sequentially consistent, so that at least one of the two sees the other's
 * store: either the sender sees an empty queue and notifies, or the receiver
 * finds the message before it stops draining.  This holds for a receiver that
 * drains until it gets NULL, after the ack.
 */
#include "mailbox.h"

#include <sys/eventfd.h>

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "assert.h"

#define CACHE_LINE 64
#define CAPACITY_MAX (UINT32_C(1) << 30)

struct mailbox {
	alignas(CACHE_LINE) _Atomic uint32_t head; /* receiver: next to take */
	alignas(CACHE_LINE) _Atomic uint32_t tail; /* sender: next to fill */
	alignas(CACHE_LINE) uint32_t mask;         /* const after start */
	int fd;                                    /* const after start */
	void *slots[]; /* owned by whom the positions say */
};

static uint32_t
round_power(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

int
mailbox_new(uint32_t capacity, struct mailbox **mp)
{
	struct mailbox *m;
	size_t bytes;
	int r;

	ASSERT(capacity > 0 && capacity <= CAPACITY_MAX);
	capacity = round_power(capacity);
	bytes = sizeof(*m) + capacity * sizeof(m->slots[0]);
	bytes = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	m = aligned_alloc(CACHE_LINE, bytes);
	if (m == NULL)
		return -ENOMEM;
	atomic_init(&m->head, 0);
	atomic_init(&m->tail, 0);
	m->mask = capacity - 1;
	m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->fd < 0) {
		r = -errno;
		free(m);
		return r;
	}
	*mp = m;
	return 0;
}

void
mailbox_delete(struct mailbox *m)
{
	if (m == NULL)
		return;
	close(m->fd);
	free(m);
}

int
mailbox_fd(const struct mailbox *m)
{
	return m->fd;
}

static void
notify(struct mailbox *m)
{
	const uint64_t one = 1;
	ssize_t n;

	do {
		n = write(m->fd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
	/* EAGAIN is a counter at its end: it is readable, which is enough. */
	ASSERT(n == sizeof(one) || errno == EAGAIN);
}

int
mailbox_send(struct mailbox *m, void *msg)
{
	uint32_t head, tail;

	ASSERT(msg != NULL);
	tail = atomic_load_explicit(&m->tail, memory_order_relaxed);
	/* Acquire: the receiver has read the slot that is filled below. */
	head = atomic_load_explicit(&m->head, memory_order_acquire);
	if (tail - head > m->mask)
		return -ENOBUFS;
	m->slots[tail & m->mask] = msg;
	atomic_store(&m->tail, tail + 1);
	if (atomic_load(&m->head) == tail)
		notify(m);
	return 0;
}

void *
mailbox_receive(struct mailbox *m)
{
	uint32_t head;
	void *msg;

	head = atomic_load_explicit(&m->head, memory_order_relaxed);
	if (atomic_load(&m->tail) == head)
		return NULL;
	msg = m->slots[head & m->mask];
	atomic_store(&m->head, head + 1);
	return msg;
}

void
mailbox_ack(struct mailbox *m)
{
	uint64_t count;
	ssize_t n;

	do {
		n = read(m->fd, &count, sizeof(count));
	} while (n < 0 && errno == EINTR);
	ASSERT(n == sizeof(count) || errno == EAGAIN);
}
