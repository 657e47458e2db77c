/*
 * slot.h: what one page of one region refers to
 *
 *	 63     54  53   52 51  50   48 47    32 31            0
 *	+---------+----+-------+-------+--------+---------------+
 *	|    0    | WP | state | level |  age   |   physblock   |
 *	+---------+----+-------+-------+--------+---------------+
 *
 * A zero slot is UNKNOWN: nothing was seen of the page.  If it is present in
 * the client its content is the client's own; if it faults it reads zero.
 *
 * Age and level are the stamp of a page, by which it is chosen to leave: it is
 * made, and understood, in reclaim.c alone.
 *
 * Slots of all regions lie in one array in shared memory (truth).  Beside it
 * stand two counts for each chunk of 512 slots (one page of the array): of the
 * slots that are not UNKNOWN, and of those that are RESIDENT (index).  So walks
 * skip what is empty and never touch it: a region of terabytes costs what is
 * used of it.
 */
#ifndef SLOT_H
#define SLOT_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_BYTES (UINT64_C(1) << PAGE_SHIFT)

enum slot_state {
	SLOT_UNKNOWN = 0,
	SLOT_RESIDENT = 1, /* in the client; with a block: clean */
	SLOT_OUT = 2,      /* not in the client; the block has the bytes */
};

static inline uint32_t
slot_block(uint64_t slot)
{
	return (uint32_t)slot;
}

static inline uint16_t
slot_age(uint64_t slot)
{
	return (uint16_t)(slot >> 32);
}

static inline unsigned int
slot_level(uint64_t slot)
{
	return slot >> 48 & 7;
}

/* => age and level */
static inline uint32_t
slot_stamp(uint64_t slot)
{
	return slot >> 32 & 0x7ffff;
}

static inline enum slot_state
slot_state(uint64_t slot)
{
	return (enum slot_state)(slot >> 51 & 3);
}

static inline bool
slot_protected(uint64_t slot)
{
	return slot >> 53 & 1;
}

static inline bool
slot_resident(uint64_t slot)
{
	return slot_state(slot) == SLOT_RESIDENT;
}

/* Protected by a fork: two processes may share it, a write makes it two. */
static inline bool
slot_forked(uint64_t slot)
{
	return slot_state(slot) == SLOT_RESIDENT && slot_block(slot) == 0 &&
	       slot_protected(slot);
}

/* A stored copy is kept: the page can go without being captured. */
static inline bool
slot_clean(uint64_t slot)
{
	return slot_state(slot) == SLOT_RESIDENT && slot_block(slot) != 0;
}

static inline uint64_t
slot_make(enum slot_state state, uint32_t block, uint32_t stamp, bool protect)
{
	return (uint64_t)block | (uint64_t)stamp << 32 | (uint64_t)state << 51 |
	       (uint64_t)protect << 53;
}

#define SLOT_CHUNK 512u

struct slot_chunk {        /* index */
	uint16_t live;     /* slots in use */
	uint16_t resident; /* of these */
};

struct extents;

struct slotmap { /* fault thread */
	int fd;  /* memfd, owned */
	uint64_t nslots;
	uint64_t high;             /* no slot from here on was ever owned */
	uint64_t *slots;           /* truth */
	struct slot_chunk *chunks; /* by position / SLOT_CHUNK */
	struct extents *extents;   /* index: which runs regions own */
};

int slotmap_open(struct slotmap *, uint64_t nslots);
void slotmap_close(struct slotmap *); /* accepts a zeroed map */

/* => n zeroed slots at *pos; 0 or -ENOSPC */
int slotmap_alloc(struct slotmap *, uint64_t n, uint64_t *pos);
/* => all of the run must be UNKNOWN */
void slotmap_free(struct slotmap *, uint64_t pos, uint64_t n);
/* => grows the run that ends at end in place; 0 or -ENOSPC */
int slotmap_grow(struct slotmap *, uint64_t end, uint64_t n);

void slotmap_set(struct slotmap *, uint64_t pos, uint64_t slot);

/*
 * slotmap_next: position of the first slot in [pos, end) that is not UNKNOWN,
 * or end
 */
uint64_t slotmap_next(const struct slotmap *, uint64_t pos, uint64_t end);

/*
 * slotmap_resident: the first run of slots in [pos, end), all of one chunk, in
 * which there may be resident ones
 *
 * => its position, or end if there is none; *stop is where it ends
 */
uint64_t slotmap_resident(const struct slotmap *, uint64_t pos, uint64_t end,
    uint64_t *stop);

uint64_t slotmap_bytes(const struct slotmap *); /* memory taken now */

#endif
