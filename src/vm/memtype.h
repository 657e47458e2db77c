/*
 * memtype.h: policy of a kind of memory
 *
 * A memtype decides, it does not act: plan() says what an access needs, the
 * fault plane carries it out and tells the model by region.h's setters.
 * One file a memtype, one line in memtype.c.
 */
#ifndef MEMTYPE_H
#define MEMTYPE_H

#include <stdbool.h>
#include <stdint.h>

struct region;
struct vm;

enum plan {
	PLAN_ZERO,      /* install zeros */
	PLAN_FILL,      /* install the block's bytes */
	PLAN_UNPROTECT, /* let it be written; its stored copy is void */
};

enum access {
	ACCESS_READ,      /* missing page, read */
	ACCESS_WRITE,     /* missing page, written */
	ACCESS_PROTECTED, /* write to a write-protected page */
};

struct memtype {
	const char *name;
	/* what the access needs; never NULL */
	enum plan (*plan)(const struct vm *, const struct region *,
	    uint64_t page, enum access);
	/*
	 * May a page filled for this access keep its stored copy (installed
	 * write-protected)?  Never NULL.
	 */
	bool (*keep_copy)(const struct vm *, const struct region *,
	    uint64_t page, enum access);
};

enum memtype_id {
	MEMTYPE_ANON = 0,
	MEMTYPE_COUNT,
};

extern const struct memtype memtype_anon;

const struct memtype *memtype_get(uint8_t id);

#endif
