/*
 * handshake.h: a client between connect and READY, or its first REQUEST
 *
 * => control thread
 */
#ifndef HANDSHAKE_H
#define HANDSHAKE_H

struct hub;
struct roster_space;

/* => takes over sock, in any case */
void handshake_start(struct hub *, int sock);

/*
 * handshake_hold: the same for a holder (protocol.h), over our end of its
 * connection, which has SO_PASSCRED
 *
 * => done() is called once: with its space, or NULL if it does not come
 */
typedef void handshake_done(void *ctx, struct roster_space *);
void handshake_hold(struct hub *, int sock, handshake_done *, void *ctx);

/* => drops those that have not said HELLO yet: the daemon stops */
void handshake_drop_all(struct hub *);

#endif
