/*
 * alloc.c: keeps an allocator busy beyond the budget, and checks each block
 *
 * usage: alloc malloc|brk MIB THREADS
 *
 * "malloc" is whatever allocator is preloaded; "brk" is one of our own that
 * takes its memory from the program break alone.
 */
#include "live.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_MAX ((size_t)64 << 10)
#define CLASSES 17

struct allocator {
	void *(*get)(size_t);
	void *(*grow)(void *, size_t old, size_t len);
	void (*put)(void *, size_t);
};

struct block {
	uint8_t *bytes;
	size_t len;
	uint64_t tag;
};

struct worker {
	pthread_t thread;
	const struct allocator *with;
	size_t budget; /* bytes to hold at once */
	uint64_t rng;
	uint64_t sum; /* result */
};

static void *
libc_grow(void *p, size_t old, size_t len)
{
	(void)old;
	return realloc(p, len);
}

static void
libc_put(void *p, size_t len)
{
	(void)len;
	free(p);
}

static const struct allocator libc_allocator = { malloc, libc_grow, libc_put };

/* Free lists of powers of two; one thread. */
static void *brk_free[CLASSES];

static unsigned
brk_class(size_t len)
{
	unsigned c = 4;

	while (((size_t)1 << c) < len)
		c++;
	if (c >= CLASSES)
		live_die("a block of %zu bytes", len);
	return c;
}

static void *
brk_get(size_t len)
{
	unsigned c = brk_class(len);
	void *p = brk_free[c];

	if (p != NULL) {
		brk_free[c] = *(void **)p;
		return p;
	}
	p = sbrk((intptr_t)1 << c);
	if (p == (void *)-1)
		live_die("sbrk");
	return p;
}

static void
brk_put(void *p, size_t len)
{
	*(void **)p = brk_free[brk_class(len)];
	brk_free[brk_class(len)] = p;
}

static void *
brk_grow(void *p, size_t old, size_t len)
{
	void *q = brk_get(len);

	memcpy(q, p, old < len ? old : len);
	brk_put(p, old);
	return q;
}

static const struct allocator brk_allocator = { brk_get, brk_grow, brk_put };

static uint8_t
byte_at(uint64_t tag, size_t i)
{
	return (uint8_t)(tag >> (i / 7 % 8 * 8)) ^ (uint8_t)i;
}

static void
block_fill(struct block *b, size_t from)
{
	size_t i;

	for (i = from; i < b->len; i++)
		b->bytes[i] = byte_at(b->tag, i);
}

static void
block_verify(const struct block *b, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (b->bytes[i] != byte_at(b->tag, i))
			live_die("WRONG DATA: byte %zu of a block of %zu", i,
			    b->len);
}

/* Small blocks are common, large ones rare. */
static size_t
random_len(uint64_t *rng)
{
	uint64_t r = live_rng(rng);

	return 16 + (size_t)(r >> 8) % (r % 16 == 0 ? BLOCK_MAX - 16 : 2000);
}

static void
churn(struct worker *w, struct block *b)
{
	size_t len;

	block_verify(b, b->len);
	w->sum = live_mix(w->sum ^ b->tag ^ b->len);
	if (live_rng(&w->rng) % 4 == 0) {
		len = random_len(&w->rng);
		b->bytes = w->with->grow(b->bytes, b->len, len);
		block_verify(b, len < b->len ? len : b->len);
	} else {
		w->with->put(b->bytes, b->len);
		len = random_len(&w->rng);
		b->bytes = w->with->get(len);
		b->tag = live_rng(&w->rng);
	}
	b->len = len;
	block_fill(b, 0);
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	size_t max = w->budget / 64;
	struct block *blocks = live_map_shared(max * sizeof(*blocks));
	size_t held;
	size_t n;
	size_t i;

	for (n = held = 0; held < w->budget && n < max; n++) {
		blocks[n].len = random_len(&w->rng);
		blocks[n].tag = live_rng(&w->rng);
		blocks[n].bytes = w->with->get(blocks[n].len);
		block_fill(&blocks[n], 0);
		held += blocks[n].len;
	}
	for (i = 0; i < n; i++)
		churn(w, &blocks[live_rng(&w->rng) % n]);
	for (i = 0; i < n; i++)
		block_verify(&blocks[i], blocks[i].len);
	live_hold("full");
	for (i = 0; i < n; i++) {
		block_verify(&blocks[i], blocks[i].len);
		w->with->put(blocks[i].bytes, blocks[i].len);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	struct worker w[16];
	size_t nthreads;
	size_t i;
	bool own;

	if (argc != 4)
		live_die("usage: alloc malloc|brk MIB THREADS");
	nthreads = strtoul(argv[3], NULL, 10);
	own = strcmp(argv[1], "brk") == 0;
	if (nthreads < 1 || nthreads > (own ? 1 : 16))
		live_die("bad number of threads");
	for (i = 0; i < nthreads; i++) {
		w[i].with = own ? &brk_allocator : &libc_allocator;
		w[i].budget = live_mib(argv[2]) / nthreads;
		w[i].rng = live_mix(live_seed() + i);
		w[i].sum = 0;
		if (pthread_create(&w[i].thread, NULL, work, &w[i]) != 0)
			live_die("pthread_create");
	}
	for (i = 0; i < nthreads; i++)
		pthread_join(w[i].thread, NULL);
	for (i = 0; i < nthreads; i++)
		printf("sum %016llx\n", (unsigned long long)w[i].sum);
	return 0;
}
