/*
 * vm.h: the whole model: groups, spaces, regions, slots, physblocks
 *
 *	group --< space --< region --< slot >-- physblock
 *
 * Pure: no client, no descriptor, no thread, no clock.  It says what is the
 * case and, through the memtypes, what must happen; the fault plane makes it
 * happen and then tells the model.
 *
 * Truth lies in tables in shared memory; what stands beside it here (trees,
 * counts) can be rebuilt from them.  Nothing allocates after vm_open().
 */
#ifndef VM_H
#define VM_H

#include <stdint.h>

#include "group.h"
#include "physblock.h"
#include "region.h"
#include "slot.h"
#include "space.h"
#include "table.h"

struct vm_config {
	uint32_t max_groups, max_spaces, max_regions, max_blocks;
	uint64_t max_slots;
};

struct vm {                                           /* fault thread */
	struct table groups, spaces, regions, blocks; /* truth */
	struct slotmap slots;                         /* truth */
	struct group *group_index; /* by index, as the tables */
	struct space *space_index;
	struct region *region_index;
	uint64_t next_region_id; /* from 1 */
	uint64_t next_generation;
	/* Called when a block's last reference goes. */
	void (*release)(void *ctx, uint32_t block, uint64_t where);
	void *release_ctx;
};

/* => 0 or -errno; on failure nothing is left open */
int vm_open(struct vm *, const struct vm_config *,
    void (*release)(void *ctx, uint32_t block, uint64_t where), void *ctx);
void vm_close(struct vm *); /* does not call release */

/*
 * vm_check: walk everything and hold it against the invariants I1..I9
 *
 * => calls report() with one line for each problem; returns their number
 */
int vm_check(const struct vm *, void (*report)(void *ctx, const char *line),
    void *ctx);

uint64_t vm_bytes(const struct vm *); /* memory of truth and index */

#endif
