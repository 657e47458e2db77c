/*
 * settle.h: moments of quiet, and the end of a run
 */
#ifndef SETTLE_H
#define SETTLE_H

#include <stdbool.h>
#include <stdint.h>

struct proc;

/* => lets everything that was begun come to its end, and checks it all */
void settle_check(void);
/* => ends the run in one of three ways; nothing may be left */
void settle_finish(uint64_t how);
/* => a part of what an ended process leaves goes; false: nothing is left */
bool settle_end_one(struct proc *);

#endif
