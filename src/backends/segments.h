/*
 * segments.h: small objects in shared memory, addressed by position
 *
 * Truth is one sparse memfd without pointers: a header, one byte for each
 * segment that says how large its objects are, and the segments.  Everything
 * that struct segments holds beside it is index: lists of segments, and which
 * of their objects are free.
 *
 * => fault thread only after open; no call allocates after segments_open()
 */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include <sys/queue.h>

#include <stdint.h>

#define SEGMENT_STEP 64u    /* objects' sizes and positions are multiples */
#define SEGMENT_CLASSES 64u /* by size in steps, 1 to 64 */
#define SEGMENT_PAGE 4096u  /* the largest object, kept without a header */
/* The longest of the others: 7/8 of a page with its header. */
#define SEGMENT_OBJECT_MAX (SEGMENT_PAGE / 8 * 7 - (uint32_t)sizeof(uint16_t))

LIST_HEAD(segment_list, segment);

struct segments {
	int fd; /* memfd, owned */
	char *map;
	uint8_t *classes;      /* in map: a segment's class, 0: empty */
	char *data;            /* in map: segment 0 */
	struct segment *index; /* one for each segment */
	uint32_t nsegments;
	uint32_t high;             /* no segment from here on was ever used */
	struct segment_list empty; /* without memory */
	struct segment_list warm;  /* empty, and their memory is there yet */
	uint32_t nwarm;
	struct segment_list partial[SEGMENT_CLASSES + 1]; /* by class */
	uint64_t has_partial;                             /* bit class - 1 */
	uint64_t capacity;                                /* bytes */
	uint64_t used;   /* bytes of memory touched, metadata too */
	uint64_t stored; /* bytes of payload */
};

/*
 * => used never exceeds capacity; memory is not needed before it is used
 * => returns 0 or -errno
 */
int segments_open(struct segments *, const char *name, uint64_t capacity);
void segments_close(struct segments *);

/*
 * => len is SEGMENT_PAGE, or at most SEGMENT_OBJECT_MAX
 * => position is never 0 and fits in 48 bits; 0 or -ENOSPC
 */
int segments_put(struct segments *, const void *data, uint32_t len,
    uint64_t *position);
/* => the object's bytes, valid until it is freed; NULL if not plausible */
const void *segments_get(const struct segments *, uint64_t position,
    uint32_t *len);
/* => the object must be alive; returns its length, 0 if that was damaged */
uint32_t segments_free(struct segments *, uint64_t position);

#endif
