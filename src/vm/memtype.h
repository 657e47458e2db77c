/*
 * memtype.h: policy of a kind of memory
 *
 * A memtype decides, it does not act: plan() says what an access needs, the
 * fault plane carries it out and tells the model by the setters of region.h
 * and object.h.  One file a memtype, one line in memtype.c.
 *
 *	          own pages  object's pages  source of the object
 *	anon      yes        -               -
 *	shared    -          written         zero, snapshot, image
 *	cow       yes        read            snapshot
 *	image     yes        read            image
 *	cache     -          read            none: it is filled, or not
 *
 * No hook asks whether a region may be cut or copied: all can be.
 */
#ifndef MEMTYPE_H
#define MEMTYPE_H

#include <stdbool.h>
#include <stdint.h>

struct object;
struct region;
struct vm;

/*
 * What the fault plane does, and the setter that tells of it.  "The object's
 * page" is that of region_object_page().
 */
enum plan {
	/* install zeros; region_resident() */
	PLAN_ZERO,
	/* install the block's bytes; region_clean() or region_resident() */
	PLAN_FILL,
	/* let it be written in place; region_written() voids the copy */
	PLAN_UNPROTECT,
	/*
	 * Bring the object's page into its memfd, from object_origin();
	 * object_filled().  Then ask again.
	 */
	PLAN_FILL_OBJECT,
	/* map the object's frame, writable; region_continued() */
	PLAN_CONTINUE,
	/* map the object's frame, write-protected; region_continued() */
	PLAN_CONTINUE_PROTECTED,
	/*
	 * Install the object's page, from object_origin(), writable, as the
	 * client's own; region_resident()
	 */
	PLAN_COPY,
	/*
	 * Unprotect: the kernel copies the object's frame when the write is
	 * tried again; region_resident()
	 */
	PLAN_BREAK,
	/*
	 * It may not be had.  Poison what is missing; who writes to a
	 * protected page that he may only read has changed his mappings
	 * behind our back, and is dropped.
	 */
	PLAN_DENY,
};

enum access {
	ACCESS_READ,      /* missing page, read */
	ACCESS_WRITE,     /* missing page, written */
	ACCESS_PROTECTED, /* write to a write-protected page */
};

/* How a frame of an object leaves memory, and the setter that tells of it. */
enum leave {
	LEAVE_STAY,    /* there is none, or somebody has it pinned */
	LEAVE_DROP,    /* the source has it; object_forget() */
	LEAVE_KEPT,    /* the stored copy is true; object_out(..., 0) */
	LEAVE_CAPTURE, /* store it first; object_out() */
};

/*
 * How pages of a client's own leave it: the kernel moves those of anonymous
 * mappings alone (UFFDIO_MOVE).
 */
enum way {
	WAY_NONE, /* they do not, or there are none */
	WAY_MOVE, /* the agent moves them: captured in one step with that */
	WAY_DROP, /* a copy is stored, then the agent drops them */
};

struct memtype {
	const char *name;
	bool object;     /* its regions map an object */
	bool own_pages;  /* slots of its regions are used */
	enum way way;    /* in which pages of its own leave */
	bool frozen;     /* a fork keeps what it shows: snapshots have it */
	uint8_t sources; /* of its objects: bits by enum source_kind */

	/* what the access needs; never NULL */
	enum plan (*plan)(const struct vm *, const struct region *,
	    uint64_t page, enum access);
	/*
	 * May a page filled for this access keep its stored copy (installed
	 * write-protected)?  Never NULL.
	 */
	bool (*keep_copy)(const struct vm *, const struct region *,
	    uint64_t page, enum access);
	/* Is the page, as it stands, written without a fault?  Never NULL. */
	bool (*writable)(const struct vm *, const struct region *,
	    uint64_t page);
	/* how an object's page leaves; not NULL if it has objects */
	enum leave (*leave)(const struct vm *, const struct object *,
	    uint64_t page);
};

enum memtype_id { /* truth: in records */
	MEMTYPE_ANON = 0,
	MEMTYPE_SHARED = 1,
	MEMTYPE_COW = 2,
	MEMTYPE_IMAGE = 3,
	MEMTYPE_CACHE = 4,
	MEMTYPE_COUNT,
};

extern const struct memtype memtype_anon;
extern const struct memtype memtype_shared;
extern const struct memtype memtype_cow;
extern const struct memtype memtype_image;
extern const struct memtype memtype_cache;

const struct memtype *memtype_get(uint8_t id);

/* Hooks that several memtypes have. */
bool keep_unless_written(const struct vm *, const struct region *,
    uint64_t page, enum access);
enum leave leave_to_store(const struct vm *, const struct object *,
    uint64_t page);

/* => does a region of it have pages pinned? */
bool object_is_pinned(const struct object *);
/* => its memtype's leave(), unless a region has the page pinned */
enum leave object_leave(const struct vm *, const struct object *,
    uint64_t page);

#endif
