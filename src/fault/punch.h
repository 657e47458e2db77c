/*
 * punch.h: frames of objects leave memory
 */
#ifndef PUNCH_H
#define PUNCH_H

#include <stdint.h>

struct group;
struct pager;

/*
 * punch_evict: frames of the group's objects leave, want at most
 *
 * => their number
 */
uint32_t punch_evict(struct pager *, struct group *, uint32_t want);

#endif
