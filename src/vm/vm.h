/*
 * vm.h: the whole model: groups, spaces, regions, objects, slots, physblocks
 *
 *	group --< space --< region --< slot >-- physblock
 *	                      |  \                  |
 *	                      |   object --< slot >-+
 *	                      |   /  \
 *	      clone, shared --+--+    source: snapshot (a space), image
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

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "cache.h"
#include "check.h"
#include "group.h"
#include "object.h"
#include "physblock.h"
#include "region.h"
#include "slot.h"
#include "space.h"
#include "table.h"

struct vm_config {
	uint32_t max_groups, max_spaces, max_regions, max_blocks;
	uint64_t max_slots;
	uint32_t max_objects; /* 0: VM_OBJECTS */
	/*
	 * Called, with the ctx of release(), when an object has gone (its
	 * slots are empty) and when a snapshot is about to go (its regions are
	 * still there).  They must not call the model.  Each may be NULL.
	 */
	void (*object_gone)(void *ctx, uint32_t object);
	void (*snapshot_gone)(void *ctx, struct space *);
};

#define VM_OBJECTS 4096

struct vm { /* fault thread */
	struct table groups, spaces, regions, objects, blocks; /* truth */
	uint64_t block_refs;       /* index: references of all blocks */
	struct slotmap slots;      /* truth */
	struct group *group_index; /* by index, as the tables */
	struct space *space_index;
	struct region *region_index;
	struct object *object_index;
	TAILQ_HEAD(, space) snapshots; /* that have a name */
	TAILQ_HEAD(, space) doomed;    /* snapshots about to be freed */
	bool reaping;                  /* somebody walks the list of those */
	TAILQ_HEAD(, object) named;
	TAILQ_HEAD(, object) unused; /* cached, without user; oldest first */
	struct identity_tree cached;
	uint64_t next_region_id; /* from 1 */
	uint64_t next_generation;
	/* Called when a block's last reference goes. */
	void (*release)(void *ctx, uint32_t block, uint64_t where);
	void *release_ctx;
	void (*object_gone)(void *ctx, uint32_t object);
	void (*snapshot_gone)(void *ctx, struct space *);
};

/* => 0 or -errno; on failure nothing is left open */
int vm_open(struct vm *, const struct vm_config *,
    void (*release)(void *ctx, uint32_t block, uint64_t where), void *ctx);
void vm_close(struct vm *); /* does not call release */

uint64_t vm_bytes(const struct vm *); /* memory of truth and index */

#endif
