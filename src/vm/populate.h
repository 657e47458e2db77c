/*
 * populate.h: what has to be done so that a range does not fault
 *
 * For prealloc, willneed and pin.  The model says which access of which page
 * comes next; the fault plane resolves it as if it had faulted.  A range is
 * never populated in one go: the caller may stop, and go on at the address it
 * was given.
 */
#ifndef POPULATE_H
#define POPULATE_H

#include <stdint.h>

#include "memtype.h"

struct space;

struct populate {
	struct region *region;
	uint64_t page;
	enum access access;
};

#define POPULATE_STEP 1 /* there is a step to take */

/*
 * populate_next: the first page in [*at, end) that would fault
 *
 * => a page is to be there as its client may use it: writable, unless its
 *    region is read-only; which frames of an object a client has mapped is not
 *    known, so each page of one is a step
 * => *at is behind it afterwards
 * => POPULATE_STEP; 0: there is none; -ENOMEM: *at is not managed; -EINVAL
 */
int populate_next(const struct vm *, struct space *, uint64_t *at, uint64_t end,
    struct populate *);

#endif
