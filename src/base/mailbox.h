/*
 * mailbox.h: one-way queue of pointers between two threads, with an eventfd
 *
 * The planes talk through a pair of these and share nothing else.  A message
 * is a pointer whose ownership moves to the receiver.  The eventfd becomes
 * readable when the queue goes from empty to not empty; the receiver reads it
 * and drains the queue.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct mailbox;

/* => capacity is rounded up to a power of two; returns 0 or -errno */
int mailbox_new(uint32_t capacity, struct mailbox **);
void mailbox_delete(struct mailbox *); /* accepts NULL */

int mailbox_fd(const struct mailbox *); /* the eventfd: to be polled */

/* => sender thread only; 0, or -ENOBUFS when full (nothing was sent) */
int mailbox_send(struct mailbox *, void *msg);
/* => receiver thread only; NULL when empty */
void *mailbox_receive(struct mailbox *);
/* => receiver thread only; resets the eventfd, call before draining */
void mailbox_ack(struct mailbox *);

#endif
