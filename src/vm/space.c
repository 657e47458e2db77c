/*
 * space.c: regions in address order, and what happens to ranges of them
 */
#include "space.h"

#include <errno.h>
#include <string.h>

#include "assert.h"
#include "cache.h"
#include "memtype.h"
#include "snapshot.h"
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
	ASSERT(sp->nsources == 0);
	if (sp->rec->name[0] != '\0')
		TAILQ_REMOVE(&vm->snapshots, sp, snapshot);
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

	rc = region_new_like(vm, child, from, &to);
	if (rc < 0)
		return rc;
	to->rec->flags &= (uint8_t)~REGION_PINNED; /* as mlock(2) */
	space_insert(child, to);
	for (page = 0; (page = region_next(vm, from, page, n)) < n; page++)
		region_copy_slot(vm, to, page, region_slot(vm, from, page));
	return 0;
}

static int
space_copy(struct vm *vm, const struct space *parent, struct space *child,
    bool frozen)
{
	struct region *r;
	int rc;

	ASSERT(RB_EMPTY(&child->regions));
	RB_FOREACH(r, region_tree, (struct region_tree *)&parent->regions) {
		if (frozen && !r->memtype->frozen)
			continue;
		rc = space_fork_region(vm, r, child);
		if (rc < 0) {
			space_clear(vm, child);
			return rc;
		}
	}
	return 0;
}

int
space_fork(struct vm *vm, struct space *parent, struct space *child)
{
	return space_copy(vm, parent, child, false);
}

int
space_freeze(struct vm *vm, const struct space *parent, struct space *child)
{
	return space_copy(vm, parent, child, true);
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

struct region *
space_find_below(struct space *sp, uint64_t addr)
{
	struct region *r = RB_ROOT(&sp->regions), *best = NULL;

	while (r != NULL) {
		if (r->rec->start < addr) {
			best = r;
			r = RB_RIGHT(r, link);
		} else {
			r = RB_LEFT(r, link);
		}
	}
	return best;
}

int
space_slot(const struct vm *vm, struct space *sp, uint64_t addr, uint64_t *slot)
{
	const struct region *r = space_find(sp, addr);

	if (addr % PAGE_BYTES != 0)
		return -EINVAL;
	if (r == NULL)
		return -ENOMEM;
	*slot = region_slot(vm, r, region_page(r, addr));
	return 0;
}

/* => 0, -EINVAL or -EPERM */
static int
may_change(const struct space *sp, uint64_t start, uint64_t end)
{
	if (!space_range_ok(start, end))
		return -EINVAL;
	return space_is_snapshot(sp) ? -EPERM : 0;
}

bool
space_is_free(struct space *sp, uint64_t start, uint64_t end)
{
	const struct region *r = space_find_from(sp, start);

	return r == NULL || r->rec->start >= end;
}

int
space_add(struct vm *vm, struct space *sp, uint64_t start, uint64_t end,
    uint8_t memtype)
{
	struct region *r, *left;
	uint64_t npages = (end - start) >> PAGE_SHIFT;
	int rc;

	/* A snapshot's too: its holder has had it all the time. */
	if (!space_range_ok(start, end) || memtype_get(memtype)->object)
		return -EINVAL;
	if (!space_is_free(sp, start, end))
		return -EEXIST;
	left = start > 0 ? space_find(sp, start - 1) : NULL;
	if (left != NULL && left->rec->memtype == memtype &&
	    left->rec->flags == 0 && !space_is_snapshot(sp))
		return region_extend(vm, left, npages);
	rc = region_new(vm, sp, start, npages, memtype, &r);
	if (rc == 0)
		space_insert(sp, r);
	return rc;
}

/* => the region that has to be cut so that one begins at addr, or NULL */
static struct region *
region_across(struct space *sp, uint64_t addr)
{
	struct region *r = space_find(sp, addr);

	return r == NULL || r->rec->start == addr ? NULL : r;
}

static void
space_cut(struct vm *vm, struct space *sp, uint64_t addr)
{
	struct region *r = region_across(sp, addr), *right;
	int rc;

	if (r == NULL)
		return;
	rc = region_split(vm, r, region_page(r, addr), &right);
	ASSERT(rc == 0); /* there was room for it */
	space_insert(sp, right);
}

/* => regions begin at start and at end, if any are there; 0 or -ENOSPC */
static int
space_cut_both(struct vm *vm, struct space *sp, uint64_t start, uint64_t end)
{
	uint32_t need = (region_across(sp, start) != NULL) +
			(region_across(sp, end) != NULL);

	if (vm->regions.capacity - 1 - vm->regions.used < need)
		return -ENOSPC;
	space_cut(vm, sp, start);
	space_cut(vm, sp, end);
	return 0;
}

int
space_unmap(struct vm *vm, struct space *sp, uint64_t start, uint64_t end)
{
	struct region *r;
	int rc = may_change(sp, start, end);

	if (rc == 0)
		rc = space_cut_both(vm, sp, start, end);
	if (rc < 0)
		return rc;
	while ((r = space_find_from(sp, start)) != NULL && r->rec->start < end)
		space_drop_region(vm, sp, r);
	return 0;
}

static int
map_object_ok(const struct vm *vm, const struct space *sp,
    const struct map_spec *spec)
{
	const struct object *o = spec->object;

	if (o == NULL)
		return 0;
	if (spec->offset > o->rec->npages ||
	    spec->npages > o->rec->npages - spec->offset)
		return -EINVAL;
	if (o->rec->uid != sp->rec->uid)
		return -EACCES;
	if (o->memtype != &memtype_cache)
		return 0;
	if (!(spec->flags & REGION_READONLY))
		return -EACCES;
	return cache_complete(vm, o) ? 0 : -ENOENT;
}

static int
map_ok(const struct vm *vm, struct space *sp, const struct map_spec *spec)
{
	uint64_t end;
	int rc;

	if (__builtin_mul_overflow(spec->npages, PAGE_BYTES, &end) ||
	    __builtin_add_overflow(spec->start, end, &end))
		return -EINVAL;
	rc = may_change(sp, spec->start, end);
	if (rc == 0)
		rc = map_object_ok(vm, sp, spec);
	if (rc == 0 && !spec->replace && !space_is_free(sp, spec->start, end))
		rc = -EEXIST;
	return rc;
}

int
space_map(struct vm *vm, struct space *sp, const struct map_spec *spec)
{
	uint64_t end = spec->start + (spec->npages << PAGE_SHIFT);
	struct region *r;
	uint8_t memtype = MEMTYPE_ANON;
	int rc = map_ok(vm, sp, spec);

	if (rc < 0)
		return rc;
	if (spec->object != NULL)
		memtype = spec->object->rec->memtype;
	rc = region_new(vm, sp, spec->start, spec->npages, memtype, &r);
	if (rc < 0)
		return rc;
	r->rec->flags = spec->flags;
	if (spec->object != NULL)
		region_attach(vm, r, spec->object, spec->offset);
	if (!space_is_free(sp, spec->start, end))
		rc = space_unmap(vm, sp, spec->start, end);
	if (rc < 0)
		region_free(vm, r);
	else
		space_insert(sp, r);
	return rc;
}

int
space_extend(struct vm *vm, struct space *sp, uint64_t start, uint64_t end)
{
	struct region *r = space_find(sp, start);
	uint64_t npages = (end - start) >> PAGE_SHIFT;
	int rc = may_change(sp, start, end);

	if (rc < 0)
		return rc;
	if (r == NULL || r->rec->start != start)
		return -EINVAL;
	if (end < region_end(r))
		return space_unmap(vm, sp, end, region_end(r));
	if (end == region_end(r))
		return 0;
	if (!space_is_free(sp, region_end(r), end) ||
	    (r->object != NULL &&
		npages > r->object->rec->npages - r->rec->offset))
		return -ENOMEM;
	return region_extend(vm, r, npages - r->rec->npages);
}

static bool
is_covered(struct space *sp, uint64_t start, uint64_t end)
{
	const struct region *r;

	while (start < end && (r = space_find(sp, start)) != NULL)
		start = region_end(r);
	return start >= end;
}

int
space_set_flags(struct vm *vm, struct space *sp, uint64_t start, uint64_t end,
    uint8_t set, uint8_t clear)
{
	struct region *r;
	int rc = may_change(sp, start, end);

	if (rc == 0 && !is_covered(sp, start, end))
		rc = -ENOMEM;
	if (rc == 0)
		rc = space_cut_both(vm, sp, start, end);
	if (rc < 0)
		return rc;
	for (r = space_find(sp, start); r != NULL && r->rec->start < end;
	     r = RB_NEXT(region_tree, &sp->regions, r))
		r->rec->flags = (uint8_t)((r->rec->flags & ~clear) | set);
	return 0;
}

void
space_remove(struct vm *vm, struct space *sp, uint64_t start, uint64_t end)
{
	struct region *r;

	if (space_is_snapshot(sp))
		return;
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

	rc = region_new_like(vm, sp, r, &rest);
	if (rc < 0)
		return rc;
	RB_REMOVE(region_tree, &sp->regions, r);
	sp->nregions--;
	r->rec->start += delta;
	r->readahead = r->first = (struct readahead){ 0 };
	space_insert(sp, r);
	space_insert(sp, rest);
	return 0;
}

/* What was moved so far goes back to where it was. */
static void
space_move_back(struct vm *vm, struct space *sp, uint64_t from, uint64_t end,
    uint64_t delta)
{
	struct region *r, *rest;

	while ((rest = space_find_from(sp, from)) != NULL &&
	       rest->rec->start < end) {
		r = space_find(sp, rest->rec->start + delta);
		space_drop_region(vm, sp, rest);
		RB_REMOVE(region_tree, &sp->regions, r);
		r->rec->start -= delta;
		ASSERT(RB_INSERT(region_tree, &sp->regions, r) == NULL);
		from = region_end(r);
	}
}

static int
remap_ok(const struct space *sp, uint64_t from, uint64_t to, uint64_t len)
{
	int rc = may_change(sp, from, from + len);

	if (rc == 0)
		rc = may_change(sp, to, to + len);
	return rc == 0 && from < to + len && to < from + len ? -EINVAL : rc;
}

int
space_remap(struct vm *vm, struct space *sp, uint64_t from, uint64_t to,
    uint64_t len)
{
	struct region *r;
	uint64_t at = from, end = from + len;
	int rc = remap_ok(sp, from, to, len);

	if (rc == 0)
		rc = space_cut_both(vm, sp, from, end);
	if (rc == 0)
		rc = space_unmap(vm, sp, to, to + len);
	while (rc == 0 && (r = space_find_from(sp, at)) != NULL &&
	       r->rec->start < end) {
		uint64_t next = region_end(r);

		rc = space_move_region(vm, sp, r, to - from);
		if (rc < 0)
			space_move_back(vm, sp, from, at, to - from);
		at = next;
	}
	return rc;
}
