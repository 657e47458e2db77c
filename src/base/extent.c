/*
 * extent.c: allocator of contiguous runs in a large array
 *
 * The free runs stand in two trees, by position (to coalesce) and by size
 * (to fit).  No two of them touch.  A run is leaked when it cannot be
 * recorded because the pool of nodes is empty: it is then neither free nor
 * in use, and nobody gets it again before a restart.
 */
#include "extent.h"

#include <sys/queue.h>
#include <sys/tree.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "assert.h"
#include "reserve.h"

struct extent {
	uint64_t pos;
	uint64_t n;
	union {
		RB_ENTRY(extent) by_pos;
		SLIST_ENTRY(extent) spare;
	};
	RB_ENTRY(extent) by_size;
};

RB_HEAD(pos_tree, extent);
RB_HEAD(size_tree, extent);

struct extents { /* one thread */
	uint64_t nunits;
	uint64_t nfree;
	uint64_t nleaked;
	struct pos_tree by_pos;
	struct size_tree by_size;
	SLIST_HEAD(, extent) spare; /* nodes given back */
	struct extent *nodes;       /* the pool */
	uint32_t max_nodes;
	uint32_t nodes_touched; /* of the pool; the rest takes no memory */
};

static int
pos_cmp(const struct extent *a, const struct extent *b)
{
	return (a->pos > b->pos) - (a->pos < b->pos);
}

static int
size_cmp(const struct extent *a, const struct extent *b)
{
	int c = (a->n > b->n) - (a->n < b->n);

	return c != 0 ? c : pos_cmp(a, b);
}

/* RB_GENERATE_STATIC needs __unused, which libbsd leaves undefined on Linux. */
#define TREE_FUNCTION static __attribute__((unused))
RB_GENERATE_INTERNAL(pos_tree, extent, by_pos, pos_cmp, TREE_FUNCTION)
RB_GENERATE_INTERNAL(size_tree, extent, by_size, size_cmp, TREE_FUNCTION)

static struct extent *
node_get(struct extents *x)
{
	struct extent *e = SLIST_FIRST(&x->spare);

	if (e != NULL)
		SLIST_REMOVE_HEAD(&x->spare, spare);
	else if (x->nodes_touched < x->max_nodes)
		e = &x->nodes[x->nodes_touched++];
	return e;
}

static void
run_insert(struct extents *x, uint64_t pos, uint64_t n)
{
	struct extent *e;

	if (n == 0)
		return;
	e = node_get(x);
	if (e == NULL) {
		x->nleaked += n;
		return;
	}
	e->pos = pos;
	e->n = n;
	x->nfree += n;
	ASSERT(RB_INSERT(pos_tree, &x->by_pos, e) == NULL);
	ASSERT(RB_INSERT(size_tree, &x->by_size, e) == NULL);
}

static void
run_remove(struct extents *x, struct extent *e)
{
	RB_REMOVE(pos_tree, &x->by_pos, e);
	RB_REMOVE(size_tree, &x->by_size, e);
	x->nfree -= e->n;
	SLIST_INSERT_HEAD(&x->spare, e, spare);
}

/* => moves the ends of a run, never past a neighbour: its order stays */
static void
run_resize(struct extents *x, struct extent *e, uint64_t pos, uint64_t n)
{
	RB_REMOVE(size_tree, &x->by_size, e);
	x->nfree += n - e->n;
	e->pos = pos;
	e->n = n;
	ASSERT(RB_INSERT(size_tree, &x->by_size, e) == NULL);
}

static void
run_take_front(struct extents *x, struct extent *e, uint64_t n)
{
	if (e->n == n)
		run_remove(x, e);
	else
		run_resize(x, e, e->pos + n, e->n - n);
}

/* => the last free run that starts before pos, and the first that does not */
static void
run_neighbours(struct extents *x, uint64_t pos, struct extent **before,
    struct extent **after)
{
	struct extent key = { .pos = pos };

	*after = RB_NFIND(pos_tree, &x->by_pos, &key);
	*before = *after != NULL ? RB_PREV(pos_tree, &x->by_pos, *after)
				 : RB_MAX(pos_tree, &x->by_pos);
}

int
extents_new(uint64_t nunits, uint32_t max_nodes, struct extents **xp)
{
	struct extents *x;
	void *nodes;
	int r;

	ASSERT(nunits > 0 && max_nodes > 0);
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		return -ENOMEM;
	r = reserve_private(max_nodes * sizeof(*x->nodes), &nodes);
	if (r < 0) {
		free(x);
		return r;
	}
	x->nodes = nodes;
	x->max_nodes = max_nodes;
	x->nunits = nunits;
	RB_INIT(&x->by_pos);
	RB_INIT(&x->by_size);
	SLIST_INIT(&x->spare);
	run_insert(x, 0, nunits);
	*xp = x;
	return 0;
}

void
extents_delete(struct extents *x)
{
	if (x == NULL)
		return;
	reserve_release(x->nodes, x->max_nodes * sizeof(*x->nodes));
	free(x);
}

int
extents_alloc(struct extents *x, uint64_t n, uint64_t *pos)
{
	struct extent key = { .n = n }, *e;

	ASSERT(n > 0);
	e = RB_NFIND(size_tree, &x->by_size, &key);
	if (e == NULL)
		return -ENOSPC;
	*pos = e->pos;
	run_take_front(x, e, n);
	return 0;
}

int
extents_grow(struct extents *x, uint64_t end, uint64_t n)
{
	struct extent key = { .pos = end }, *e;

	if (n == 0)
		return 0;
	e = RB_FIND(pos_tree, &x->by_pos, &key);
	if (e == NULL || e->n < n)
		return -ENOSPC;
	run_take_front(x, e, n);
	return 0;
}

void
extents_free(struct extents *x, uint64_t pos, uint64_t n)
{
	struct extent *before, *after;
	bool join_before, join_after;

	if (n == 0)
		return;
	ASSERT(pos < x->nunits && n <= x->nunits - pos);
	run_neighbours(x, pos, &before, &after);
	ASSERT(before == NULL || before->pos + before->n <= pos);
	ASSERT(after == NULL || pos + n <= after->pos);

	join_before = before != NULL && before->pos + before->n == pos;
	join_after = after != NULL && pos + n == after->pos;
	if (join_before && join_after) {
		n += after->n;
		run_remove(x, after);
		run_resize(x, before, before->pos, before->n + n);
	} else if (join_before) {
		run_resize(x, before, before->pos, before->n + n);
	} else if (join_after) {
		run_resize(x, after, pos, after->n + n);
	} else {
		run_insert(x, pos, n);
	}
}

int
extents_reserve(struct extents *x, uint64_t pos, uint64_t n)
{
	struct extent *before, *e;
	uint64_t start, end;

	if (n == 0)
		return 0;
	run_neighbours(x, pos, &before, &e);
	if (e == NULL || e->pos != pos)
		e = before;
	if (e == NULL || pos - e->pos >= e->n || e->n - (pos - e->pos) < n)
		return -EEXIST;
	start = e->pos;
	end = e->pos + e->n;
	run_remove(x, e);
	/* The node is there for one part; the smaller one may be leaked. */
	if (pos - start >= end - (pos + n)) {
		run_insert(x, start, pos - start);
		run_insert(x, pos + n, end - (pos + n));
	} else {
		run_insert(x, pos + n, end - (pos + n));
		run_insert(x, start, pos - start);
	}
	return 0;
}

uint64_t
extents_used(const struct extents *x)
{
	return x->nunits - x->nfree - x->nleaked;
}

uint64_t
extents_leaked(const struct extents *x)
{
	return x->nleaked;
}
