/*
 * fake_impl.h: what the files of the fake daemon share
 *
 *	fake.c		the thread: faults, events, pages that are out
 *	fake-attach.c	the handshake with a client
 *	fake-ask.c	what a test asks of an agent
 *
 * The thread has the lock in all of these; a test calls fake.h's without.
 */
#ifndef SHIM_TEST_FAKE_IMPL_H
#define SHIM_TEST_FAKE_IMPL_H

#include "fake.h"

#define PAGE ((uint64_t)PAGERD_PAGE_SIZE)

/* The first thing that was wrong is kept; whoever waits is woken. */
void fake_fail(struct fake *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* => a space without an agent, or NULL */
struct fake_space *fake_space_new(struct fake *);
/* => the page that is out of that space, made if there is none; or NULL */
struct fake_page *fake_page_add(struct fake *, uint64_t id, uint64_t addr);
/* => 0: the client has an agent, and READY was sent; else sock is not kept */
int fake_attach(struct fake *, int sock);
/* fd goes with it unless it is -1. */
int fake_send(int sock, const void *packet, size_t len, int fd);
void fake_header(struct pagerd_msg *, enum pagerd_msg_type, size_t);
int fake_uffd_register(int fd, uint64_t start, uint64_t len, uint64_t mode);

#endif
