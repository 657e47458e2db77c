#include "contents.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <xxhash.h>

#include "assert.h"
#include "reserve.h"
#include "slot.h"

#define BLOCKS_PER_HEAD 2u

static uint32_t
max_heads(const struct contents *c)
{
	return c->max_blocks / BLOCKS_PER_HEAD + 1;
}

int
contents_open(struct contents *c, uint32_t max_blocks,
    const uint8_t key[CONTENTS_KEY_BYTES])
{
	void *nodes, *heads;
	int r;

	*c = (struct contents){ .max_blocks = max_blocks, .nheads = 1 };
	memcpy(c->key, key, sizeof(c->key));
	r = reserve_private(max_blocks * sizeof(*c->nodes), &nodes);
	if (r < 0)
		return r;
	r = reserve_private(max_heads(c) * sizeof(*c->heads), &heads);
	if (r < 0) {
		reserve_release(nodes, max_blocks * sizeof(*c->nodes));
		return r;
	}
	c->nodes = nodes;
	c->heads = heads;
	return 0;
}

void
contents_close(struct contents *c)
{
	if (c->nodes == NULL)
		return;
	reserve_release(c->heads, max_heads(c) * sizeof(*c->heads));
	reserve_release(c->nodes, c->max_blocks * sizeof(*c->nodes));
	*c = (struct contents){ 0 };
}

/*
 * The exclusive or keeps users apart for certain, not only in all likelihood:
 * pages with the same bytes have the same hash, so with two uids they have two
 * tags; and pages with other bytes fail the comparison.
 */
uint32_t
contents_tag(const struct contents *c, const void *page, uint32_t uid)
{
	return (uint32_t)XXH3_64bits_withSecret(page, PAGE_BYTES, c->key,
		   sizeof(c->key)) ^
	       uid;
}

/* => the greatest power of two that is at most n */
static uint32_t
power_below(uint32_t n)
{
	return 1u << (31 - __builtin_clz(n));
}

static uint32_t *
head_of(const struct contents *c, uint32_t tag)
{
	uint32_t half = power_below(c->nheads);
	uint32_t i = tag & (2 * half - 1);

	return &c->heads[i < c->nheads ? i : i - half];
}

static void
link_block(struct contents *c, uint32_t block)
{
	struct contents_node *n = &c->nodes[block];
	uint32_t *head = head_of(c, n->tag);

	n->next = *head;
	*head = block;
}

/* One bucket more: it and the one that it comes from share what that had. */
static void
grow(struct contents *c)
{
	uint32_t *from = &c->heads[c->nheads - power_below(c->nheads)];
	uint32_t block = *from, next;

	*from = 0;
	c->nheads++;
	for (; block != 0; block = next) {
		next = c->nodes[block].next;
		link_block(c, block);
	}
}

uint32_t
contents_find(const struct contents *c, uint32_t tag)
{
	uint32_t block = *head_of(c, tag);

	while (block != 0 && c->nodes[block].tag != tag)
		block = c->nodes[block].next;
	return block;
}

void
contents_add(struct contents *c, uint32_t block, uint32_t tag)
{
	ASSERT(block > 0 && block < c->max_blocks);
	ASSERT(tag != 0 && c->nodes[block].tag == 0);
	contents_remove(c, contents_find(c, tag));
	c->nodes[block].tag = tag;
	link_block(c, block);
	c->used++;
	if (c->used / BLOCKS_PER_HEAD >= c->nheads)
		grow(c);
}

void
contents_remove(struct contents *c, uint32_t block)
{
	struct contents_node *n = &c->nodes[block];
	uint32_t *at;

	if (n->tag == 0)
		return;
	at = head_of(c, n->tag);
	while (*at != block) {
		ASSERT(*at != 0);
		at = &c->nodes[*at].next;
	}
	*at = n->next;
	*n = (struct contents_node){ 0 };
	c->used--;
}

uint64_t
contents_bytes(const struct contents *c, uint32_t high_block)
{
	if (c->nodes == NULL)
		return 0;
	return high_block * sizeof(*c->nodes) + c->nheads * sizeof(*c->heads);
}
