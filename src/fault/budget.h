/*
 * budget.h: a group's memory against its limit
 *
 * usage = what the model counts resident + what is captured but still in
 * staging areas + what the watch says is foreign.
 */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct group;
struct pager;

uint64_t budget_usage(struct pager *, const struct group *); /* pages */
/* => so near to its limit that forked pages must be watched */
bool budget_is_near(struct pager *, const struct group *);
/* => pages that may be installed before the high mark; at least 1 */
uint64_t budget_room(struct pager *, const struct group *);

/*
 * budget_admit: may one more page be installed?
 *
 * => false: the group is at its limit and pages are on their way out; true
 *    also when nothing can be evicted: the limit is exceeded, and that is
 *    counted and said
 */
bool budget_admit(struct pager *, struct group *);

/*
 * budget_balance: start eviction where the group's usage asks for it
 *
 * => returns when to look again, now_us scale
 */
uint64_t budget_balance(struct pager *, struct group *);

/*
 * budget_futile: of n pages that were tried, none could be captured
 *
 * => when all that is resident was tried so, faults are let in for a while,
 *    and that is said
 */
void budget_futile(struct pager *, struct group *, uint64_t n);
/*
 * What a group's pages take when they are stored: stores_bytes() is asked
 * before one is, and budget_put() told when it was, or was found stored
 */
void budget_put(struct pager *, const struct group *, uint64_t before);
/* => n pages more are resident: there may be something to evict again */
void budget_installed(struct pager *, struct group *, uint64_t n);

#endif
