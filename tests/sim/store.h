/*
 * store.h: the real store, watched, made to fail, and made slow
 *
 * backend_store(), backend_peek(), backend_same() and backend_free() of the
 * code under test come here first (see meson.build) and go on to the real ones;
 * so does contents_tag(), by which equal pages are found.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_TIERS 2u

struct store_plan {     /* one call in so many; 0: never */
	uint32_t full;  /* -ENOSPC */
	uint32_t error; /* -EIO of a store */
	uint32_t bad;   /* what is stored can never be read again */
	bool shut;      /* every store is -ENOSPC */
	bool narrow;    /* a page's hash is one of a few */
	bool slow;      /* pages have to be read, and move */
};
extern struct store_plan store_plan;

struct store_counts {
	uint64_t stores, loads, frees, full, errors, bad;
	uint64_t same, different; /* comparisons with what is stored */
	uint64_t waits, reads, moves, later;
};
extern struct store_counts store_counts;

/* => something that a slow store does; false: there is nothing */
bool store_step(void);
/* => a page with these bytes could not be read back once */
bool store_is_bad(const uint8_t *page);
uint64_t store_handles(void); /* alive */
void store_reset(void);

#endif
