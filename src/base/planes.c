/*
 * planes.c: the two mailboxes between the planes
 *
 *	to_fault	requests
 *	to_control	requests, answered, and notices
 *
 * A notice is known by its address: all of them are members of struct planes.
 * The control plane counts the requests that are under way and refuses to make
 * more than ASKED_MAX, so to_control has room for every answer and every
 * notice at any time: the fault plane never has to wait for the other.  The
 * last place is kept for MAIL_STOP.
 */
#include "planes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "assert.h"
#include "mailbox.h"

#define ASKED_MAX 4096
#define NNOTICES 256

struct planes {
	struct mailbox *to_fault, *to_control; /* const after start */
	uint32_t asked;       /* control thread: requests not yet answered */
	uint32_t next_notice; /* fault thread: where to look first */
	struct notice notices[NNOTICES];
};

int
planes_new(struct planes **pp)
{
	struct planes *p;
	int r;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	r = mailbox_new(ASKED_MAX, &p->to_fault);
	if (r == 0)
		r = mailbox_new(ASKED_MAX + NNOTICES, &p->to_control);
	if (r < 0) {
		planes_delete(p);
		return r;
	}
	*pp = p;
	return 0;
}

void
planes_delete(struct planes *p)
{
	if (p == NULL)
		return;
	mailbox_delete(p->to_fault);
	mailbox_delete(p->to_control);
	free(p);
}

int
planes_ask(struct planes *p, struct mail *m)
{
	int r;

	ASSERT(m->done != NULL);
	if (p->asked >= (m->op == MAIL_STOP ? ASKED_MAX : ASKED_MAX - 1))
		return -ENOBUFS;
	m->result = 0;
	r = mailbox_send(p->to_fault, m);
	if (r == 0)
		p->asked++;
	return r;
}

int
planes_control_fd(const struct planes *p)
{
	return mailbox_fd(p->to_control);
}

static struct notice *
as_notice(struct planes *p, void *msg)
{
	uintptr_t a = (uintptr_t)msg;

	if (a < (uintptr_t)p->notices ||
	    a >= (uintptr_t)(p->notices + NNOTICES))
		return NULL;
	return msg;
}

void
planes_control_dispatch(struct planes *p,
    void (*notice)(const struct notice *, void *ctx), void *ctx)
{
	struct notice *n;
	struct mail *m;
	void *msg;

	mailbox_ack(p->to_control);
	while ((msg = mailbox_receive(p->to_control)) != NULL) {
		n = as_notice(p, msg);
		if (n != NULL) {
			notice(n, ctx);
			atomic_store_explicit(&n->busy, false,
			    memory_order_release);
			continue;
		}
		m = msg;
		ASSERT(p->asked > 0);
		p->asked--;
		m->done(m);
	}
}

/* A wake-up without a message: the receiver finds none, and looks around. */
void
planes_kick(struct planes *p)
{
	const uint64_t one = 1;
	ssize_t n;

	do {
		n = write(mailbox_fd(p->to_fault), &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
	ASSERT(n == sizeof(one) || errno == EAGAIN);
}

int
planes_fault_fd(const struct planes *p)
{
	return mailbox_fd(p->to_fault);
}

struct mail *
planes_fault_receive(struct planes *p)
{
	return mailbox_receive(p->to_fault);
}

void
planes_fault_ack(struct planes *p)
{
	mailbox_ack(p->to_fault);
}

void
mail_queue(struct mail **list, struct mail *m)
{
	while (*list != NULL)
		list = &(*list)->next;
	m->next = NULL;
	*list = m;
}

void
planes_answer(struct planes *p, struct mail *m, int result)
{
	int r;

	m->result = result;
	r = mailbox_send(p->to_control, m);
	ASSERT(r == 0);
}

struct notice *
planes_notice(struct planes *p, enum notice_kind kind)
{
	struct notice *n;
	uint32_t i;

	for (i = 0; i < NNOTICES; i++) {
		n = &p->notices[p->next_notice++ % NNOTICES];
		if (atomic_load_explicit(&n->busy, memory_order_acquire))
			continue;
		n->kind = kind;
		n->group = 0;
		n->space = n->addr = 0;
		n->gauge = NULL;
		n->text[0] = '\0';
		/* Only this thread sets busy: no store needs to be ordered. */
		atomic_store_explicit(&n->busy, true, memory_order_relaxed);
		return n;
	}
	return NULL;
}

void
planes_notify(struct planes *p, struct notice *n)
{
	int r;

	r = mailbox_send(p->to_control, n);
	ASSERT(r == 0);
}
