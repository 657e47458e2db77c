/*
 * reclaim.h: which pages leave next
 *
 * Pure policy, and all of it.  There are no accessed bits: recency is the
 * order in which pages were installed.  A group's epoch advances each time an
 * eighth of its limit has been installed, pages are stamped with it, and a
 * hand sweeps each space in address order, taking pages that are at least
 * min_age epochs old.  When a whole lap finds too few, min_age goes down; each
 * new epoch lets it go up again.  The result is FIFO in steps of an eighth,
 * and victims come in runs, which is what makes capturing them cheap.
 */
#ifndef RECLAIM_H
#define RECLAIM_H

#include <stdint.h>

#include "memtype.h"

struct group;
struct object;
struct space;
struct vm;

#define RECLAIM_MAX_AGE 6

struct victim {
	uint64_t addr; /* bytes */
	uint32_t npages;
};

/* => n pages were installed in the group */
void reclaim_installed(struct group *, uint64_t n);

/*
 * reclaim_pick: up to want pages of sp, at most max runs of them
 *
 * => all of them leave in one way, that of the first; the sweep ends at one
 *    that leaves in another
 * => the hand moves on; the pages stay as they are; pinned regions are left
 *    out
 * => returns the number of runs; *npages is their sum
 */
uint32_t reclaim_pick(struct vm *, struct space *, uint32_t want,
    struct victim *, uint32_t max, uint32_t *npages, enum way *);

/*
 * reclaim_pick_object: the same for the frames of an object
 *
 * => addr is in bytes from the start of the object; object_leave() says how
 *    each page leaves, or that it stays
 */
uint32_t reclaim_pick_object(struct vm *, struct object *, uint32_t want,
    struct victim *, uint32_t max, uint32_t *npages);

/* => a lap over the group gave less than was wanted; 0: it can go no lower */
int reclaim_lower(struct group *);

#endif
