/*
 * loose.h: pages that a program let go of and that may be there all the same
 *
 * After madvise(2) the model forgets pages.  Of MADV_DONTNEED the kernel takes
 * them a moment after its event was read, of MADV_FREE perhaps never, and the
 * event says not which of the two it was.  So nobody may take such a page for
 * the program's: it could be one that must read zero.  They are write-protected
 * instead, and the program that writes to one tells us so.
 *
 * What it writes before that counts as foreign memory until it is written
 * again.
 */
#ifndef LOOSE_H
#define LOOSE_H

#include <stdint.h>

struct client;
struct pager;

struct span { /* addresses, bytes; to 0: none */
	uint64_t from, to;
};

struct loose {
	struct span all;  /* around everything that was let go of */
	struct span bare; /* and is not write-protected yet */
};

/* => the model has forgotten pages in [start, end); pager_tick() protects them
 */
void loose_note(struct pager *, struct client *, uint64_t start, uint64_t end);

/* => c->loose.bare.to is 0 when nothing is left to protect */
void loose_protect(struct pager *, struct client *);

/*
 * loose_find: of a process that runs no program: a snapshot's holder
 *
 * => what is there is as it will be, and becomes the model's
 * => looks at a bounded stretch; *npages grows by what was found
 * => 0; 1: call again; -EAGAIN; -ESRCH
 */
int loose_find(struct pager *, struct client *, uint64_t *npages);

#endif
