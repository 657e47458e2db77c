/*
 * agent.h: packets to and from a client's agent (include/pagerd/protocol.h)
 *
 * => fault thread; no call blocks
 */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * => sends one packet, with fd unless it is -1; 0, -EAGAIN (its queue is
 *    full: the agent does not read), -EPIPE and the like (it is gone)
 */
int agent_send(int sock, const void *packet, size_t size, int fd);

/*
 * => bytes of the packet received into buf; 0: end of file; -EAGAIN: none;
 *    -EPROTO: too long, or descriptors came with it (they are closed)
 */
ssize_t agent_receive(int sock, void *buf, size_t size);

#endif
