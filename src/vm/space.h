/*
 * space.h: one client address space
 *
 * A snapshot (snapshot.h) is a space too.  What would change its regions is
 * refused with -EPERM.
 */
#ifndef SPACE_H
#define SPACE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "group.h"
#include "name.h"
#include "region.h"
#include "size.h"

struct object;
struct vm;

struct space_record { /* truth */
	uint64_t id;  /* generation << SPACE_INDEX_BITS | index; 0: free */
	uint32_t group;
	uint32_t pid; /* 0: not known (yet) */
	uint32_t uid;
	uint32_t flags;
	uint8_t token[TOKEN_BYTES];
	uint64_t area_start, area_len; /* the agent's memory, bytes */
	uint64_t stage_start;          /* 0: no agent */
	uint64_t anchor;       /* the page that tells a fork who it is */
	char name[NAME_BYTES]; /* of a snapshot; empty: none (any longer) */
};

#define SPACE_SNAPSHOT 1

#define SPACE_INDEX_BITS 20

struct space { /* index */
	uint32_t index;
	struct space_record *rec;
	struct group *group;
	TAILQ_ENTRY(space) entry; /* in the group */
	struct region_tree regions;
	uint32_t nregions;
	struct counts counts;
	uint64_t peak;     /* pages; most that were resident at a time */
	uint64_t hand;     /* sweep: next address to look at */
	uint64_t top;      /* arena.h: search below it first; 0: not yet */
	uint32_t nsources; /* objects that come from the snapshot */
	TAILQ_ENTRY(space) snapshot; /* while it has a name, or is doomed */
};

static inline bool
space_is_snapshot(const struct space *sp)
{
	return sp->rec->flags & SPACE_SNAPSHOT;
}

/* => not empty, page aligned, and does not wrap */
static inline bool
space_range_ok(uint64_t start, uint64_t end)
{
	return start < end && start % PAGE_BYTES == 0 && end % PAGE_BYTES == 0;
}

/* => rec->group names the group; id is made here; 0 or -ENOSPC */
int space_new(struct vm *, const struct space_record *, struct space **);
/* => unmaps everything first; no object may come from it */
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

/* => space_fork() of what a fork freezes; shared memory is left out */
int space_freeze(struct vm *, const struct space *parent, struct space *child);

/* => the region that contains addr, or NULL */
struct region *space_find(struct space *, uint64_t addr);
/* => the first region that ends above addr, or NULL */
struct region *space_find_from(struct space *, uint64_t addr);
/* => the last region that starts below addr, or NULL */
struct region *space_find_below(struct space *, uint64_t addr);

/*
 * space_slot: the slot of a page that somebody asks for
 *
 * => 0; -EINVAL: addr is not aligned; -ENOMEM: it is not managed
 */
int space_slot(const struct vm *, struct space *, uint64_t addr,
    uint64_t *slot);
/* => nothing of [start, end) is managed */
bool space_is_free(struct space *, uint64_t start, uint64_t end);

/*
 * space_add: [start, end) comes under management, all UNKNOWN
 *
 * => grows the region that ends at start if that is of the same memtype
 * => 0; -EEXIST when some of it is managed already; -EINVAL (a memtype that
 *    needs an object, too); -ENOSPC
 * => also of a snapshot: its holder has had the memory all the time
 */
int space_add(struct vm *, struct space *, uint64_t start, uint64_t end,
    uint8_t memtype);

struct map_spec {
	uint64_t start; /* address */
	uint64_t npages;
	struct object *object; /* NULL: anon */
	uint64_t offset;       /* page of the object */
	uint8_t flags;         /* REGION_... */
	bool replace;          /* what is there goes, once nothing can fail */
};

/*
 * space_map: a region of its own, never grown or merged
 *
 * => 0; -EEXIST: something is there; -EINVAL: the range, or pages that the
 *    object does not have; -EACCES: the object is another user's, or a cached
 *    one is to be written; -ENOENT: the cache does not have all of it; -EPERM;
 *    -ENOSPC
 */
int space_map(struct vm *, struct space *, const struct map_spec *);

/*
 * space_extend: the region that starts at start ends at end from now on
 *
 * => grows into free space, or gives back its tail
 * => 0; -EINVAL: no region starts there, or nothing would be left; -ENOMEM:
 *    something is in the way, or its object has no more pages; -EPERM; -ENOSPC
 */
int space_extend(struct vm *, struct space *, uint64_t start, uint64_t end);

/*
 * space_set_flags: of the regions in [start, end), which are cut to fit
 *
 * => 0; -ENOMEM: not all of the range is managed; -EINVAL; -EPERM; -ENOSPC;
 *    then no flag was changed
 */
int space_set_flags(struct vm *, struct space *, uint64_t start, uint64_t end,
    uint8_t set, uint8_t clear);

/*
 * => [start, end) is gone; unmanaged parts are skipped; 0, -EINVAL, -EPERM,
 *    -ENOSPC
 */
int space_unmap(struct vm *, struct space *, uint64_t start, uint64_t end);

/*
 * => the program threw the contents away: its own pages are UNKNOWN, those of
 *    an object stay what they are; regions stay.  Not a snapshot's: what its
 *    holder loses must not read zero
 */
void space_remove(struct vm *, struct space *, uint64_t start, uint64_t end);

/*
 * space_remap: the contents of [from, from + len) are at to now
 *
 * => what was at the destination is unmapped; the source stays, UNKNOWN
 *    (mremap tells of its end by a separate unmap, or keeps it)
 * => 0, -EINVAL, -EPERM, -ENOSPC (nothing moved)
 */
int space_remap(struct vm *, struct space *, uint64_t from, uint64_t to,
    uint64_t len);

#endif
