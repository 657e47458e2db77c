/*
 * worker.h: a thread that does what the fault thread has no time for
 *
 * It touches nothing but what it is sent, waits when there is nothing, and is
 * an ordinary thread: clients that wait for room make it run.
 */
#ifndef WORKER_H
#define WORKER_H

#include <stdint.h>

#include "work.h"

struct worker;

/* => for at most so many works at a time; 0 or -errno */
int worker_start(const char *name, uint32_t max, struct worker **);
void worker_join(struct worker *); /* nothing was sent since; accepts NULL */

/* => fault thread: do it */
void worker_send(struct worker *, struct work *);
/*
 * => fault thread: it runs on other CPUs than that, if it may; -1: on any.  By
 *    itself it would stay where it is woken, and run when nobody else does.
 */
void worker_avoid(struct worker *, int cpu);
/* => readable when worker_receive() may have something */
int worker_fd(const struct worker *);
/* => fault thread: for each wake-up, before it receives */
void worker_ack(struct worker *);
/* => fault thread: one that was done, in the order sent; or NULL */
struct work *worker_receive(struct worker *);

#endif
