/*
 * drop.h: pages that the kernel does not move, on their way out
 */
#ifndef DROP_H
#define DROP_H

#include <stdbool.h>
#include <stdint.h>

struct client;
struct pager;

/*
 * drop_start: pages of regions whose way is WAY_DROP are to leave
 *
 * => the agent is idle; pages that are in no region, or may not be dropped,
 *    stay
 * => returns the number of pages that are on their way
 */
uint32_t drop_start(struct pager *, struct client *, const uint64_t *runs,
    uint32_t nruns);
/* => the agent has done it, or will not any more */
void drop_done(struct pager *, struct client *);
/* => returns when to call again, now_us scale */
uint64_t drop_step(struct pager *, struct client *);

/* => the page is being dropped: its faults have to wait */
bool drop_has(const struct client *, uint64_t addr);

#endif
