/*
 * dedup.c: pages with equal bytes are stored once
 *
 *	STAGED page --tag--> a STORED block? --no--> store it, add its tag
 *	                       |yes
 *	                     room for a reference, one slot to change,
 *	                     equal bytes? ------no--> store it, its tag is new
 *	                       |yes
 *	                     the slot names that block; STAGED is released
 *
 * The slot is changed only when nobody else names the STAGED block and it is
 * where the page was captured.  A fork or mremap in the milliseconds between
 * capture and store leaves a page of its own: to follow it would take a way
 * from blocks to slots, which nothing else needs.
 */
#include "dedup.h"

#include <string.h>

#include "assert.h"
#include "backend.h"
#include "client.h"

/* One word over and over: a store keeps it in no room, and sooner than this. */
static bool
is_repeated(const uint8_t *page)
{
	const size_t word = sizeof(uint32_t);

	return memcmp(page, page + word, PAGE_BYTES - word) == 0;
}

uint32_t
dedup_tag(struct pager *p, const struct client *c, uint32_t i)
{
	const struct space_record *rec = c->space->rec;
	const uint8_t *page = batch_page(p, c, i);

	/* A space that has ended: what is stored still is its relatives'. */
	if (!p->config.dedup || rec == NULL || is_repeated(page))
		return 0;
	return contents_tag(&p->contents, page, rec->uid);
}

/* A fork copies every slot of a space: not even then may a count overflow. */
static bool
has_room(const struct vm *vm, uint32_t block)
{
	return physblock_refs(vm, block) < UINT32_MAX / vm->spaces.capacity;
}

/* => the region of the one slot that names the STAGED block, or NULL */
static struct region *
only_slot(struct pager *p, struct client *c, uint32_t i)
{
	uint64_t addr = c->batch.addr[i];
	uint32_t block = c->batch.block[i];
	struct region *r = space_find(c->space, addr);

	if (r == NULL || physblock_refs(&p->vm, block) != 1 ||
	    slot_block(region_slot(&p->vm, r, region_page(r, addr))) != block)
		return NULL;
	return r;
}

static bool
same_bytes(struct pager *p, const struct client *c, uint32_t i, uint32_t block)
{
	uint64_t where = physblock_where(&p->vm, block);
	int r;

	ASSERT(where_kind(where) == WHERE_STORED);
	r = backend_same(p->store, where_data(where), batch_page(p, c, i));
	if (r < 0)
		count(p, C_store_errors, 1);
	return r > 0;
}

bool
dedup_share(struct pager *p, struct client *c, uint32_t i, uint32_t tag)
{
	struct region *r;
	uint32_t block;

	block = tag != 0 ? contents_find(&p->contents, tag) : 0;
	if (block == 0 || !has_room(&p->vm, block))
		return false;
	r = only_slot(p, c, i);
	if (r == NULL || !same_bytes(p, c, i, block))
		return false;
	physblock_ref(&p->vm, block);
	region_rebind(&p->vm, r, region_page(r, c->batch.addr[i]), block);
	ASSERT(c->batch.block[i] == 0);
	count(p, C_pages_deduplicated, 1);
	return true;
}

void
dedup_stored(struct pager *p, uint32_t block, uint32_t tag)
{
	if (tag != 0)
		contents_add(&p->contents, block, tag);
}

void
dedup_forget(struct pager *p, uint32_t block)
{
	if (p->config.dedup)
		contents_remove(&p->contents, block);
}
