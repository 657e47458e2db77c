/*
 * snap.h: snapshots: the control plane's side of them, and who reads them
 *
 *	FREEZE --all still--> ASKED --answer--> HELLO --attached--> READY
 *	   |                    |                 |                   |
 *	   +--------------------+-----------------+-------------------+-> OVER
 *
 * Does what src/control/snapshots.c and freeze.c do.  A reader is what an
 * export is: process_vm_readv(2), which waits for pages that are missing, and
 * keeps the memory of a holder that has been killed until it is through.
 */
#ifndef SNAP_H
#define SNAP_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "ctx.h"
#include "pagerd/protocol.h"
#include "planes.h"

struct agent;
struct opage;
struct proc;

enum snap_state {
	SNAP_FREEZE, /* until the program's threads stand still */
	SNAP_ASKED,  /* MAIL_HOLD is with the fault plane */
	SNAP_HELLO,  /* there is a holder, which has to say HELLO */
	SNAP_READY,
	SNAP_OVER, /* refused, failed, dropped or lost */
};

struct snap {
	struct mail_hold mail; /* first: a mail is a snapshot */
	TAILQ_ENTRY(snap) link;
	enum snap_state state;
	uint64_t since_us;
	struct proc *of;     /* its program's process */
	struct proc *holder; /* NULL: not forked yet */
	bool closed;         /* our end of the holder's connection is */
	bool hello;          /* is in that connection, with anchor in it */
	struct pagerd_anchor anchor;
	bool reading;
	uint32_t pg; /* reading: what comes next */
	struct waiter w;
	bool keeping, forgotten;  /* MAIL_SNAPSHOT, MAIL_FORGET was sent */
	bool clonable;            /* MAIL_SNAPSHOT was answered */
	struct opage **mem;       /* READY: what it has, for its clones */
	const struct snap **base; /* READY: what its pages are clones of */
	bool only[SIM_PAGES];     /* its holder died with the only copy */
};

struct snap_counts {
	uint64_t asked, taken, refused, timed_out, late, unfrozen, stopping;
	uint64_t reads, pages, waits, outlived, died, dropped, mute, last;
	uint64_t kept, forgotten, lost, bus;
};
extern struct snap_counts snap_counts;

/* => asks for one of a process that is known; false: not of this one */
bool snap_take(struct proc *);
/* => one that is being taken or read gets on, if it can */
bool snap_step(void);
/* => all of them do, as far as they can; false: none can */
bool snap_step_all(void);
/* => begins to read one's memory / all that are not being read */
bool snap_read(void);
void snap_read_all(void);
bool snap_drop(void);
/* => clones can come from one from now on; or nobody asks for it any more */
bool snap_keep(void);
bool snap_forget(void);
/* => one that the user may clone; or NULL */
struct snap *snap_clonable(uint32_t uid);
uint64_t snap_space(const struct snap *);
struct opage **snap_memory(const struct snap *);
/* => a clone's page may be gone, with a holder; snap may be NULL */
bool snap_may_be_lost(const struct snap *, uint32_t pg);
/* => something kills a holder, whatever it is at */
bool snap_kill(void);
/* => so much time passes that the daemon gives up one that hangs */
bool snap_wait(void);
/* => nothing else goes on: what waits for somebody who is stopped goes on */
bool snap_unstick(bool must);

/* => its memory is kept by a reader, though it may have been killed */
bool snap_is_reading(const struct proc *);
/* => it holds what a reader may read: what it has in memory is to be right */
bool snap_is_ready(const struct proc *holder);
bool snap_is_hanging(void);     /* a reader waits for a page */
bool snap_any_alive(void);      /* a holder that is not stopped */
struct proc *snap_orphan(void); /* a holder whose program has ended, or NULL */
void snap_reset(void);          /* forgets all */

/* For agents: a holder says HELLO, and whether it was attached. */
void snap_hello(struct agent *, const struct pagerd_anchor *);
void snap_attached(struct proc *holder, int result);
/* => nobody needs it: its connection may end */
bool snap_is_over(const struct proc *holder);
/* => it is about to end, or its memory is, which a reader may have kept */
void snap_ends(struct proc *holder);

#endif
