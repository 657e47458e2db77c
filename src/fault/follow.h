/*
 * follow.h: keeps a thread that faults all the time on the fault plane's CPU
 *
 * Only a thread whose faults follow one another closely is worth it, and only
 * while it is the only one of its client that waits: threads that fault side
 * by side are to run side by side.
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "place.h"
#include "state.h"

/* => around the resolving of a fault: its thread wakes up here */
void follow_begin(struct client *, const struct fault *, struct place *);
void follow_end(const struct pager *, struct client *, struct place *);

#endif
