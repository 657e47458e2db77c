/*
 * ctx.h: fake userfaultfds, and whoever waits for one
 *
 *	fault:  IDLE -> FAULT_UNREAD -> FAULT_READ -> WOKEN -> (tries again)
 *	event:  IDLE -> EVENT_UNREAD ---------------> WOKEN -> (goes on)
 *
 * From ctx_change_begin() until ctx_change_end(), which the waiter calls when
 * it has run again, every filling call fails with -EAGAIN.
 */
#ifndef CTX_H
#define CTX_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "sim.h"
#include "uffd.h"

struct proc;
struct waiter;

TAILQ_HEAD(waiter_list, waiter);

struct ctx {
	uint32_t files; /* open descriptors, of the daemon and of the client */
	uint32_t users; /* memory: waiters and vmas that name it */
	struct proc *proc; /* whose memory it is */
	bool enabled, released;
	uint32_t changing; /* mmap_changing */
	uint64_t arrivals; /* messages queued so far: edges of poll() */
	struct waiter_list unread, read, event;
};

enum wait_state {
	WAIT_IDLE,
	WAIT_FAULT_UNREAD,
	WAIT_FAULT_READ,
	WAIT_EVENT_UNREAD,
	WAIT_WOKEN,
};

struct waiter {
	TAILQ_ENTRY(waiter) link;
	enum wait_state state;
	struct ctx *ctx;
	struct uffd_message msg;
	struct ctx *child; /* FORK */
	uint64_t since;    /* step */
};

/* How often each thing happened: coverage. */
struct ctx_counts {
	uint64_t faults, wp_faults, minor_faults, continues, forks, remaps,
	    removes, unmaps;
	uint64_t again, exist, noent, esrch, partial, stale_wakes, poisons;
};
extern struct ctx_counts ctx_counts;

struct ctx *ctx_new(struct proc *);
void ctx_get(struct ctx *); /* one more descriptor */
/* => the last one unregisters everything: missing pages read zero then */
void ctx_put(struct ctx *);
void ctx_reset(void); /* frees all */
bool ctx_readable(const struct ctx *);

/* => as uffd_register(), uffd_unregister(), by the process itself; pages */
int ctx_register(struct ctx *, uint32_t start, uint32_t end, unsigned int mode);
int ctx_unregister(struct ctx *, uint32_t start, uint32_t end);
void ctx_fault(struct ctx *, struct waiter *, uint64_t addr, enum uffd_kind,
    bool write);
void ctx_change_begin(struct ctx *);
void ctx_change_end(struct ctx *);
/* => queues waiter->msg; WOKEN at once if nobody can ever read it */
void ctx_event(struct ctx *, struct waiter *);
/* => a signal, or death: the waiter leaves whatever it waits for */
void ctx_cancel(struct waiter *);
/* => the process has no threads any more: nothing of it is left to read */
void ctx_forget_proc(struct proc *);

#endif
