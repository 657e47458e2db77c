/*
 * region.h: [start, end) of a space, one memtype, a slot for each page
 */
#ifndef REGION_H
#define REGION_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stdint.h>

#include "counts.h"
#include "habit.h"
#include "slot.h"

struct memtype;
struct object;
struct space;
struct vm;

struct region_record {  /* truth */
	uint64_t id;    /* from 1; 0: free */
	uint64_t start; /* address, bytes */
	uint64_t npages;
	uint64_t slots;    /* first slot in the slot array */
	uint64_t capacity; /* slots owned, >= npages */
	uint64_t offset;   /* first page of the object */
	uint32_t object;   /* index; 0: none */
	uint32_t space;    /* index */
	uint8_t memtype;
	uint8_t flags;
	uint8_t reserved[6];
};

/* The client may not write to it (of anon, that is the kernel's to see to). */
#define REGION_READONLY 1
#define REGION_PINNED 2 /* its pages stay in memory */
/* It is not registered any more: its pages, and a child's, must never leave. */
#define REGION_EXCLUDED 4

struct readahead {     /* pages of the region */
	uint64_t next; /* where the stream goes on; 0: none yet */
	uint32_t window;
	bool sequential; /* it has been said that it will be read so */
	bool write;      /* the stream writes: fill writable */
};

struct region {                /* index */
	RB_ENTRY(region) link; /* in the space's tree, by start */
	uint32_t index;
	struct region_record *rec;
	struct space *space;
	const struct memtype *memtype;
	struct object *object;        /* NULL: none */
	LIST_ENTRY(region) of_object; /* if object is not NULL */
	struct object *template;      /* of a snapshot: what clones map */
	struct counts counts;         /* of its own slots */
	struct readahead readahead;
	struct readahead first; /* touches */
	struct habit habit;
};

RB_HEAD(region_tree, region);
RB_PROTOTYPE(region_tree, region, link, region_compare);

static inline uint64_t
region_end(const struct region *r)
{
	return r->rec->start + (r->rec->npages << PAGE_SHIFT);
}

/* => page number in r of an address inside it */
static inline uint64_t
region_page(const struct region *r, uint64_t addr)
{
	return (addr - r->rec->start) >> PAGE_SHIFT;
}

static inline uint64_t
region_addr(const struct region *r, uint64_t page)
{
	return r->rec->start + (page << PAGE_SHIFT);
}

/* => 0 or -ENOSPC; not yet in the space's tree */
int region_new(struct vm *, struct space *, uint64_t start, uint64_t npages,
    uint8_t memtype, struct region **);
/* => the same range, memtype, flags and object as from, for sp; no content */
int region_new_like(struct vm *, struct space *sp, const struct region *from,
    struct region **);
/* => it maps the object from page offset on; the memtype is the object's */
void region_attach(struct vm *, struct region *, struct object *,
    uint64_t offset);
/* => drops every slot; must not be in a tree any more */
void region_free(struct vm *, struct region *);
/* => the part from page on becomes a region of its own; 0 or -ENOSPC */
int region_split(struct vm *, struct region *, uint64_t page, struct region **);
/* => grows at the end; 0 or -ENOSPC; an object must have the pages */
int region_extend(struct vm *, struct region *, uint64_t npages);

uint64_t region_slot(const struct vm *, const struct region *, uint64_t page);

/* => the page of its object that stands at a page of r */
static inline uint64_t
region_object_page(const struct region *r, uint64_t page)
{
	return r->rec->offset + page;
}

/* => the slot of what the client sees there: its own, or the object's */
uint64_t region_shown(const struct vm *, const struct region *, uint64_t page);

/*
 * The setters: every change of a slot goes through one of these.  A block
 * given is a reference that the caller had and gives to the slot; what the
 * slot named before is dropped.
 */
/* => reads zero from now on; or, of an object, the object's page */
void region_forget(struct vm *, struct region *, uint64_t page);
/* => may a page that is found full of zeros be forgotten? */
bool region_forgets_to_zero(const struct region *);
/* => in the client, the only copy */
void region_resident(struct vm *, struct region *, uint64_t page);
/* => in the client since before it came under management: old */
void region_found(struct vm *, struct region *, uint64_t page);
/* => if resident, as old as a page can be: it leaves first */
void region_age(struct vm *, struct region *, uint64_t page);
/* => in the client, write-protected; the block it names stays its copy */
void region_clean(struct vm *, struct region *, uint64_t page);
/*
 * => can be written in place, by PLAN_UNPROTECT; the copy of what is written,
 *    its own page or the object's, is void
 */
void region_written(struct vm *, struct region *, uint64_t page);
/* => shows the object's frame; writable: as region_written() */
void region_continued(struct vm *, struct region *, uint64_t page,
    bool writable);
/*
 * => in the client, write-protected; block, which has its bytes, is its copy
 *    from now on
 */
void region_kept(struct vm *, struct region *, uint64_t page, uint32_t block);
/* => if resident, write-protected now, as a fork does it; or all that are */
void region_protect_page(struct vm *, struct region *, uint64_t page);
void region_protect(struct vm *, struct region *);
/* => not in the client; block has the bytes (0: the one it names already) */
void region_out(struct vm *, struct region *, uint64_t page, uint32_t block);
/* => as it is, but block has its bytes now (a block with the same bytes) */
void region_rebind(struct vm *, struct region *, uint64_t page, uint32_t block);
/* => as one of the parent's, for fork */
void region_copy_slot(struct vm *, struct region *, uint64_t page,
    uint64_t slot);
/* => if resident, as young as a page installed now */
void region_restamp(struct vm *, struct region *, uint64_t page);

/*
 * region_may_poke: may somebody else write into these pages, where they are?
 *
 * => 0; -EINVAL: not all of them are r's; -EFAULT: one is not in memory, or
 *    has its content, or its frame, in common with another
 */
int region_may_poke(const struct vm *, const struct region *, uint64_t page,
    uint64_t npages);

/* => first page in [page, end) that is not UNKNOWN, or end */
uint64_t region_next(const struct vm *, const struct region *, uint64_t page,
    uint64_t end);

#endif
