/*
 * space.c: regions in address order, and what happens to ranges of them
 */
#include "space.h"

#include <errno.h>
#include <string.h>

#include "assert.h"
#include "vm.h"

int
space_new(struct vm *vm, const struct space_record *rec, struct space **out)
{
	struct group *g = group_get(vm, rec->group);
	struct space *sp;
	uint32_t i;
	int r;

	ASSERT(g != NULL);
	r = table_alloc(&vm->spaces, &i);
	if (r < 0)
		return r;
	ASSERT(i < 1u << SPACE_INDEX_BITS);
	sp = &vm->space_index[i];
	*sp = (struct space){
		.index = i,
		.rec = table_at(&vm->spaces, i),
		.group = g,
	};
	RB_INIT(&sp->regions);
	*sp->rec = *rec;
	sp->rec->id = vm->next_generation++ << SPACE_INDEX_BITS | i;
	TAILQ_INSERT_TAIL(&g->spaces, sp, entry);
	g->nspaces++;
	*out = sp;
	return 0;
}

static void
space_drop_region(struct vm *vm, struct space *sp, struct region *r)
{
	RB_REMOVE(region_tree, &sp->regions, r);
	sp->nregions--;
	region_free(vm, r);
}

static void
space_clear(struct vm *vm, struct space *sp)
{
	struct region *r;

	while ((r = RB_MIN(region_tree, &sp->regions)) != NULL)
		space_drop_region(vm, sp, r);
}

void
space_free(struct vm *vm, struct space *sp)
{
	space_clear(vm, sp);
	TAILQ_REMOVE(&sp->group->spaces, sp, entry);
	sp->group->nspaces--;
	table_free(&vm->spaces, sp->index);
	sp->rec = NULL;
}

struct space *
space_get(struct vm *vm, uint64_t id)
{
	uint64_t i = id & ((1u << SPACE_INDEX_BITS) - 1);
	struct space *sp;

	if (i == 0 || i >= vm->spaces.capacity)
		return NULL;
	sp = &vm->space_index[i];
	return sp->rec != NULL && sp->rec->id == id ? sp : NULL;
}

static void
space_insert(struct space *sp, struct region *r)
{
	ASSERT(RB_INSERT(region_tree, &sp->regions, r) == NULL);
	sp->nregions++;
}

static int
space_fork_region(struct vm *vm, const struct region *from, struct space *child)
{
	uint64_t n = from->rec->npages, page;
	struct region *to;
	int rc;

	rc =
	    region_new(vm, child, from->rec->start, n, from->rec->memtype, &to);
	if (rc < 0)
		return rc;
	space_insert(child, to);
	for (page = 0; (page = region_next(vm, from, page, n)) < n; page++)
		region_copy_slot(vm, to, page, region_slot(vm, from, page));
	return 0;
}

int
space_fork(struct vm *vm, struct space *parent, struct space *child)
{
	struct region *r;
	int rc;

	ASSERT(RB_EMPTY(&child->regions));
	RB_FOREACH(r, region_tree, &parent->regions) {
		rc = space_fork_region(vm, r, child);
		if (rc < 0) {
			space_clear(vm, child);
			return rc;
		}
	}
	return 0;
}

struct region *
space_find_from(struct space *sp, uint64_t addr)
{
	struct region *r = RB_ROOT(&sp->regions), *best = NULL;

	while (r != NULL) {
		if (region_end(r) > addr) {
			best = r;
			r = RB_LEFT(r, link);
		} else {
			r = RB_RIGHT(r, link);
		}
	}
	return best;
}

struct region *
space_find(struct space *sp, uint64_t addr)
{
	struct region *r = space_find_from(sp, addr);

	return r != NULL && r->rec->start <= addr ? r : NULL;
}

static bool
range_ok(uint64_t start, uint64_t end)
{
	return start < end && start % PAGE_BYTES == 0 && end % PAGE_BYTES == 0;
}

int
space_add(struct vm *vm, struct space *sp, uint64_t start, uint64_t end,
    uint8_t memtype)
{
	struct region *r, *left;
	uint64_t npages;
	int rc;

	if (!range_ok(start, end))
		return -EINVAL;
	npages = (end - start) >> PAGE_SHIFT;
	r = space_find_from(sp, start);
	if (r != NULL && r->rec->start < end)
		return -EEXIST;
	left = start > 0 ? space_find(sp, start - 1) : NULL;
	if (left != NULL && left->rec->memtype == memtype)
		return region_extend(vm, left, npages);
	rc = region_new(vm, sp, start, npages, memtype, &r);
	if (rc == 0)
		space_insert(sp, r);
	return rc;
}

/* => a region begins at addr, if any is there; 0 or -ENOSPC */
static int
space_cut(struct vm *vm, struct space *sp, uint64_t addr)
{
	struct region *r = space_find(sp, addr), *right;
	int rc;

	if (r == NULL || r->rec->start == addr)
		return 0;
	rc = region_split(vm, r, region_page(r, addr), &right);
	if (rc == 0)
		space_insert(sp, right);
	return rc;
}

static int
space_cut_both(struct vm *vm, struct space *sp, uint64_t start, uint64_t end)
{
	int rc = space_cut(vm, sp, start);

	return rc == 0 ? space_cut(vm, sp, end) : rc;
}

int
space_unmap(struct vm *vm, struct space *sp, uint64_t start, uint64_t end)
{
	struct region *r;
	int rc;

	if (!range_ok(start, end))
		return -EINVAL;
	rc = space_cut_both(vm, sp, start, end);
	if (rc < 0)
		return rc;
	while ((r = space_find_from(sp, start)) != NULL && r->rec->start < end)
		space_drop_region(vm, sp, r);
	return 0;
}

void
space_remove(struct vm *vm, struct space *sp, uint64_t start, uint64_t end)
{
	struct region *r;

	for (r = space_find_from(sp, start); r != NULL && r->rec->start < end;
	     r = RB_NEXT(region_tree, &sp->regions, r)) {
		uint64_t a = r->rec->start > start ? r->rec->start : start;
		uint64_t b = region_end(r) < end ? region_end(r) : end;
		uint64_t page = region_page(r, a), stop = region_page(r, b);

		while ((page = region_next(vm, r, page, stop)) < stop)
			region_forget(vm, r, page);
	}
}

/* One region that lies inside the moved range: it goes, a new one stays. */
static int
space_move_region(struct vm *vm, struct space *sp, struct region *r,
    uint64_t delta)
{
	struct region *rest;
	int rc;

	rc = region_new(vm, sp, r->rec->start, r->rec->npages, r->rec->memtype,
	    &rest);
	if (rc < 0)
		return rc;
	RB_REMOVE(region_tree, &sp->regions, r);
	sp->nregions--;
	r->rec->start += delta;
	r->readahead = (struct readahead){ 0 };
	space_insert(sp, r);
	space_insert(sp, rest);
	return 0;
}

int
space_remap(struct vm *vm, struct space *sp, uint64_t from, uint64_t to,
    uint64_t len)
{
	struct region *r;
	uint64_t at = from, end = from + len;
	int rc;

	if (!range_ok(from, end) || !range_ok(to, to + len) ||
	    (from < to + len && to < end))
		return -EINVAL;
	rc = space_cut_both(vm, sp, from, end);
	if (rc == 0)
		rc = space_unmap(vm, sp, to, to + len);
	while (rc == 0 && (r = space_find_from(sp, at)) != NULL &&
	       r->rec->start < end) {
		at = region_end(r);
		rc = space_move_region(vm, sp, r, to - from);
	}
	return rc;
}
