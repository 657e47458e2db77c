/*
 * private.h: a daemon for one `run`
 *
 *	mkdtemp, two listening sockets
 *	    | connect to control: the daemon's first connection, which it
 *	    | takes as the sign of life of pagerctl
 *	fork --> keeper: own session
 *	    |       | fork --> sockets as descriptors 3 and 4, exec pagerd
 *	    |       | wait for it
 *	    |       | remove the directory
 *	the command runs
 *
 * The daemon outlives pagerctl if processes that the command left behind still
 * need it, and so does the keeper, which is there for the directory only: a
 * daemon that is killed cannot remove it.
 *
 * Since the sockets listen before the daemon exists, there is nothing to wait
 * for: a daemon that dies closes them, and the first call fails.
 */
#ifndef PRIVATE_H
#define PRIVATE_H

#include <stdbool.h>
#include <sys/types.h>

struct child;
struct varlink;

struct private_daemon {
	char *dir;    /* NULL: not started */
	pid_t keeper; /* 0: none */
};

/*
 * private_start: start a daemon and connect to it
 *
 * => program, store (may be NULL): pagerd and its --store
 * => signals are caught by child; returns 0 or -errno, said
 */
int private_start(struct private_daemon *, const struct child *,
    const char *program, const char *store, struct varlink **);

/*
 * private_end: let go of the daemon; its connection is closed already
 *
 * => wait: it has nothing to do any more: stay until it and its directory are
 *    gone, or for some seconds
 */
void private_end(struct private_daemon *, bool wait);

#endif
