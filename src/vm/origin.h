/*
 * origin.h: where the bytes of a page are
 *
 * A page that a client shows may be its own, an object's, or come from what
 * the object was made of; which may be a page of a snapshot, that is again its
 * own, an object's, and so on.
 */
#ifndef ORIGIN_H
#define ORIGIN_H

#include <stdint.h>

struct object;
struct region;
struct space;
struct vm;

enum origin_kind {
	ORIGIN_ZERO,    /* it is zero */
	ORIGIN_CLIENT,  /* at an address of a space */
	ORIGIN_FRAME,   /* in the memfd of an object */
	ORIGIN_BLOCK,   /* where the physblock says */
	ORIGIN_IMAGE,   /* a page of what an object of images comes from */
	ORIGIN_NOWHERE, /* nobody has it */
};

struct origin {
	enum origin_kind kind;
	const struct space *space;   /* CLIENT */
	const struct object *object; /* FRAME, IMAGE */
	uint64_t at;                 /* CLIENT: address; FRAME, IMAGE: page */
	uint64_t image;              /* IMAGE */
	uint32_t block;              /* BLOCK */
};

/*
 * => of what the client sees at a page; a clean one is a BLOCK, which its
 *    process need not be there for
 */
struct origin region_origin(const struct vm *, const struct region *,
    uint64_t page);
struct origin object_origin(const struct vm *, const struct object *,
    uint64_t page);
/* => the same, were the object's own page not there */
struct origin source_origin(const struct vm *, const struct object *,
    uint64_t page);

#endif
