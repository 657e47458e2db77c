/*
 * habit.h: is what is read soon written?
 *
 * Pure policy.  A page that is brought back for a read may keep its stored
 * copy, write-protected: if it is not written it leaves again at no cost, and
 * if it is, its first write costs a fault.  That fault and capturing a page
 * anew cost about as much, so the copy is kept where more than half of the
 * pages that kept it were not written.  Where copies are not kept one page in
 * SAMPLE still keeps it, or a change of habit would not be seen.
 */
#ifndef HABIT_H
#define HABIT_H

#include <stdbool.h>
#include <stdint.h>

struct habit {        /* of a region */
	int8_t score; /* above 0: they are written */
};

/* => a page that had kept its copy was written, or has left unwritten */
void habit_written(struct habit *);
void habit_left(struct habit *);
/* => keep the copy of this page, as far as habit is concerned */
bool habit_keeps(const struct habit *, uint64_t page);

#endif
