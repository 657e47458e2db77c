/*
 * test-mailbox.c: nothing is lost, reordered, or left without a wake-up
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "mailbox.h"
#include "test.h"

#define NMESSAGES 1000000
#define CAPACITY 64
#define LOST_MS 20000 /* a wake-up that takes so long is lost */

struct message {
	uint64_t number; /* plain: the mailbox has to order it */
};

static struct message messages[NMESSAGES];

static bool
is_readable(const struct mailbox *m, int timeout_ms)
{
	struct pollfd p = { .fd = mailbox_fd(m), .events = POLLIN };
	int n;

	n = poll(&p, 1, timeout_ms);
	CHECK(n >= 0);
	return n == 1;
}

static void
test_one_thread(void)
{
	struct mailbox *m;
	int i;

	CHECK(mailbox_new(5, &m) == 0);
	CHECK(mailbox_receive(m) == NULL);
	CHECK(!is_readable(m, 0));
	mailbox_ack(m);
	for (i = 0; i < 8; i++)
		CHECK(mailbox_send(m, &messages[i]) == 0);
	CHECK(mailbox_send(m, &messages[8]) == -ENOBUFS);
	CHECK(is_readable(m, 0));
	mailbox_ack(m);
	CHECK(!is_readable(m, 0));
	for (i = 0; i < 8; i++)
		CHECK(mailbox_receive(m) == &messages[i]);
	CHECK(mailbox_receive(m) == NULL);
	CHECK(mailbox_send(m, &messages[8]) == 0);
	CHECK(is_readable(m, 0));
	CHECK(mailbox_receive(m) == &messages[8]);
	mailbox_delete(m);
	mailbox_delete(NULL);
}

static void *
send_all(void *ctx)
{
	struct mailbox *m = ctx;
	uint64_t i;

	for (i = 0; i < NMESSAGES; i++) {
		messages[i].number = i + 1;
		while (mailbox_send(m, &messages[i]) == -ENOBUFS)
			sched_yield();
		/* Gives the receiver time to find the queue empty. */
		if (i % 1021 == 0)
			sched_yield();
	}
	return NULL;
}

static void
test_two_threads(void)
{
	struct message *msg;
	struct mailbox *m;
	pthread_t sender;
	uint64_t n = 0;

	CHECK(mailbox_new(CAPACITY, &m) == 0);
	CHECK(pthread_create(&sender, NULL, send_all, m) == 0);
	while (n < NMESSAGES) {
		CHECK(is_readable(m, LOST_MS));
		mailbox_ack(m);
		while ((msg = mailbox_receive(m)) != NULL) {
			CHECK(msg == &messages[n]);
			CHECK(msg->number == ++n);
		}
	}
	CHECK(pthread_join(sender, NULL) == 0);
	CHECK(mailbox_receive(m) == NULL);
	mailbox_delete(m);
}

struct pair {
	struct mailbox *there;
	struct mailbox *back;
};

static struct message *
wait_for_one(struct mailbox *m)
{
	struct message *msg;

	for (;;) {
		msg = mailbox_receive(m);
		if (msg != NULL)
			return msg;
		CHECK(is_readable(m, LOST_MS));
		mailbox_ack(m);
	}
}

static void *
echo(void *ctx)
{
	struct pair *p = ctx;
	struct message *msg;
	int i;

	for (i = 0; i < 2000; i++) {
		msg = wait_for_one(p->there);
		msg->number++;
		CHECK(mailbox_send(p->back, msg) == 0);
	}
	return NULL;
}

/* Each message finds an empty queue: every one needs its wake-up. */
static void
test_ping_pong(void)
{
	struct message msg = { 0 };
	struct pair p;
	pthread_t other;
	uint64_t i;

	CHECK(mailbox_new(1, &p.there) == 0);
	CHECK(mailbox_new(1, &p.back) == 0);
	CHECK(pthread_create(&other, NULL, echo, &p) == 0);
	for (i = 1; i <= 2000; i++) {
		CHECK(mailbox_send(p.there, &msg) == 0);
		CHECK(wait_for_one(p.back) == &msg);
		CHECK(msg.number == i);
	}
	CHECK(pthread_join(other, NULL) == 0);
	mailbox_delete(p.there);
	mailbox_delete(p.back);
}

static const struct test tests[] = {
	{ "one thread", test_one_thread },
	{ "two threads", test_two_threads },
	{ "ping-pong", test_ping_pong },
};

TEST_MAIN(tests)
