/*
 * session.h: libpagerd in the simulated programs
 *
 *	MAP, CLONE, EXTEND --answer--> map it --> ARM --answer--> the program's
 *	                                 |          |
 *	                                 +----------+--> munmap, UNMAP
 *
 * A call belongs to a task, and asks the fault plane by mail as the control
 * plane does it for a session.  From the question until ARM is answered the
 * process does not fork, and nobody touches the range.
 */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel.h"

#define ARENA_START 1760u /* of the window: nothing else is mapped there */
#define ARENA_PAGES 288u

struct call;
struct task;

struct session_counts {
	uint64_t opens, anonymous, shared, joined, readonly, clones, regions;
	uint64_t extends, unlinks, queries, advices, taken_back, refused;
	uint64_t orphaned, extended, reclones, late, posthumous, orphans;
	uint64_t images, joined_images;
};
extern struct session_counts session_counts;

static inline bool
in_arena(const struct vma *v)
{
	return v->start >= ARENA_START;
}

extern bool session_often; /* in this world */

/* => the task, which has nothing to do, begins a call; or has none to make */
void session_begin(struct task *);
/* => the answer is there */
bool session_ready(const struct task *);
void session_step(struct task *);
/* => the task has ended: nobody waits for the answer */
void session_cancel(struct task *);
/* => is a region on its way into the process? */
bool session_unarmed(const struct proc *);
void session_reset(void); /* a new world: forgets all names */

#endif
