/*
 * listen.h: the daemon's two listening sockets, made or inherited
 */
#ifndef LISTEN_H
#define LISTEN_H

#include <stdbool.h>
#include <stddef.h>

struct pidfh; /* libbsd */

struct listeners {                        /* main thread, then control thread */
	int client, control;              /* listening; -1: not (any more) */
	char *client_path, *control_path; /* owned */
	bool made;                        /* by us: to be unlinked */
	struct pidfh *lock;               /* NULL: not needed */
};

/*
 * listeners_open: take the sockets of LISTEN_FDS, or make them in dir
 *
 * => private: passed sockets need no lock on the directory
 * => returns 0 or -errno, with one line in err
 */
int listeners_open(struct listeners *, const char *dir, bool private, char *err,
    size_t errlen);

/* => what was inherited goes on listening in its other owner */
void listeners_stop(struct listeners *);
void listeners_close(struct listeners *); /* and lets the directory go */

#endif
