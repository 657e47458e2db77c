/*
 * stores.h: contents that have left memory, wherever they are kept
 *
 *	group --> stack of stores, the fastest first
 *	block --> WHERE_STORED, number of a store, handle --> backend.h
 *
 * A store may need time to read: then LOAD_WAIT is said (state.h), and whoever
 * waits is woken when it has something.  It may also have too much on its way
 * to take more: then what is to be stored waits where it is.
 *
 * => fault thread
 */
#ifndef STORES_H
#define STORES_H

#include <stdbool.h>
#include <stdint.h>

struct backend;
struct packed;
struct pager;
struct work;

#define STORES 31u /* numbers are below */

/* What a stack is made of; the backends outlive the pager. */
struct stack_spec {
	struct backend *const *tiers;
	uint32_t n;
};

struct store {
	struct pager *pager;
	struct backend *backend; /* not owned */
	uint32_t stack;
	bool later;    /* it takes nothing until it has done more */
	bool draining; /* it is to be emptied, and takes nothing */
	bool failing;  /* as was last said */
	/* tiers.c */
	bool sinking;  /* it is above its mark, and not yet below the other */
	uint32_t hand; /* the block that is looked at next */
	uint32_t seen; /* blocks looked at since one could be moved */
	uint64_t pause_us; /* none could: not before then */
	uint64_t demoted,
	    promoted; /* pages that went down from it, up from it */
};

struct stack {
	uint32_t first, n; /* stores, the fastest first */
	bool later;        /* nothing can be stored until more was done */
	/* Nor before then: there is no room; 0: there was, last. */
	uint64_t full_us;
};

struct stores {
	struct store at[STORES];
	uint32_t n;
	struct stack stacks[STORES];
	uint32_t nstacks;
};

/* => its number in its stack, 0: the fastest */
uint32_t store_tier(const struct store *);

/* => no more than STORES in all */
void stores_open(struct pager *, const struct stack_spec *, uint32_t nstacks);

/*
 * stores_put: a block's contents are stored in the stack, and it names them
 *
 * => 0, -ENOSPC, -EIO; -EAGAIN: nothing is taken now (stores_later())
 */
int stores_put(struct pager *, uint32_t stack, const struct packed *,
    uint32_t block);
/* => that is so until something was done */
bool stores_later(const struct pager *, uint32_t stack);
/* => there was no room, a moment ago; until when, now_us scale */
void stores_set_full(struct pager *, uint32_t stack);
uint64_t stores_full_until(const struct pager *, uint32_t stack); /* 0: not */

/* => a STORED block's contents; 0, LOAD_WAIT or -EIO */
int stores_load(struct pager *, uint32_t block, void *page);
/* => the first will be loaded, then perhaps the others: they may be read */
void stores_want(struct pager *, const uint32_t *blocks, uint32_t n);
/* => 1 or 0: does it have these bytes?  0 also if one had to wait; -EIO */
int stores_same(struct pager *, uint32_t block, const void *page);
/* => it is in a store of that stack */
bool stores_in(const struct pager *, uint32_t stack, uint32_t block);
void stores_release(struct pager *, uint64_t where);

/* => to store number s: it names what is there; 0 or -errno as of put */
int stores_move(struct pager *, uint32_t block, const struct packed *,
    struct store *s);

/* => pager.h's pager_store_ready(), pager_worked() */
void stores_ready(struct pager *, uint32_t number);
void stores_worked(struct pager *, struct work *);
/* => does what can wait; when to call again, now_us scale */
uint64_t stores_step(struct pager *);

/* => bytes that are kept, compressed */
uint64_t stores_bytes(const struct pager *);

#endif
