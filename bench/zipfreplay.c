/*
 * zipfreplay.c: how many reads of zipftrace's trace must miss
 *
 * usage: zipfreplay MIB READS SEED FRAMES REPORT
 *
 * Replays the trace, beginning with the fill in order, in a memory of so many
 * frames.  REPORT gets the reads that miss if the page that leaves is
 *
 *	lru	the one that was used longest ago
 *	lfu	the one that is least likely to be read, as if that were known:
 *		the best there is without seeing the future, for each read is
 *		chosen anew (Aho, Denning and Ullman, Principles of Optimal
 *		Page Replacement, 1971)
 *	opt	the one whose next use is farthest (Belady): no policy that
 *		brings in one page a miss can do with fewer
 *
 * Misses of the fill are not counted: every policy has those.
 */
#include <sys/mman.h>

#include <stdbool.h>

#include "bench.h"
#include "zipf.h"

#define NEVER UINT32_MAX

struct replay {
	size_t npages, length, frames;
	uint32_t *trace; /* length pages; the first npages are the fill */
	uint32_t *rank;  /* of a page: 0 is read most */
};

static uint32_t *
numbers(size_t n)
{
	return bench_map(n * sizeof(uint32_t), MAP_PRIVATE);
}

static void
read_trace(struct replay *r, uint64_t seed)
{
	struct zipf z;

	zipf_init(&z, r->npages, seed);
	r->rank = numbers(r->npages);
	for (size_t i = 0; i < r->npages; i++)
		r->rank[z.item_of[i]] = (uint32_t)i;
	r->trace = numbers(r->length);
	for (size_t i = 0; i < r->length; i++)
		r->trace[i] = (uint32_t)(i < r->npages ? i : zipf_next(&z));
}

/*
 * The clock is the place in the trace.  A page's last use is where it is now in
 * the order of use; the hand passes places that are nobody's last use.
 */
static size_t
lru_misses(const struct replay *r)
{
	uint32_t *last = numbers(r->npages); /* place + 1; 0: out */
	size_t used = 0, misses = 0, hand = 0;

	for (size_t i = 0; i < r->length; i++) {
		uint32_t page = r->trace[i];

		if (last[page] == 0) {
			misses += i >= r->npages;
			used++;
		}
		last[page] = (uint32_t)i + 1;
		for (; used > r->frames; hand++)
			if (last[r->trace[hand]] == hand + 1) {
				last[r->trace[hand]] = 0;
				used--;
			}
	}
	return misses;
}

/* => for each place of the trace, where its page is used next */
static uint32_t *
next_uses(const struct replay *r)
{
	uint32_t *next = numbers(r->length), *seen = numbers(r->npages);

	for (size_t i = 0; i < r->npages; i++)
		seen[i] = NEVER;
	for (size_t i = r->length; i-- > 0;) {
		next[i] = seen[r->trace[i]];
		seen[r->trace[i]] = (uint32_t)i;
	}
	return next;
}

/* A heap of places, that with the greatest key (farthest next use) on top. */
struct heap {
	const uint32_t *key; /* by place */
	uint32_t *places;
	size_t n;
};

static void
heap_push(struct heap *h, uint32_t place)
{
	size_t i = h->n++;

	for (; i > 0; i = (i - 1) / 2) {
		uint32_t parent = h->places[(i - 1) / 2];

		if (h->key[parent] >= h->key[place])
			break;
		h->places[i] = parent;
	}
	h->places[i] = place;
}

static uint32_t
heap_pop(struct heap *h)
{
	uint32_t top = h->places[0], last = h->places[--h->n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n &&
		    h->key[h->places[child + 1]] > h->key[h->places[child]])
			child++;
		if (h->key[last] >= h->key[h->places[child]])
			break;
		h->places[i] = h->places[child];
		i = child;
	}
	h->places[i] = last;
	return top;
}

/*
 * A place in the heap that is not its page's last use is stale: its next use
 * has come, so that it is nearer than all that are not, and never on top.
 */
static size_t
opt_misses(const struct replay *r)
{
	uint32_t *last = numbers(r->npages); /* place + 1; 0: out */
	struct heap h = { .key = next_uses(r), .places = numbers(r->length) };
	size_t used = 0, misses = 0;

	for (size_t i = 0; i < r->length; i++) {
		uint32_t page = r->trace[i], gone;

		if (last[page] == 0) {
			misses += i >= r->npages;
			if (used == r->frames) {
				gone = heap_pop(&h);
				last[r->trace[gone]] = 0;
			} else {
				used++;
			}
		}
		last[page] = (uint32_t)i + 1;
		heap_push(&h, (uint32_t)i);
	}
	return misses;
}

/* The same heap, of pages by rank: a page is in it while it is in memory. */
static size_t
lfu_misses(const struct replay *r)
{
	struct heap h = { .key = r->rank, .places = numbers(r->npages) };
	bool *there = bench_map(r->npages * sizeof(*there), MAP_PRIVATE);
	size_t misses = 0;

	for (size_t i = 0; i < r->length; i++) {
		uint32_t page = r->trace[i];

		if (there[page])
			continue;
		misses += i >= r->npages;
		if (h.n == r->frames)
			there[heap_pop(&h)] = false;
		there[page] = true;
		heap_push(&h, page);
	}
	return misses;
}

int
main(int argc, char **argv)
{
	struct replay r;
	FILE *f;

	if (argc != 6)
		bench_usage("MIB READS SEED FRAMES REPORT");
	r.npages = bench_number(argv[1], 1) * PAGES_PER_MIB;
	r.length = r.npages + bench_number(argv[2], 1);
	r.frames = bench_number(argv[4], 1);
	if (r.length >= NEVER)
		bench_die("too many reads");
	read_trace(&r, bench_number(argv[3], 0));
	f = bench_report(argv[5]);
	fprintf(f, "{\"lru\": %zu, \"lfu\": %zu, \"opt\": %zu}\n",
	    lru_misses(&r), lfu_misses(&r), opt_misses(&r));
	bench_report_end(f);
	return 0;
}
