/*
 * agent_fake.h: the agents of the processes, and the sockets to them
 *
 *	NONE -> ANCHOR -> HELLO -> IDLE <-> MOVING, UNSHARING, FORKING, DROPPING
 *	                    |        |
 *	                    +--------+---> GONE
 *
 * An agent does what src/shim/agent.c does, in small steps between which the
 * rest of its process runs.  It reads its anchor only in a forked child.  A
 * holder (protocol.h) is a process with nothing else: they end together.
 */
#ifndef AGENT_FAKE_H
#define AGENT_FAKE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "ctx.h"
#include "pagerd/protocol.h"

struct proc;
struct snap;

enum agent_state {
	AGENT_NONE,
	AGENT_ANCHOR,
	AGENT_HELLO, /* waits for READY */
	AGENT_IDLE,
	AGENT_MOVING,
	AGENT_UNSHARING,
	AGENT_FORKING,
	AGENT_DROPPING,
	AGENT_GONE,
};

enum agent_mood {
	MOOD_GOOD,
	MOOD_SILENT,  /* never answers any more */
	MOOD_GARBAGE, /* what it sends is not what it should */
};

struct packet {
	TAILQ_ENTRY(packet) link;
	size_t size;
	bool fds;          /* to the daemon: with descriptors */
	struct ctx *ctx;   /* to the agent: the descriptor that came */
	struct snap *snap; /* HOLD: those that came */
	union {
		struct pagerd_msg hdr;
		struct pagerd_msg_ready ready;
		struct pagerd_msg_move move;
		struct pagerd_msg_moved moved;
		struct pagerd_msg_empty empty;
		struct pagerd_msg_hold hold;
		struct pagerd_msg_done done;
		uint8_t bytes[sizeof(struct pagerd_msg_move) + 64];
	};
};

TAILQ_HEAD(packet_list, packet);

struct agent {
	struct proc *proc;
	enum agent_state state;
	enum agent_mood mood;
	struct waiter w;
	uint32_t area, area_len, stage, spare; /* pages */
	struct ctx *main_ctx; /* counted as an open descriptor */
	bool staging;         /* the staging area is registered */
	bool opening;         /* it is about to be */
	bool pages_out;
	bool connected;     /* the daemon has our socket */
	bool closed;        /* our end */
	bool daemon_closed; /* the other end */
	bool reset;         /* closed before all was read */
	bool outstanding;   /* a request without its answer */
	uint64_t arrivals;  /* packets sent, and the end: edges of poll() */
	struct packet_list in, out;
	struct packet *current;
	struct packet *answer;
	uint32_t run, page, pos; /* how far MOVE, UNSHARE or DROP has come */
	bool single;             /* the run goes page by page */
	int32_t result;
	struct proc *child; /* FORKING: not born yet */
	bool told; /* FORKING, DROPPING: the event is queued, or was read */
	uint32_t dropped; /* DROPPING: pages that the event has to tell of */
	bool stopped;     /* does nothing until it goes on */
};

struct agent_counts {
	uint64_t moves, moved_pages, holes, unsaid, busy, again, failed,
	    unregistered;
	uint64_t unshares, unshare_faults, empties, releases, garbage, killed;
	uint64_t deaths, holds, holds_failed, holds_late, holds_garbage;
	uint64_t forks, forks_killed, stops;
	uint64_t drops, dropped_pages, drops_failed, drops_late, drops_split;
	uint64_t drops_killed;
};
extern struct agent_counts agent_counts;

void agent_init(struct agent *, struct proc *);
void agent_reset(struct agent *); /* frees what it holds */
/* => maps area and staging; a first program's agent needs an anchor too */
bool agent_map_area(struct agent *);
bool agent_map_anchor(struct agent *);
/* => a forked child's agent begins with its anchor */
void agent_start_forked(struct agent *);
bool agent_ready(const struct agent *);
void agent_step(struct agent *);
/* => the connection was refused: it goes away, the program stays */
void agent_refused(struct agent *);
/* => one that is connected does nothing for a while */
void agent_stop(struct agent *);
/* => the thread ends with its process; descriptors go in agent_exit() */
void agent_kill(struct agent *);
void agent_exit(struct agent *);
/* => sends a packet that no agent should send */
void agent_send_garbage(struct agent *);

/* For the descriptor table. */
bool agent_socket_readable(const struct agent *);
void agent_hangup(struct agent *);

/* The driver's: the agent has read its anchor and says HELLO. */
extern void (*agent_hello)(struct agent *, const struct pagerd_anchor *);
/* => the same of a holder, whose connection is its snapshot's */
extern void (*agent_holds)(struct agent *, const struct pagerd_anchor *);
/* => a connection ended without RELEASE: was that right? */
extern void (*agent_lost)(struct agent *);

#endif
