/*
 * arena.h: where a new region goes
 *
 * A client that lets us choose its addresses reserves a range of them, its
 * arena, and what is in it is for the model to say.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stdint.h>

struct object;
struct space;
struct vm;

/*
 * space_find_slot: room for npages in [min, max), top down
 *
 * => the first gap that fits, at its upper end; with a free page on either side
 *    if the gap has room for them (a tight gap that is higher wins all the
 * same)
 * => max 0: exactly at min
 * => what lies below the last slot that was found is tried first, so that
 *    addresses just given up are not used again at once: a program that still
 *    uses them faults
 * => 0; -EINVAL: not aligned, nothing asked for, or it wraps; -EEXIST: (at min)
 *    something is there; -ENOMEM: no gap is large enough
 */
int space_find_slot(struct space *, uint64_t min, uint64_t max, uint64_t npages,
    uint64_t *addr);

enum arena_flags {
	ARENA_FIXED = 1 << 0,    /* at the hint and nowhere else */
	ARENA_REPLACE = 1 << 1,  /* with FIXED: what is there goes */
	ARENA_PREALLOC = 1 << 2, /* all pages are there on return */
	/* May be asked for; memory is always cleared. */
	ARENA_UNINITIALIZED = 1 << 3,
	ARENA_READONLY = 1 << 4,
	/* Of frames we know nothing: refused. */
	ARENA_CONTIG = 1 << 5,
	ARENA_PHYS64K = 1 << 6,
	ARENA_LOWER16MB = 1 << 7,
	ARENA_LOWER1MB = 1 << 8,
	ARENA_ALL = (1 << 9) - 1,
};

struct arena_request {
	uint64_t min, max; /* the arena, addresses */
	uint64_t hint;     /* tried first; 0: none */
	uint64_t npages;
	uint32_t flags;
	struct object *object; /* NULL: anonymous memory */
	uint64_t offset;       /* page of the object */
};

/*
 * Positive outcome of arena_map(): the region is there, and its pages have to
 * be brought in (populate.h) before the client is told.  If that fails the
 * caller unmaps it.
 */
#define ARENA_POPULATE 1

/*
 * arena_map: a region in the arena
 *
 * => 0 or ARENA_POPULATE; -EOPNOTSUPP: a flag that asks for certain frames;
 *    else as space_find_slot() and space_map().  On failure nothing was
 *    changed
 */
int arena_map(struct vm *, struct space *, const struct arena_request *,
    uint64_t *addr);

#endif
