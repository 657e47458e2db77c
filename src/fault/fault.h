/*
 * fault.h: resolving faults
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdint.h>

struct client;
struct fault;
struct pager;

/* Faults come from a pool; => how many more it has */
uint32_t fault_room(const struct pager *);
/* => room was there; not in any list */
struct fault *fault_new(struct pager *);
void fault_delete(struct pager *, struct fault *);

/*
 * faults_resolve: try each waiting fault of a client once
 *
 * => those that cannot be resolved yet stay, and c->retry_us says when to
 *    look again
 * => 0; -ESRCH: the process is gone; -EPERM: it wrote where it may not
 */
int faults_resolve(struct pager *, struct client *);

#endif
