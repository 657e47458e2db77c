/*
 * usage.h: what a region or a space costs, and with whom it shares that
 *
 * A page counts if it has content somewhere: in the client, in an object's
 * memfd or in the store.  Its sharers are the slots that name its block; a page
 * of an object is shared by the regions that have it in their range.  What the
 * kernel lets two processes share after a fork is the kernel's to count.
 */
#ifndef USAGE_H
#define USAGE_H

#include <stdint.h>

struct object;
struct region;
struct space;
struct vm;

/*
 * Pages, and parts of one page in units of 2^-62.  A part is rounded up, so
 * that those of all sharers of a page are a page at least, and more than that
 * by less than 2^-62 for each.
 */
struct weight {
	uint64_t pages;
	uint64_t part;
};

#define WEIGHT_ONE (UINT64_C(1) << 62)

/* => one page more, of which there are so many sharers */
void weight_add(struct weight *, uint64_t sharers);
void weight_sum(struct weight *, const struct weight *more);
uint64_t weight_bytes(const struct weight *); /* rounded down */

struct usage { /* pages, as the client sees them */
	uint64_t resident, out;
	uint64_t clean;  /* of the resident, those with a stored copy */
	uint64_t total;  /* resident and out */
	uint64_t common; /* of these, those with another sharer */
	uint64_t shared; /* of these, those that a write changes for all */
	/*
	 * Proportional: its own pages, and its part of what it shares.  A
	 * region that has a page of its own in the place of an object's has
	 * its part of that one too, for it keeps it.  So the sum over all is
	 * what there is.
	 */
	struct weight weight;
	struct weight out_weight; /* of it, what pages that are out weigh */
};

/* => adds to *usage */
void usage_region(const struct vm *, const struct region *, struct usage *);
void usage_space(const struct vm *, const struct space *, struct usage *);

/*
 * usage_slice: of the pages of a region from one on, as far as the work goes
 *
 * => takes from *work, which is about so many pages; goes on until it is 0
 * => adds to *usage; returns the first page not looked at, or the region's end
 */
uint64_t usage_slice(const struct vm *, const struct region *, uint64_t page,
    uint64_t *work, struct usage *);

/*
 * object_sharers: regions that have a page of an object in their range
 *
 * => *until is the first page for which the answer may be another
 */
uint64_t object_sharers(const struct object *, uint64_t page, uint64_t *until);

#endif
