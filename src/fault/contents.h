/*
 * contents.h: which stored block has these bytes, as far as a hash can say
 *
 *	page, uid --tag--> heads[bucket] --> block --> block --> 0
 *
 * An index from the tags of pages to physblocks that are STORED; the blocks of
 * a bucket are chained through an array that stands beside their table.  A tag
 * only finds a candidate: whether it has the same bytes, its stored copy says.
 *
 * There is no more than one block for a tag, the one added last, and a block
 * is taken out when it is released: nothing in here is ever stale.
 *
 * Buckets are added one at a time, each with its share of one older bucket, as
 * blocks are (linear hashing).  So the memory that is touched grows with what
 * is stored, some ten bytes for each block, and no step takes long.
 *
 * Index, not truth: it is rebuilt by loading every STORED block once and
 * adding it with the uid of a space that names it, under a new key.
 */
#ifndef CONTENTS_H
#define CONTENTS_H

#include <stdint.h>

#define CONTENTS_KEY_BYTES 192u

struct contents_node {
	uint32_t next; /* block; 0: the last of its bucket */
	uint32_t tag;  /* 0: the block is not in here */
};

struct contents {                    /* fault thread */
	struct contents_node *nodes; /* by block */
	uint32_t *heads;
	uint32_t max_blocks;
	uint32_t nheads; /* buckets in use */
	uint32_t used;   /* blocks in here */
	uint8_t key[CONTENTS_KEY_BYTES];
};

/* => blocks are below max_blocks; 0 or -errno, then nothing is left open */
int contents_open(struct contents *, uint32_t max_blocks,
    const uint8_t key[CONTENTS_KEY_BYTES]);
void contents_close(struct contents *); /* accepts a zeroed one */

/*
 * contents_tag: what a page of that user is found by
 *
 * => equal pages of one uid have equal tags, and of two uids never
 * => 0: this page has none (one in 2^32)
 * => without the key nobody can make pages of equal tags
 */
uint32_t contents_tag(const struct contents *, const void *page, uint32_t uid);

/* => a block, or 0 */
uint32_t contents_find(const struct contents *, uint32_t tag);
/* => tag is not 0; block is not in here; the one that had the tag goes */
void contents_add(struct contents *, uint32_t block, uint32_t tag);
void contents_remove(struct contents *, uint32_t block); /* if it is in here */

uint64_t contents_bytes(const struct contents *, uint32_t high_block);

#endif
