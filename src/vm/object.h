/*
 * object.h: memory that several regions may map
 *
 *	region --- (object, first page) ---> object --< slot >-- physblock
 *	region --- (object, first page) ---/    \
 *	                                         source: where a page comes from
 *	                                         that the object does not have
 *
 * In the fault plane an object is one memfd, so a page of it is one frame for
 * all who map it.  Its slots are read so:
 *
 *	UNKNOWN   the object has no bytes of its own: take the source's
 *	RESIDENT  the frame is in the memfd; with a block: clean, and mapped
 *	          write-protected wherever it is mapped
 *	OUT       no frame; the block has the bytes
 *
 * Which clients have a frame in their page tables is not recorded: the kernel
 * knows, and a hole punched into the memfd takes it from all of them at once.
 *
 * An object lives as long as a region maps it or it is kept: by its name, by
 * the cache, or by who made it until it is dropped.
 */
#ifndef OBJECT_H
#define OBJECT_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stdint.h>

#include "counts.h"
#include "name.h"
#include "slot.h"

struct group;
struct memtype;
struct region;
struct space;
struct vm;

enum source_kind {
	SOURCE_ZERO = 0,     /* zeros */
	SOURCE_SNAPSHOT = 1, /* space id of a snapshot, address in it */
	SOURCE_IMAGE = 2,    /* number of an image, first page in it */
	SOURCE_CACHE = 3,    /* nothing: device and offset only identify */
	SOURCE_COUNT,
};

struct object_record { /* truth */
	uint64_t id;   /* OBJECT_ID | generation | index; 0: free */
	uint64_t npages;
	uint64_t slots;    /* first slot in the slot array */
	uint64_t capacity; /* slots owned */
	uint64_t source_id;
	uint64_t source_at;
	uint32_t group; /* whose budget its frames count against; 0: none */
	uint32_t uid;
	uint8_t memtype; /* of every region that maps it */
	uint8_t source;  /* enum source_kind */
	uint8_t kept;
	uint8_t reserved[5];
	char name[NAME_BYTES]; /* empty: none */
};

#define OBJECT_INDEX_BITS 20
/* Regions are numbered below it, so that an id tells what it is of. */
#define OBJECT_ID (UINT64_C(1) << 62)

struct object { /* index */
	uint32_t index;
	struct object_record *rec;
	const struct memtype *memtype;
	struct group *group;
	struct space *source; /* SOURCE_SNAPSHOT */
	LIST_HEAD(, region) regions;
	TAILQ_ENTRY(object) in_group; /* if group is not NULL */
	TAILQ_ENTRY(object) named;    /* if it has a name */
	TAILQ_ENTRY(object) lru;      /* if cached and unused (cache.h) */
	RB_ENTRY(object) identity;    /* if cached */
	bool cached;                  /* in the tree of identities */
	struct counts counts;
	uint64_t hand; /* sweep: next page to look at */
};

struct object_spec {
	uint8_t memtype;
	uint8_t source;
	uint32_t uid;
	uint64_t npages;
	uint64_t source_id, source_at;
	const char *name; /* NULL: none */
};

/*
 * object_new: memory that regions of one memtype can map
 *
 * => group may be NULL: its frames count against nobody
 * => it is kept, for the caller, until object_drop()
 * => 0; -EINVAL: no such kind of object, no pages, a name that cannot be;
 *    -EEXIST: the user has one of that name or identity; -ENOENT: no snapshot
 *    has such a region; -EACCES: it is another user's; -ENOSPC
 */
int object_new(struct vm *, struct group *, const struct object_spec *,
    struct object **);
/* => neither named nor kept any longer; gone if no region maps it */
void object_drop(struct vm *, struct object *);

/* => NULL when that object is gone */
struct object *object_get(struct vm *, uint64_t id);
/* => NULL: this user has none of that name */
struct object *object_find(struct vm *, uint32_t uid, const char *name);
/* => the object names no group any longer; or this one, if it named none */
void object_discharge(struct object *);
void object_charge(struct object *, struct group *);

/* => regions that map it */
uint32_t object_users(const struct vm *, const struct object *);
/* For region.c alone; the last user of an object that nobody keeps ends it. */
void object_attach(struct vm *, struct object *, struct region *);
void object_detach(struct vm *, struct region *);

uint64_t object_slot(const struct vm *, const struct object *, uint64_t page);
/* => first page in [page, end) that is not UNKNOWN, or end */
uint64_t object_next(const struct vm *, const struct object *, uint64_t page,
    uint64_t end);

/*
 * The setters, as region.h's.
 */
/* => back to the source, or to zero */
void object_forget(struct vm *, struct object *, uint64_t page);
/* => in the memfd; it is the only copy, or the source's */
void object_resident(struct vm *, struct object *, uint64_t page);
/* => in the memfd, the block that the slot names stays true until a write */
void object_clean(struct vm *, struct object *, uint64_t page);
/* => in the memfd, from object_origin(); keep: clean if it was OUT */
void object_filled(struct vm *, struct object *, uint64_t page, bool keep);
/* => not in the memfd; block has the bytes (0: the one it names already) */
void object_out(struct vm *, struct object *, uint64_t page, uint32_t block);
/* => if resident, as young as a page installed now; or as old as can be */
void object_restamp(struct vm *, struct object *, uint64_t page);
void object_age(struct vm *, struct object *, uint64_t page);

#endif
