/*
 * space.h: one client address space
 */
#ifndef SPACE_H
#define SPACE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "group.h"
#include "region.h"
#include "size.h"

struct vm;

struct space_record { /* truth */
	uint64_t id;  /* generation << SPACE_INDEX_BITS | index; 0: free */
	uint32_t group;
	uint32_t pid; /* 0: not known (yet) */
	uint32_t uid;
	uint32_t reserved;
	uint8_t token[TOKEN_BYTES];
	uint64_t area_start, area_len; /* the agent's memory, bytes */
	uint64_t stage_start;          /* 0: no agent */
	uint64_t anchor; /* the page that tells a fork who it is */
};

#define SPACE_INDEX_BITS 20

struct space { /* index */
	uint32_t index;
	struct space_record *rec;
	struct group *group;
	TAILQ_ENTRY(space) entry; /* in the group */
	struct region_tree regions;
	uint32_t nregions;
	struct counts counts;
	uint64_t hand; /* sweep: next address to look at */
};

/* => rec->group names the group; id is made here; 0 or -ENOSPC */
int space_new(struct vm *, const struct space_record *, struct space **);
/* => unmaps everything first */
void space_free(struct vm *, struct space *);
/* => NULL when that space is gone */
struct space *space_get(struct vm *, uint64_t id);

/*
 * space_fork: give child what parent has
 *
 * => child must be empty; nothing is read: slots that are out, and clean ones,
 *    name the same blocks; pages in memory are shared by the kernel
 * => 0 or -ENOSPC, then child is empty again
 */
int space_fork(struct vm *, struct space *parent, struct space *child);

/* => the region that contains addr, or NULL */
struct region *space_find(struct space *, uint64_t addr);
/* => the first region that ends above addr, or NULL */
struct region *space_find_from(struct space *, uint64_t addr);

/*
 * space_add: [start, end) comes under management, all UNKNOWN
 *
 * => grows the region that ends at start if that is of the same memtype
 * => 0; -EEXIST when some of it is managed already; -EINVAL; -ENOSPC
 */
int space_add(struct vm *, struct space *, uint64_t start, uint64_t end,
    uint8_t memtype);

/* => [start, end) is gone; unmanaged parts are skipped; 0, -EINVAL, -ENOSPC */
int space_unmap(struct vm *, struct space *, uint64_t start, uint64_t end);

/* => the program threw the contents away: they are UNKNOWN; regions stay */
void space_remove(struct vm *, struct space *, uint64_t start, uint64_t end);

/*
 * space_remap: the contents of [from, from + len) are at to now
 *
 * => what was at the destination is unmapped; the source stays, UNKNOWN
 *    (mremap tells of its end by a separate unmap, or keeps it)
 * => 0, -EINVAL, -ENOSPC (nothing moved)
 */
int space_remap(struct vm *, struct space *, uint64_t from, uint64_t to,
    uint64_t len);

#endif
