/*
 * place.h: where threads run: a client's, its agent, and our own
 *
 * The scheduler likes to wake a thread on an idle CPU.  For a thread that only
 * waited for a page this is wrong by an order of magnitude: the interrupt to
 * the other CPU, and the one back with the next fault, cost far more than the
 * fault (HACKING.md has figures).
 *
 * A thread that waits for its fault may be held to a CPU until it has been
 * woken; it never sees that, as long as it does not preempt whoever wakes it.
 * While the caller itself stays on a CPU as a fair thread of great weight, whom
 * it wakes there is mostly left there without being held: the waiter has used
 * more than its share, and such a thread is still in the run queue (EEVDF's
 * delayed dequeue, Linux 6.12) where a wake-up finds it.
 */
#ifndef PLACE_H
#define PLACE_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

#include "sched_abi.h"

struct place {
	pid_t tid;     /* 0: nobody is held */
	cpu_set_t was; /* where it may run */
};

struct place_own {
	bool stays, fair;
	cpu_set_t was; /* as before it stayed */
	struct thread_attr attr;
};

/* => the CPU that the caller runs on, or -1 */
int place_here(void);
/*
 * => tid is a thread of process pid, as this process sees them both, and pid
 *    itself: it is in the same pid namespace
 */
bool place_is_thread_of(pid_t tid, pid_t pid);
/* => 1: tid wakes up on cpu; 0: it may not, or need not be told */
int place_hold(struct place *, pid_t tid, int cpu);
/* => it may run where it might before */
void place_release(struct place *);

/* => the caller stays on cpu, as far as it may */
void place_stay(struct place_own *, int cpu);
/* => while it stays: a fair thread, or what it was before; as far as it may */
void place_fair(struct place_own *, bool fair);
/* => all as before it stayed; accepts a zeroed one */
void place_roam(struct place_own *);

/* => the caller runs where the process may, but not on cpu; -1: there, too */
void place_avoid(int cpu);

#endif
