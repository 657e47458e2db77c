/*
 * physblock.h: one page of content, with a reference count
 *
 * A physblock says where the bytes of a page are, other than in the client
 * that owns the page alone (such a page needs no record).  Its reference
 * count equals the number of slots that name it, of regions and of objects; it
 * is index, rebuilt by counting.  When the last reference goes, vm->release()
 * is told where the bytes were.  Slots share a block after a fork, and when
 * their contents were found to be equal (dedup).
 */
#ifndef PHYSBLOCK_H
#define PHYSBLOCK_H

#include <stdint.h>

struct vm;

enum where_kind {
	WHERE_NOWHERE = 0, /* the block is free */
	WHERE_STAGED = 1,  /* captured, in the staging of a client: its batch */
	WHERE_STORED = 2,  /* in a backend: its handle */
	WHERE_LOST = 3,    /* the store refused it and its client is gone */
};

#define WHERE_DATA_BITS 56

/* Of a STORED block: it was stored, or asked for, not long ago (tiers.c). */
#define WHERE_YOUNG (UINT64_C(1) << 63)

struct physblock { /* truth */
	/* young (1 bit), kind (2 bits), backend (5 bits), data (56 bits) */
	uint64_t where;
};

static inline uint64_t
where_make(enum where_kind kind, unsigned int backend, uint64_t data)
{
	return (uint64_t)kind << 61 | (uint64_t)backend << WHERE_DATA_BITS |
	       data;
}

static inline enum where_kind
where_kind(uint64_t where)
{
	return (enum where_kind)(where >> 61 & 3);
}

static inline unsigned int
where_backend(uint64_t where)
{
	return (unsigned int)(where >> WHERE_DATA_BITS) & 31;
}

static inline uint64_t
where_data(uint64_t where)
{
	return where & ((UINT64_C(1) << WHERE_DATA_BITS) - 1);
}

/* => a block with one reference, the caller's; 0 or -ENOSPC */
int physblock_new(struct vm *, uint64_t where, uint32_t *block);
void physblock_ref(struct vm *, uint32_t block);
void physblock_unref(struct vm *, uint32_t block);
uint32_t physblock_refs(const struct vm *, uint32_t block);
uint64_t physblock_where(const struct vm *, uint32_t block);
/* The bytes have moved; the old place is the caller's to give up. */
void physblock_move(struct vm *, uint32_t block, uint64_t where);

#endif
