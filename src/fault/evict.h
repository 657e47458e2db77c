/*
 * evict.h: pages on their way out
 */
#ifndef EVICT_H
#define EVICT_H

#include <stdint.h>
#include <sys/types.h>

#include "pagerd/protocol.h"

struct client;
struct group;
struct pager;

/* => somebody has touched staging, as by mlockall(2): zeros; 0 or -errno */
int evict_stage_fault(struct pager *, struct client *, uint64_t addr);

/*
 * evict_alert: the agent hears from us for the first time, and so that the
 * group nears its limit
 *
 * => what its program maps from now on is registered by the agent at once, and
 *    comes to us with its first fault (adopt_around)
 */
void evict_alert(struct pager *, struct client *);

/* => pages that its agent was asked to capture; 0: busy, or has none */
uint32_t evict_start(struct pager *, struct client *, uint32_t want);

/*
 * evict_reply: a packet from the agent, n bytes
 *
 * => 0, or -EPROTO: it is not what was asked for (the caller drops it)
 */
int evict_reply(struct pager *, struct client *, const void *packet, size_t n);

/*
 * => sees to it that an idle staging area is emptied, and what is to be dropped
 *    dropped; returns when to call again, now_us scale
 */
uint64_t evict_step(struct pager *, struct client *);

/*
 * For drop.c: runs with one page more, as far as there is room, => their
 * number; and a request for them
 */
uint32_t evict_add_page(uint64_t *runs, uint32_t n, uint32_t max,
    uint64_t addr);
int evict_send_runs(struct pager *, struct client *, enum pagerd_msg_type,
    const uint64_t *runs, uint32_t nruns);

/*
 * => what was captured of addr goes back there, if it can now: then its slot is
 *    resident, and names no block
 */
void evict_put_back(struct pager *, struct client *, uint64_t addr,
    const uint8_t *bytes);
/*
 * => nobody will answer: what the agent had moved when it went is found in
 *    its staging area
 */
void evict_lose_agent(struct pager *, struct client *);
/* => its space is freed */
void evict_abandon(struct pager *, struct client *, struct group *);

#endif
