/*
 * task.h: the program's threads, which do what programs do to their memory
 *
 * A task does one thing at a time, in steps: an access that faults waits and
 * tries again, a system call that has to tell the daemon something waits until
 * that was read.  Between any two steps anybody else may run.
 */
#ifndef TASK_H
#define TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "ctx.h"
#include "kernel.h"

enum task_op {
	OP_NONE,
	OP_READ,
	OP_WRITE,
	OP_PIN,    /* O_DIRECT read(2) into a page */
	OP_LOCK,   /* mlockall(2), in the agent's memory */
	OP_ADVISE, /* MADV_DONTNEED, MADV_FREE */
	OP_EVENTS, /* a call has changed mappings, and has to tell */
	OP_FORK,
	OP_LIBRARY, /* session.h */
};

#define TASK_EVENTS 3

struct task_event {
	struct ctx *ctx;
	struct uffd_message msg;
};

struct task {
	struct proc *proc;
	uint32_t index;
	bool live;
	enum task_op op;
	uint32_t pg, end; /* what is still to be done */
	uint32_t phase;
	bool free;       /* ADVISE */
	uint32_t rm_end; /* ADVISE: [pg, rm_end) is being thrown away */
	struct frame *pin;
	uint64_t pin_id;
	struct waiter w;
	struct task_event events[TASK_EVENTS];
	uint32_t nevents, next_event;
	uint32_t own, own_end; /* EVENTS, LIBRARY: what this call maps */
	bool announce;         /* EVENTS: the agent is to register it */
	struct proc *child;    /* FORK: not born yet */
	struct call *call;     /* LIBRARY */
};

struct task_counts {
	uint64_t reads, writes, pins, dontneed, free, unmap, map, remap, grow;
	uint64_t protect, mark, forks, exits, signals, sigbus, announced;
	uint64_t clone_removals;
};
extern struct task_counts task_counts;

void task_init(struct task *, struct proc *, uint32_t index);
/* => it can do a step now */
bool task_ready(const struct task *);
bool task_blocked(const struct task *);
/*
 * => none of them is in a system call, or waits for a page: those of a frozen
 *    process stay so, though I/O that they have begun may end
 */
bool tasks_still(const struct proc *);
void task_step(struct task *);
/* => what it did is over */
void task_finish(struct task *);

/* Beginning something: the task must be OP_NONE. */
void task_touch(struct task *, enum task_op, uint32_t pg, uint32_t n);
void task_advise(struct task *, uint32_t pg, uint32_t n, bool lazily);
void task_unmap(struct task *, uint32_t pg, uint32_t n);
/*
 * => a fresh mapping; over others if they are there (MAP_FIXED); it may be
 *    announced to the agent, as mmap(2) does it in a managed program
 */
void task_map(struct task *, uint32_t pg, uint32_t n);
/* => mremap; keep: MREMAP_DONTUNMAP; to must be free or is replaced */
void task_remap(struct task *, uint32_t pg, uint32_t n, uint32_t to,
    uint32_t new_n, bool keep);
/* => grows the mapping that ends at pg in place, without a word */
void task_grow(struct task *, uint32_t pg, uint32_t n);
void task_protect(struct task *, uint32_t pg, uint32_t n, bool read,
    bool write);
void task_fork(struct task *, bool raw);
/* => what fork(2) makes of a process; it does not run yet */
struct proc *task_copy(struct proc *, bool raw, bool holder);
/*
 * => somebody in the process is in a call that has put something new there: a
 *    program that means well does not touch it yet
 */
bool task_owned(const struct proc *, uint32_t start, uint32_t end);
/* => somebody is throwing it away: nothing new is put there meanwhile */
bool task_advised(const struct proc *, uint32_t start, uint32_t end);
/*
 * => somebody has changed mappings in that range, or has forked, and has yet
 *    to queue the event that tells
 */
bool task_untold(const struct proc *, uint32_t start, uint32_t end);
/* => MADV_WIPEONFORK, MADV_DONTFORK, or neither any more */
void task_mark(struct task *, uint32_t pg, uint32_t n, bool wipe, bool dont);
/* => a signal makes it leave its fault and try again */
void task_signal(struct task *);

/* => all threads end; mm and descriptors go later (proc_exit_mm, ...) */
void proc_kill(struct proc *);

/* => is somebody throwing this page away at the moment? */
bool task_removing(const struct proc *, uint32_t pg);

/* => whoever can write to the file's page without a fault does so now */
void task_write_shared(const struct memfile *, uint32_t page);

/* The driver's: a child can run from now on. */
extern void (*task_born)(struct proc *child);
/* => SIGBUS in this page: is it all right? */
extern void (*task_sigbus)(struct proc *, uint32_t pg);

#endif
