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

struct pager;
struct parcel;
struct region;

/*
 * dedup_only_slot: the region of the one slot that names page i of a parcel, a
 * STAGED block
 *
 * => NULL: others name it too, or it is not where it was captured
 */
struct region *dedup_only_slot(struct pager *, struct parcel *, uint32_t i);

/*
 * dedup_share: let page i of a parcel name a stored block with its bytes
 *
 * => true: done, its STAGED block is released; false: it is to be stored
 */
bool dedup_share(struct pager *, struct parcel *, uint32_t i);

/* => block is STORED now, and others may share it */
void dedup_stored(struct pager *, uint32_t block, uint32_t tag);
/* => block is no longer STORED */
void dedup_forget(struct pager *, uint32_t block);

#endif
