/*
 * follow.h: threads that fault all the time share the fault plane's CPU
 *
 *	faults of one client, closely one after the other
 *	  --> together: we stay where we are, and so does its agent; each
 *	      thread is woken here
 *	  or apart: everybody runs where the scheduler likes
 *
 * Which of the two is measured, by how long a fault takes from one to the next.
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "place.h"
#include "state.h"

/* => around the resolving of a fault: its thread wakes up here */
void follow_begin(struct pager *, struct client *, const struct fault *,
    struct place *);
/* => when that was, now_ns() */
uint64_t follow_end(struct pager *, struct client *, struct place *);
/* => the client, or its agent, goes: everybody runs where he likes */
void follow_gone(struct pager *, struct client *);

#endif
