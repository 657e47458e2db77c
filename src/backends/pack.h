/*
 * pack.h: what a page becomes before a store keeps it
 *
 * Pure, and dear: packing costs more than all else that happens to a page on
 * its way to a store, so it is done apart from storing, by any thread.
 *
 *	one 32-bit word over and over	nothing: the word
 *	LZ4 makes it PACK_MAX or less	the compressed bytes
 *	neither				the page
 */
#ifndef PACK_H
#define PACK_H

#include <stdbool.h>
#include <stdint.h>

#define PACK_PAGE 4096u
/* Bytes of a compressed page; with them a store may need some of its own. */
#define PACK_MAX (PACK_PAGE / 8 * 7 - 16)

struct packed {
	const void *bytes; /* of page or of buf, see pack_page() */
	uint32_t len;      /* 0: only the word; PACK_PAGE: the page as it is */
	uint32_t word;
};

/*
 * pack_page: out says what becomes of page
 *
 * => buf has room for PACK_MAX bytes; it and the page are the caller's, and
 *    out refers to one of them
 */
void pack_page(const void *page, void *buf, struct packed *out);

static inline bool
packed_is_zero(const struct packed *p)
{
	return p->len == 0 && p->word == 0;
}

/* => page is what it was; 0, or -EIO: these bytes are not of a packed page */
int unpack_page(const struct packed *, void *page);

#endif
