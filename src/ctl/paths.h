/*
 * paths.h: where the daemon, the shim and the sockets are
 */
#ifndef PATHS_H
#define PATHS_H

#include "ctl.h"

#define PATHS_ENV_DAEMON "PAGERD_DAEMON"
#define PATHS_ENV_PRELOAD "PAGERD_PRELOAD"
#define PATHS_ENV_SOCKET "PAGERCTL_SOCKET"

/*
 * Where the two are for a pagerctl that runs as exe: beside it in the build
 * directory, under its prefix when it is in a bin directory, else where meson
 * would install them.  All results are the caller's to free.
 */
char *paths_shim_of(const char *exe);
char *paths_daemon_of(const char *exe);

/* => the environment decides first; NULL: exe unknown, errno says why */
char *paths_shim(void);
char *paths_daemon(void);

/* => *named: a person chose it, so it has to be there */
char *paths_control(const struct ctl *, bool *named);

#endif
