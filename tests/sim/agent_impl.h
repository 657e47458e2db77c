/*
 * agent_impl.h: what the files of the fake agents share
 *
 *	agent.c		begins, says HELLO, takes packets, ends
 *	agent-runs.c	MOVE, UNSHARE, DROP, EMPTY
 *	agent-hold.c	HOLD
 *	agent-socket.c	the daemon's end of the sockets
 *
 * What begins a request ends in IDLE or in a state of its own, which is stepped
 * until the request is answered.
 */
#ifndef AGENT_IMPL_H
#define AGENT_IMPL_H

#include "agent_fake.h"

struct packet *packet_new(uint16_t type, size_t size);
void packet_free(struct packet *); /* NULL too */
void packets_drop(struct packet_list *);

/* => the packet is the answer to the current one: IDLE, or GONE */
void agent_answer(struct agent *, struct packet *);
void agent_answer_done(struct agent *); /* with a->result */
/* => whoever asked has gone: nobody would read the event */
bool agent_is_late(const struct agent *);

/* => the current packet's runs are right; the first is next */
void agent_begin_runs(struct agent *, enum agent_state);
void agent_begin_move(struct agent *);
void agent_step_move(struct agent *);
void agent_step_unshare(struct agent *);
void agent_step_drop(struct agent *);
/* => of the thread that waits for the event; this one goes on */
void agent_drop_ends(struct agent *);
void agent_empty(struct agent *);

void agent_begin_hold(struct agent *);
void agent_step_hold(struct agent *);

#endif
