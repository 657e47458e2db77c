/*
 * place.h: where a client's thread wakes up
 *
 * The scheduler likes to wake a thread on an idle CPU.  For a thread that only
 * waited for a page this is wrong by an order of magnitude: the interrupt to
 * the other CPU, and the one back with the next fault, cost far more than the
 * fault (HACKING.md has figures).  A thread that waits for its fault may be
 * held to a CPU until it has been woken; it never sees that.
 */
#ifndef PLACE_H
#define PLACE_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

struct place {
	pid_t tid;     /* 0: nobody is held */
	cpu_set_t was; /* where it may run */
};

/* => the CPU that the caller runs on, or -1 */
int place_here(void);
/* => tid is a thread of process pid, as this process sees them both */
bool place_is_thread_of(pid_t tid, pid_t pid);
/* => 1: tid wakes up on cpu; 0: it may not, or need not be told */
int place_hold(struct place *, pid_t tid, int cpu);
/* => it may run where it might before */
void place_release(struct place *);

#endif
