/*
 * hello.h: is a client's HELLO one that can be believed?
 */
#ifndef HELLO_H
#define HELLO_H

struct packet;

/* => NULL when all is well, else one line for the client's user */
const char *hello_check(const struct packet *);

/* => the same, for the kinds of the descriptors (hello_check() passed) */
const char *hello_check_fds(const struct packet *);

#endif
