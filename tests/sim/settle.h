/*
 * settle.h: moments of quiet, and the end of a run
 */
#ifndef SETTLE_H
#define SETTLE_H

#include <stdbool.h>

struct proc;

/* => lets everything that was begun come to its end, and checks it all */
void settle_check(void);
/* => ends the run in one of several ways; nothing may be left */
void settle_finish(void);
/* => a part of what an ended process leaves goes; false: nothing is left */
bool settle_end_one(struct proc *);

#endif
