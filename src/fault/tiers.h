/*
 * tiers.h: what is cold goes down a stack of stores, what is asked for up
 *
 *	put --> tier 0 --full to its mark--> tier 1 --> ...
 *	          ^                            |
 *	          +---- asked for, twice ------+
 *
 * Which pages are cold a clock says: its hand goes round the blocks, and
 * what was stored, or asked for, since it came by last is spared (the second
 * chance of F. J. Corbato, "A Paging Experiment with the Multics System",
 * 1969).  What is asked for goes up at once as long as there is room; when
 * that has to be made, the second time.
 *
 * A store that is drained gives all that it has to the others of its stack,
 * the slower ones first.
 *
 * => fault thread
 */
#ifndef TIERS_H
#define TIERS_H

#include <stdbool.h>
#include <stdint.h>

struct mail_drain;
struct packed;
struct pager;
struct store;

/* => a block of the store was asked for: it may be in another one now */
void tiers_loaded(struct pager *, struct store *, uint32_t block,
    const struct packed *);
/* => moves a slice; when to call again, now_us scale */
uint64_t tiers_step(struct pager *);
/* => from now on, or not any longer; 0 or -errno */
int tiers_drain(struct pager *, const struct mail_drain *);

#endif
