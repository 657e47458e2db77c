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

#include "assert.h"
#include "client.h"

/* A fork copies every slot of a space: not even then may a count overflow. */
static bool
has_room(const struct vm *vm, uint32_t block)
{
	return physblock_refs(vm, block) < UINT32_MAX / vm->spaces.capacity;
}

struct region *
dedup_only_slot(struct pager *p, struct parcel *pc, uint32_t i)
{
	struct client *c = client_get(p, pc->space);
	uint64_t addr = pc->addr[i];
	uint32_t block = pc->block[i];
	struct region *r = c != NULL ? space_find(c->space, addr) : NULL;

	if (r == NULL || physblock_refs(&p->vm, block) != 1 ||
	    slot_block(region_slot(&p->vm, r, region_page(r, addr))) != block)
		return NULL;
	return r;
}

static bool
same_bytes(struct pager *p, const struct parcel *pc, uint32_t i, uint32_t block)
{
	return stores_in(p, pc->stack, block) &&
	       stores_same(p, block, parcel_page(pc, i)) > 0;
}

bool
dedup_share(struct pager *p, struct parcel *pc, uint32_t i)
{
	struct region *r;
	uint32_t block;

	block = pc->tag[i] != 0 ? contents_find(&p->contents, pc->tag[i]) : 0;
	if (block == 0 || !has_room(&p->vm, block))
		return false;
	r = dedup_only_slot(p, pc, i);
	if (r == NULL || !same_bytes(p, pc, i, block))
		return false;
	physblock_ref(&p->vm, block);
	region_rebind(&p->vm, r, region_page(r, pc->addr[i]), block);
	ASSERT(pc->block[i] == 0);
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
