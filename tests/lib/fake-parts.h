/*
 * fake-parts.h: what the files of the fake daemon share
 *
 * => all of it with the lock held
 */
#ifndef FAKE_PARTS_H
#define FAKE_PARTS_H

#include "fake.h"

#define PAGE PAGERD_PAGE
#define ARENA_END (PAGERD_ARENA_START + PAGERD_ARENA_BYTES)
#define MAX_FDS 8

/* What is about to be sent, for lies to be told in it. */
struct outgoing {
	union {
		struct pagerd_msg hdr;
		struct pagerd_msg_welcome welcome;
		struct pagerd_msg_refused refused;
		struct pagerd_msg_reply reply;
		char bytes[512];
	} msg;
	size_t len;
	int fds[MAX_FDS]; /* not owned */
	unsigned int nfds;
	bool hang_up;
};

static inline void
fake_set_header(struct outgoing *out, enum pagerd_msg_type type, size_t size)
{
	out->msg.hdr.version = PAGERD_PROTOCOL_VERSION;
	out->msg.hdr.type = (uint16_t)type;
	out->msg.hdr.size = (uint32_t)size;
	out->len = size;
}

/* => nobjects: there is none */
unsigned int fake_find_object(const struct fake *, const char *name,
    bool snapshot);
unsigned int fake_new_object(struct fake *, const char *name, bool snapshot,
    uint64_t len);
void fake_remove_range(struct fake *, uint64_t addr, uint64_t len);
/* => the result; the rest of the reply is in out */
int fake_serve(struct fake *, const struct pagerd_msg_request *,
    struct outgoing *);

void fake_tell_lie(const struct fake *, struct outgoing *);

#endif
