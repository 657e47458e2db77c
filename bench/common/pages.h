/*
 * pages.h: pages whose contents are known
 *
 * Half of a page's bytes are noise and half are one repeated word, so that
 * compression gains about half.  Its last word counts how often it changed.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stddef.h>
#include <stdint.h>

struct pages {
	uint64_t *base;
	size_t npages;
	uint32_t *version; /* of each page; shared: never paged */
	uint64_t seed;
};

/* => base is memory of npages pages, mapped by the caller */
void pages_init(struct pages *, void *base, size_t npages, uint64_t seed);
/* => the page is as new */
void pages_fill(struct pages *, size_t page);
/* => looks at three of its words; the program ends if one is wrong */
void pages_read(struct pages *, size_t page);
void pages_change(struct pages *, size_t page);
/*
 * The same for pages that other threads change meanwhile: what never changes is
 * looked at here, and how often the page changed in pages_verify().
 */
void pages_read_shared(struct pages *, size_t page);
void pages_change_shared(struct pages *, size_t page);
/* => every word of all pages; the program ends if one is wrong */
void pages_verify(const struct pages *);

#endif
