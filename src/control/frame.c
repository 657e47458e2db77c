/*
 * frame.c: messages that end with a NUL byte, out of a stream of bytes
 */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "assert.h"

#define ROOM_MIN 4096

void
frame_init(struct frame *f)
{
	memset(f, 0, sizeof(*f));
}

void
frame_fini(struct frame *f)
{
	free(f->data);
	memset(f, 0, sizeof(*f));
}

/* Moves what is still wanted to the front: room grows without allocation. */
static void
compact(struct frame *f)
{
	if (f->start == 0)
		return;
	memmove(f->data, f->data + f->start, f->end - f->start);
	f->end -= f->start;
	f->scanned -= f->start;
	f->start = 0;
}

char *
frame_room(struct frame *f, size_t *len)
{
	size_t size;
	char *data;

	compact(f);
	if (f->size - f->end < ROOM_MIN) {
		size = f->size == 0 ? 2 * ROOM_MIN : 2 * f->size;
		data = realloc(f->data, size);
		if (data == NULL)
			return NULL;
		f->data = data;
		f->size = size;
	}
	*len = f->size - f->end;
	return f->data + f->end;
}

void
frame_received(struct frame *f, size_t len)
{
	ASSERT(len <= f->size - f->end);
	f->end += len;
}

int
frame_next(struct frame *f, char **msg, size_t *len)
{
	char *nul = NULL;

	if (f->end > f->scanned)
		nul = memchr(f->data + f->scanned, '\0', f->end - f->scanned);
	f->scanned = nul != NULL ? (size_t)(nul - f->data) + 1 : f->end;
	if (f->scanned - f->start > FRAME_MAX)
		return -EMSGSIZE;
	if (nul == NULL)
		return 0;
	*msg = f->data + f->start;
	*len = f->scanned - f->start - 1;
	f->start = f->scanned;
	return 1;
}
