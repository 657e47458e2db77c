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
 * => stores a slice of what was captured, or sees to it that an idle staging
 *    area is emptied; returns when to call again, now_us scale
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
void evict_clear_buffer(struct pager *, const struct client *);
/* => where a STAGED block of page i of its batch is */
uint64_t evict_where(const struct pager *, const struct client *, uint32_t i);

/* => the bytes of a STAGED block */
const uint8_t *evict_staged(struct pager *, uint64_t where);
/* => nobody names that STAGED block any more */
void evict_unstage(struct pager *, uint64_t where);
/*
 * => nobody will answer: what the agent had moved when it went is found in
 *    its staging area
 */
void evict_lose_agent(struct pager *, struct client *);
/* => its space is freed: blocks that others still name are stored at once */
void evict_abandon(struct pager *, struct client *, struct group *);

#endif
