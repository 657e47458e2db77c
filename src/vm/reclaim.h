/*
 * reclaim.h: which pages leave next
 *
 * Pure policy, and all of it.  There are no accessed bits: of a page that is
 * in memory nothing is heard.  What can be seen is for how long it was out
 * when it is wanted again, and from that it learns how long it may stay.
 *
 * Time is what comes in: a group's epoch advances each time a 32nd of its
 * limit has been installed.  A slot holds the epoch in which its page came,
 * or, while it is OUT, left; and a level: 3 at first, then, each time it comes
 * back after so many epochs,
 *
 *	fewer than 2	3 more, at most 7
 *	           8	2 more
 *	          32	1 more; these are a limit of pages
 *	         128	1 less, at least 0
 *	more		3 less
 *
 * A hand sweeps each space in address order and takes pages that have been
 * there for min_age << level epochs.  So a page that is wanted all the time is
 * asked ever less often whether it still is; and a pass over more than there is
 * room for takes little from such pages, as its own leave before them.  When a
 * whole lap finds nothing, min_age goes down, in the end to zero, which is
 * anything; a quarter of the limit later it may go up again.
 *
 * Pages of one level leave in the order of address and in steps of an epoch,
 * in runs where they came in runs, which is what makes capturing them cheap.
 * A page that readahead brings is judged like one that was asked for: it comes
 * only where a stream has gone on so far.
 *
 * Epochs wrap after 2048 limits of pages.  What lies so far back looks recent,
 * for at most a few of 65536 epochs, and leaves or learns a little too late.
 */
#ifndef RECLAIM_H
#define RECLAIM_H

#include <stdint.h>

#include "memtype.h"

struct group;
struct object;
struct space;
struct vm;

#define RECLAIM_MAX_AGE 4
#define RECLAIM_FIRST_LEVEL 3u
#define RECLAIM_MAX_LEVEL 7u

struct victim {
	uint64_t addr; /* bytes */
	uint32_t npages;
};

/* => n pages were installed in the group */
void reclaim_installed(struct group *, uint64_t n);

/*
 * The stamp for a page whose slot is as given, for the setters alone.  The
 * group may be NULL: then there is no time, and pages are all the same.
 */
/* => of one that is resident from now on, or, if it is, is in use now */
uint32_t reclaim_comes(const struct group *, uint64_t slot);
/* => of one that is out from now on */
uint32_t reclaim_goes(const struct group *, uint64_t slot);
/* => of one that is resident, and leaves before all others */
uint32_t reclaim_cold(const struct group *);

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

/* => a lap over the group gave nothing; 0: it can go no lower */
int reclaim_lower(struct group *);

#endif
