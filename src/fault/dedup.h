/*
 * dedup.h: pages with equal bytes are stored once
 *
 * A captured page that one of the same user's stored pages equals, to the last
 * byte, is not stored: its slot comes to name the block that is there.  Only
 * users who could read each other's memory anyway share: how long a page takes
 * would tell others that somebody has it.
 *
 * Best effort, and never a reason to fail: when anything is in the way the
 * page is stored as if there were no other.
 */
#ifndef DEDUP_H
#define DEDUP_H

#include <stdbool.h>
#include <stdint.h>

struct client;
struct pager;

/* => what page i of c's batch is found by; 0: it takes no part */
uint32_t dedup_tag(struct pager *, const struct client *c, uint32_t i);

/*
 * dedup_share: let page i of c's batch name a stored block with its bytes
 *
 * => true: done, its STAGED block is released; false: it is to be stored
 */
bool dedup_share(struct pager *, struct client *c, uint32_t i, uint32_t tag);

/* => block is STORED now, and others may share it */
void dedup_stored(struct pager *, uint32_t block, uint32_t tag);
/* => block is no longer STORED */
void dedup_forget(struct pager *, uint32_t block);

#endif
