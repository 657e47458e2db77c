/*
 * handshake.h: a client between connect and READY
 *
 * => control thread
 */
#ifndef HANDSHAKE_H
#define HANDSHAKE_H

struct hub;

/* => takes over sock, in any case */
void handshake_start(struct hub *, int sock);

/* => drops those that have not said HELLO yet: the daemon stops */
void handshake_drop_all(struct hub *);

#endif
