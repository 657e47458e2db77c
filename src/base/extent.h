/*
 * extent.h: allocator of contiguous runs in a large array
 *
 * Runs are counted in units (of whatever the array holds).  Any part of what
 * was allocated may be freed on its own, neighbours coalesce: a region's slot
 * array can be cut where the region is cut.  This is index, not truth: after
 * a restart the owner reserves what its records name, with extent_reserve().
 *
 * => one thread only; nodes come from a pool reserved at init, so no call
 *    allocates memory later
 */
#ifndef EXTENT_H
#define EXTENT_H

#include <stdint.h>

struct extents;

/* => manages units [0, nunits); returns 0 or -errno */
int extents_new(uint64_t nunits, uint32_t max_nodes, struct extents **);
void extents_delete(struct extents *); /* accepts NULL */

/* => best fit at the lowest address; 0 or -ENOSPC */
int extents_alloc(struct extents *, uint64_t n, uint64_t *pos);
/* => grows the run that ends at end by n in place; 0 or -ENOSPC */
int extents_grow(struct extents *, uint64_t end, uint64_t n);
/*
 * => all of [pos, pos + n) must be allocated; if the pool of nodes is empty
 *    the run is leaked and counted (extents_leaked), never corrupted
 */
void extents_free(struct extents *, uint64_t pos, uint64_t n);
/*
 * => marks a free run as allocated; 0 or -EEXIST; may leak what is left of a
 *    free run, as extents_free() does
 */
int extents_reserve(struct extents *, uint64_t pos, uint64_t n);
uint64_t extents_used(const struct extents *); /* leaked ones not among them */
uint64_t extents_leaked(const struct extents *);

#endif
