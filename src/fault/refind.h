/*
 * refind.h: pages that were given up and are there all the same
 *
 * After madvise(2) the model forgets pages: of most the kernel takes the
 * memory at once.  After MADV_FREE it may never do so, and the program writes
 * to them again without a fault.  They count as foreign memory; when that
 * grows, the watch asks for adoption, and they are found here.
 */
#ifndef REFIND_H
#define REFIND_H

#include <stdint.h>

struct client;
struct pager;

struct refind {
	uint64_t from,
	    to; /* where pages were forgotten, bytes; to 0: nowhere */
};

/* => the model has forgotten pages in [start, end) */
void refind_note(struct client *, uint64_t start, uint64_t end);

/*
 * refind_step: looks at a bounded stretch of what was noted
 *
 * => its mappings are not changing; *npages grows by what was found;
 *    0; 1: call again; -EAGAIN; -ESRCH
 */
int refind_step(struct pager *, struct client *, uint64_t *npages);

#endif
