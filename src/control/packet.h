/*
 * packet.h: datagrams with descriptors on a client's socket
 */
#ifndef PACKET_H
#define PACKET_H

#include <sys/socket.h>

#include <stddef.h>

#include "pagerd/protocol.h"

#define PACKET_FDS_MAX 253 /* the kernel's own limit */

struct packet {
	union {
		struct pagerd_msg hdr;
		struct pagerd_msg_hello hello;
		struct pagerd_msg_request request;
	} u;
	size_t len;        /* bytes received */
	struct ucred cred; /* of the sender, if SO_PASSCRED; else pid is 0 */
	int nfds;
	int fds[PACKET_FDS_MAX]; /* owned until taken */
};

/*
 * packet_receive: one packet, without waiting
 *
 * => returns 1; 0: end of file; -EAGAIN: nothing there; -EMSGSIZE: longer
 *    than any packet; -ENOBUFS: descriptors were lost; -errno
 * => on other results than 1 no descriptor is open
 */
int packet_receive(int sock, struct packet *);

/* => closes those that are left in fds (-1: taken) */
void packet_close_fds(struct packet *);

/* => sends with fd unless it is -1, without waiting; 0 or -errno */
int packet_send(int sock, const void *data, size_t len, int fd);

/*
 * packet_peer: a pidfd of the process that connected, and of no other that has
 * its pid now
 *
 * => owned by the caller; or -errno
 */
int packet_peer(int sock);

#endif
