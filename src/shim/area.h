/*
 * area.h: the memory of an agent, and starting one in it
 */
#ifndef SHIM_AREA_H
#define SHIM_AREA_H

#include <stddef.h>
#include <stdint.h>

struct agent;

/* area_map_private: anonymous memory; => returns NULL if there is none */
char *area_map_private(size_t len, int prot);

/*
 * area_map: a new area with an empty struct agent, not inherited by children
 *
 * => hello's area_start, area_len and stage_start are filled
 * => returns NULL if there is no room for it
 */
struct agent *area_map(void);

/* area_unmap: => no thread uses the area any more */
void area_unmap(struct agent *);

/*
 * area_start: run an agent on the area, and wait until its handshake is over
 *
 * => the caller has all signals blocked; the agent is born so
 * => a->hello, a->addr and a->euid are filled
 * => returns 0: running; -errno: no thread could be made;
 *    AREA_FAILED: the agent has failed and is gone, see a->step
 */
#define AREA_FAILED 1
int area_start(struct agent *);

/*
 * anchor_map: the page through which a forked child learns who it is
 *
 * => returns its address, or 0
 */
uint64_t anchor_map(void);
void anchor_unmap(uint64_t);

#endif
