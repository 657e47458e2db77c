/*
 * nbdcopy.h: what goes into a pipe comes out on an NBD server
 *
 *	nbdcopy_start() --> fd --> whoever writes --> nbdcopy_end()
 *
 * Built with libnbd or, by meson's choice, without: then starting it says so.
 */
#ifndef NBDCOPY_H
#define NBDCOPY_H

#include <stdbool.h>

struct nbdcopy;

/* => is it the URI of an export, rather than a file's name? */
bool nbdcopy_is_uri(const char *);

/*
 * => *fd is what is to be written to, from the export's beginning on; the
 *    caller closes it.  0, or -1 and an error was said
 */
int nbdcopy_start(const char *uri, struct nbdcopy **, int *fd);

/*
 * nbdcopy_end: after the last close of the pipe
 *
 * => all of it is on the server's disk: 0; -1 and an error was said
 */
int nbdcopy_end(struct nbdcopy *);

#endif
