/*
 * fault.h: resolving faults
 */
#ifndef FAULT_H
#define FAULT_H

struct client;
struct pager;

/*
 * faults_resolve: try each waiting fault of a client once
 *
 * => those that cannot be resolved yet stay, and c->retry_us says when to
 *    look again
 * => 0; -ESRCH: the process is gone; -EPERM: it wrote where it may not
 */
int faults_resolve(struct pager *, struct client *);

#endif
