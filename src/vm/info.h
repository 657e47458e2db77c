/*
 * info.h: what a space looks like, for those who list and draw it
 *
 * A cursor is the first address that was not looked at.  Nothing returned is
 * the end: there is always room for one, and what is empty is told as such.
 */
#ifndef INFO_H
#define INFO_H

#include <stdbool.h>
#include <stdint.h>

struct region;
struct space;
struct vm;

enum page_state {
	PAGE_UNKNOWN,   /* not seen: zero, or what an object's source has */
	PAGE_RESIDENT,  /* in memory, the only copy */
	PAGE_PROTECTED, /* in memory, write-protected by a fork */
	PAGE_CLEAN,     /* in memory, write-protected, and stored */
	PAGE_STAGED,    /* captured, not yet stored */
	PAGE_OUT,       /* stored */
	PAGE_LOST,
};

struct page_run { /* of one region */
	uint64_t addr;
	uint64_t npages;
	enum page_state state;
	uint8_t backend; /* CLEAN, OUT: where it is stored */
	bool own;        /* the region's own; not the object's */
	bool common;     /* the content has another owner too */
};

/*
 * info_pages: runs of pages that are alike
 *
 * => from *cursor on, at most max (not 0); returns their number
 */
uint32_t info_pages(const struct vm *, struct space *, uint64_t *cursor,
    struct page_run *, uint32_t max);

struct region_view {
	uint64_t id;
	uint64_t start, end;    /* all of it, whatever is present */
	uint64_t object;        /* id; 0: none */
	uint64_t offset;        /* page of the object */
	uint64_t resident, out; /* pages, as the client sees them */
	const char *memtype;
	bool readonly, pinned;
};

/* => regions that end above *cursor, each once; as info_pages() */
uint32_t info_regions(const struct vm *, struct space *, uint64_t *cursor,
    struct region_view *, uint32_t max);

/*
 * What tells whether two regions show the same memory: the id of the object, or
 * of the region itself; and how many regions have it.
 *
 * => -EINVAL: no region starts at addr
 */
int info_get_phys(struct space *, uint64_t addr, uint64_t *id);
int info_get_ref(const struct vm *, struct space *, uint64_t addr,
    uint32_t *refs);

#endif
