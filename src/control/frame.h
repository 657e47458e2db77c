/*
 * frame.h: messages that end with a NUL byte, out of a stream of bytes
 *
 * Pure.  The buffer grows as needed up to FRAME_MAX bytes for one message.
 */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>

#define FRAME_MAX (1u << 20)

struct frame {
	char *data;     /* owned */
	size_t size;    /* allocated */
	size_t start;   /* first byte not handed out */
	size_t scanned; /* no NUL in [start, scanned) */
	size_t end;     /* of what was received */
};

void frame_init(struct frame *);
void frame_fini(struct frame *);

/* => room for at least one byte, *len of it; NULL: no memory */
char *frame_room(struct frame *, size_t *len);
void frame_received(struct frame *, size_t len); /* into that room */

/*
 * => 1: a message without its NUL, valid until the next frame_room();
 *    0: none is complete; -EMSGSIZE: longer than FRAME_MAX
 */
int frame_next(struct frame *, char **msg, size_t *len);

#endif
