/*
 * session.h: what libpagerd asks for, over a connection of its own
 *
 * => control thread
 */
#ifndef SESSION_H
#define SESSION_H

struct hub;
struct packet;
struct ucred;

/*
 * session_start: a client's first packet was a REQUEST
 *
 * => takes over sock and the packet's descriptors, in any case
 * => cred: of the process that connected
 */
void session_start(struct hub *, int sock, const struct ucred *cred,
    struct packet *);

/* => those that wait for no answer end now, the others after theirs: the
 *    daemon stops */
void session_stop_all(struct hub *);

#endif
