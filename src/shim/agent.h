/*
 * agent.h: the one thread that pagerd has inside a managed program
 *
 * The agent runs what only the owning process may do: UFFDIO_MOVE and madvise.
 * It must never wait for a page that the daemon would have to bring, for the
 * daemon may be waiting for it.  So it touches nothing but its own area, the
 * doorbells, its text and its constants; it makes raw system calls only, and
 * shares neither descriptors nor working directory with the program.
 *
 *	area_start
 *	| guard | drop's stack | guard | stack | agent | staging | spare |
 *
 * What waits for the daemon to have read an event, DROP, runs in a thread of
 * its own for as long as it takes: the agent must see the daemon's end.
 *
 * The area is not inherited by a forked child (MADV_DONTFORK).
 *
 * The program's threads call it by doorbells (doorbell.h): it registers what
 * they have newly mapped with the program's userfaultfd.
 */
#ifndef SHIM_AGENT_H
#define SHIM_AGENT_H

#include <sys/socket.h>
#include <sys/un.h>

#include <linux/sched.h>
#include <stdint.h>

#include <pagerd/protocol.h>

#include "doorbell.h"

#define AGENT_STACK_PAGES 12u
#define AGENT_DROP_STACK_PAGES 4u
#define AGENT_DROP_CLONE                                                       \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |    \
	    CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define AGENT_HOLDERS_MAX 16u /* snapshots of one process at a time */

enum agent_phase {
	AGENT_STARTING,
	AGENT_RUNNING, /* the program is under management */
	AGENT_FAILED,  /* it is not; step, error and reason say why */
};

/* How far the handshake got; names the failure for the person. */
enum agent_step {
	STEP_CONNECT,
	STEP_PEER,
	STEP_WELCOME,
	STEP_UFFD,
	STEP_PROC,
	STEP_HELLO,
	STEP_READY,
	STEP_REFUSED,
};

/* agent; what the thread that drops has got to do */
struct agent_drop {
	int32_t tid; /* zero once that thread is off its stack for good */
	uint32_t seq;
	uint32_t nruns;
	uint64_t runs[PAGERD_STAGE_PAGES];
};

union agent_packet {
	struct pagerd_msg hdr;
	struct pagerd_msg_welcome welcome;
	struct pagerd_msg_ready ready;
	struct pagerd_msg_refused refused;
	struct pagerd_msg_move move;
	struct pagerd_msg_moved moved;
	struct pagerd_msg_empty empty;
	struct pagerd_msg_done done;
	struct pagerd_msg_release release;
	struct pagerd_msg_hold hold;
	struct pagerd_msg_depend depend;
};

struct agent {
	/* any: atomic; both are futexes */
	int32_t tid;    /* zero once the thread is off its stack for good */
	uint32_t phase; /* enum agent_phase */

	/* const after start: filled by the starter */
	struct sockaddr_un addr;
	socklen_t addr_len;
	uint32_t euid;
	struct pagerd_msg_hello hello; /* all but agent_tid */
	struct doorbells *bells;       /* NULL: there are none */

	/* agent; the starter reads it in AGENT_FAILED */
	uint32_t step; /* enum agent_step */
	int32_t error; /* errno, 0 if none belongs to the step */
	char reason[sizeof(((struct pagerd_msg_refused *)0)->reason)];

	/* agent */
	int32_t pid;
	int32_t sock;
	int32_t main_fd;   /* userfaultfd of the program */
	int32_t bell_fd;   /* of the doorbells, -1: nothing is announced */
	int32_t pid_fd;    /* of the main thread, -1 if the kernel has none */
	int32_t stat_fd;   /* /proc/self/stat, -1 if it could not be had */
	uint32_t nevents;  /* when to look is counted by these */
	uint8_t looked;    /* whether it is alone, once */
	uint8_t pages_out; /* the daemon may hold pages of this process */
	uint8_t released;  /* it holds none any more; atomic */
	uint8_t staging;   /* the staging area is registered */
	uint32_t nholders; /* forked and not seen to end */
	int32_t holders[AGENT_HOLDERS_MAX];
	uint8_t bells_open; /* they can be rung */
	uint32_t bells_filled;
	uint8_t bell_filled[DOORBELLS]; /* its page is there */
	uint64_t drop_stack;            /* its upper end */
	uint64_t spare;                 /* where dropped pages go */
	struct agent_drop drop;
	union agent_packet in;
	union agent_packet out;
};

/* agent.c: the thread's body; ends the thread, never returns */
void agent_main(void *) __attribute__((noreturn));
/* agent.c: its life after the handshake */
void agent_serve(struct agent *) __attribute__((noreturn));

/*
 * agent.c
 * agent_lost: the daemon is gone without a word
 * => what it held of this process is gone with it; once our userfaultfds are
 *    closed those pages would read as zeros
 *
 * agent_is_late: => the daemon does not wait any longer for what it asked
 *
 * agent_send_done: => if it does not go, what the socket has to read says why
 *
 * agent_end_thread: the thread that calls it
 */
void agent_lost(struct agent *) __attribute__((noreturn));
int agent_is_late(const struct agent *);
void agent_send_done(const struct agent *, uint32_t seq, long result);
void agent_end_thread(int status) __attribute__((noreturn));

/* agent-drop.c: carry out the DROP in a->in; it is answered later */
void agent_drop(struct agent *);

/*
 * agent-handshake.c
 * => 0: READY came; the descriptors are open, the doorbells can be armed
 * => -1: step, error and reason are set
 * => all that agent_lockdown() takes is gone
 */
int agent_handshake(struct agent *);

/*
 * agent-handshake.c: the same for a holder, from userfaultfds to READY
 * => 0 or -1
 */
int agent_hello(struct agent *);

/*
 * agent-doorbell.c
 *
 * agent_arm: => new mappings are announced from now on; most programs never get
 *    there, so the bells are set up by the first call
 * agent_bells_answer: => whoever has rung goes on
 * agent_bells_renew: => bells that were used can be rung again
 */
void agent_arm(struct agent *);
void agent_disarm(struct agent *);
void agent_bells_answer(struct agent *);
void agent_bells_renew(struct agent *);

/*
 * agent-lockdown.c: give up all privileges and system calls but the loop's
 * => what the kernel or an outer sandbox refuses is gone without
 */
void agent_lockdown(const struct agent *);

#endif
