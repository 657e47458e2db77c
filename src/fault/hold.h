/*
 * hold.h: a client forks a holder, for a snapshot
 *
 * The holder is a fork like any other: EVENT_FORK brings its userfaultfd, its
 * slots name its parent's blocks, and its HELLO comes later.  Who asks sees to
 * it that the program's threads stand still meanwhile.
 */
#ifndef HOLD_H
#define HOLD_H

#include "state.h"

/* => answered when the agent has forked, or cannot */
void hold_begin(struct pager *, struct mail_hold *);
/*
 * => sends HOLD as soon as the agent is idle, and gives up in time (it may be
 *    stopped, and whoever asked has stopped others); when to call again
 */
uint64_t hold_step(struct pager *, struct client *);
/*
 * => its agent has answered HOLD: the one that is under way, or one that was
 *    given up, and then whoever asks now has yet to have his own sent
 */
void hold_done(struct pager *, struct client *, int result);
/* => given up, or its agent is gone: result is -errno */
void hold_end(struct pager *, struct client *, int result);

#endif
