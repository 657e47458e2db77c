/*
 * pages.c: pages whose contents are known
 */
#include "pages.h"

#include <sys/mman.h>

#include "bench.h"

#define WORDS (PAGE / sizeof(uint64_t))
#define NOISE UINT64_C(6364136223846793005)

void
pages_init(struct pages *p, void *base, size_t npages, uint64_t seed)
{
	*p = (struct pages){ .base = base,
		.npages = npages,
		.seed = seed,
		.version =
		    bench_map(npages * sizeof(*p->version), MAP_SHARED) };
	for (size_t i = 0; i < npages; i++)
		p->version[i] = 0; /* touched, outside of what is timed */
}

static uint64_t *
page_at(const struct pages *p, size_t page)
{
	return p->base + page * WORDS;
}

static uint64_t
key_of(const struct pages *p, size_t page)
{
	return bench_mix(p->seed + page);
}

void
pages_fill(struct pages *p, size_t page)
{
	uint64_t *w = page_at(p, page);
	uint64_t key = key_of(p, page);
	size_t k;

	w[0] = key;
	for (k = 1; k < WORDS / 2; k++)
		w[k] = key = key * NOISE + 1;
	for (; k < WORDS; k++)
		w[k] = page;
	w[WORDS - 1] = p->version[page] = 1;
}

void
pages_read(struct pages *p, size_t page)
{
	const uint64_t *w = page_at(p, page);

	if (w[0] != key_of(p, page) || w[WORDS / 2] != page ||
	    w[WORDS - 1] != p->version[page])
		bench_wrong("page", page);
}

void
pages_change(struct pages *p, size_t page)
{
	pages_read(p, page);
	page_at(p, page)[WORDS - 1] = ++p->version[page];
}

void
pages_read_shared(struct pages *p, size_t page)
{
	const uint64_t *w = page_at(p, page);

	if (w[0] != key_of(p, page) || w[WORDS / 2] != page)
		bench_wrong("page", page);
}

void
pages_change_shared(struct pages *p, size_t page)
{
	pages_read_shared(p, page);
	__atomic_fetch_add(&page_at(p, page)[WORDS - 1], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->version[page], 1, __ATOMIC_RELAXED);
}

static int
page_is_right(const struct pages *p, size_t page)
{
	const uint64_t *w = page_at(p, page);
	uint64_t key = key_of(p, page);
	size_t k;

	for (k = 0; k < WORDS / 2; k++, key = key * NOISE + 1)
		if (w[k] != key)
			return 0;
	for (; k < WORDS - 1; k++)
		if (w[k] != page)
			return 0;
	return w[k] == p->version[page];
}

void
pages_verify(const struct pages *p)
{
	for (size_t i = 0; i < p->npages; i++)
		if (!page_is_right(p, i))
			bench_wrong("page", i);
}
