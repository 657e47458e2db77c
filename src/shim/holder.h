/*
 * holder.h: a process that keeps memory as it was, and does nothing else
 *
 * For a snapshot the agent forks its process while the program's threads
 * stand still.  The child is a process whose only thread is an agent: none of
 * the program's code ever runs in it, so its memory stays what it was, the
 * kernel shares the pages until one side writes, and the daemon evicts from it
 * as from any other client.  It ends when its connection does.
 *
 * => not waited for by the program: it has no exit signal, so only a wait with
 *    __WALL or __WCLONE finds it (wait(2))
 */
#ifndef SHIM_HOLDER_H
#define SHIM_HOLDER_H

#include "agent.h"

/*
 * holder_start: agent thread; sock is taken over
 *
 * => sock is the holder's connection to the daemon
 * => 0: it is there and will say HELLO; -errno
 */
long holder_start(struct agent *, int sock);

/* => those that have ended are no zombies any more */
void holder_reap(struct agent *);

#endif
