/*
 * hello.h: is a client's HELLO one that can be believed?
 */
#ifndef HELLO_H
#define HELLO_H

#include <stdbool.h>

struct packet;

/*
 * => NULL when all is well, else one line for the client's user
 * => hold: it came over the connection of a holder
 */
const char *hello_check(const struct packet *, bool hold);

/* => the same, for the kinds of the descriptors (hello_check() passed) */
const char *hello_check_fds(const struct packet *);

#endif
