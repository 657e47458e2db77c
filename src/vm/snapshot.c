#include "snapshot.h"

#include <errno.h>
#include <string.h>

#include "assert.h"
#include "memtype.h"
#include "vm.h"

int
snapshot_new(struct vm *vm, const struct space *from, const char *name,
    struct space **out)
{
	struct space_record rec = { .flags = SPACE_SNAPSHOT };
	struct space *sp;
	int rc;

	if (!name_valid(name) || space_is_snapshot(from))
		return -EINVAL;
	if (snapshot_find(vm, from->rec->uid, name) != NULL)
		return -EEXIST;
	rec.group = from->rec->group;
	rec.uid = from->rec->uid;
	name_set(rec.name, name);
	rc = space_new(vm, &rec, &sp);
	if (rc < 0)
		return rc;
	TAILQ_INSERT_TAIL(&vm->snapshots, sp, snapshot);
	rc = space_freeze(vm, from, sp);
	if (rc < 0) {
		space_free(vm, sp);
		return rc;
	}
	*out = sp;
	return 0;
}

static void
drop_thawed(struct vm *vm, struct space *sp)
{
	struct region *r, *next;

	RB_FOREACH_SAFE(r, region_tree, &sp->regions, next)
		if (!r->memtype->frozen)
			(void)space_unmap(vm, sp, r->rec->start, region_end(r));
}

int
snapshot_become(struct vm *vm, struct space *sp, const char *name)
{
	if (!name_valid(name) || space_is_snapshot(sp))
		return -EINVAL;
	if (snapshot_find(vm, sp->rec->uid, name) != NULL)
		return -EEXIST;
	drop_thawed(vm, sp);
	sp->rec->flags |= SPACE_SNAPSHOT;
	name_set(sp->rec->name, name);
	TAILQ_INSERT_TAIL(&vm->snapshots, sp, snapshot);
	return 0;
}

struct space *
snapshot_find(struct vm *vm, uint32_t uid, const char *name)
{
	struct space *sp;

	TAILQ_FOREACH(sp, &vm->snapshots, snapshot)
		if (sp->rec->uid == uid && strcmp(sp->rec->name, name) == 0)
			return sp;
	return NULL;
}

/*
 * The last object that came from a snapshot may have been in another one, and
 * so on: what has to go waits in a list, so that the depth of the stack does
 * not depend on it.
 */
static void
doom(struct vm *vm, struct space *sp)
{
	TAILQ_INSERT_TAIL(&vm->doomed, sp, snapshot);
	if (vm->reaping)
		return;
	vm->reaping = true;
	while ((sp = TAILQ_FIRST(&vm->doomed)) != NULL) {
		TAILQ_REMOVE(&vm->doomed, sp, snapshot);
		if (vm->snapshot_gone != NULL)
			vm->snapshot_gone(vm->release_ctx, sp);
		space_free(vm, sp);
	}
	vm->reaping = false;
}

void
snapshot_drop(struct vm *vm, struct space *sp)
{
	ASSERT(space_is_snapshot(sp));
	if (sp->rec->name[0] == '\0')
		return;
	TAILQ_REMOVE(&vm->snapshots, sp, snapshot);
	memset(sp->rec->name, 0, sizeof(sp->rec->name));
	if (sp->nsources == 0)
		doom(vm, sp);
}

void
snapshot_hold(struct space *sp)
{
	sp->nsources++;
}

void
snapshot_unhold(struct vm *vm, struct space *sp)
{
	ASSERT(sp->nsources > 0);
	if (--sp->nsources == 0 && sp->rec->name[0] == '\0')
		doom(vm, sp);
}

static void
lose_region(struct vm *vm, struct region *r, uint32_t lost)
{
	uint64_t n = r->rec->npages, page;

	for (page = 0; (page = region_next(vm, r, page, n)) < n; page++) {
		uint64_t slot = region_slot(vm, r, page);

		if (slot_clean(slot)) {
			region_out(vm, r, page, 0);
		} else if (slot_state(slot) == SLOT_RESIDENT) {
			physblock_ref(vm, lost);
			region_out(vm, r, page, lost);
		}
	}
}

int
snapshot_lose(struct vm *vm, struct space *sp)
{
	struct region *r;
	uint32_t lost;
	int rc;

	ASSERT(space_is_snapshot(sp));
	rc = physblock_new(vm, where_make(WHERE_LOST, 0, 0), &lost);
	if (rc < 0)
		return rc;
	RB_FOREACH(r, region_tree, &sp->regions)
		lose_region(vm, r, lost);
	physblock_unref(vm, lost);
	return 0;
}

/*
 * => what clones of a region of the snapshot map; the region stands at page
 *    *offset of it
 */
static int
clone_object(struct vm *vm, struct region *r, struct object **o,
    uint64_t *offset)
{
	struct object_spec spec = {
		.memtype = MEMTYPE_COW,
		.source = SOURCE_SNAPSHOT,
		.uid = r->space->rec->uid,
		.npages = r->rec->npages,
		.source_id = r->space->rec->id,
		.source_at = r->rec->start,
	};
	int rc = 0;

	*offset = 0;
	if (r->object != NULL && r->counts.resident + r->counts.out == 0) {
		*o = r->object;
		*offset = r->rec->offset;
		return 0;
	}
	if (r->template == NULL)
		rc = object_new(vm, r->space->group, &spec, &r->template);
	if (rc == 0)
		*o = r->template;
	return rc;
}

static int
clone_region(struct vm *vm, struct region *r, struct space *to, uint64_t start,
    uint64_t end)
{
	uint64_t a = r->rec->start > start ? r->rec->start : start;
	uint64_t b = region_end(r) < end ? region_end(r) : end;
	struct map_spec spec = { .start = a,
		.npages = (b - a) >> PAGE_SHIFT,
		.flags = r->rec->flags & REGION_READONLY };
	bool made = r->template == NULL;
	int rc;

	rc = clone_object(vm, r, &spec.object, &spec.offset);
	if (rc < 0)
		return rc;
	spec.offset += region_page(r, a);
	rc = space_map(vm, to, &spec);
	/* From now on, its regions are what keeps it. */
	if (made && r->template != NULL)
		object_drop(vm, r->template);
	return rc;
}

int
snapshot_clone(struct vm *vm, struct space *sp, struct space *to,
    uint64_t start, uint64_t end)
{
	struct region *r;
	int rc = 0;

	if (!space_is_snapshot(sp) || !space_range_ok(start, end))
		return -EINVAL;
	if (space_is_snapshot(to))
		return -EPERM;
	if (sp->rec->uid != to->rec->uid)
		return -EACCES;
	if (!space_is_free(to, start, end))
		return -EEXIST;
	for (r = space_find_from(sp, start);
	     rc == 0 && r != NULL && r->rec->start < end;
	     r = RB_NEXT(region_tree, &sp->regions, r))
		rc = clone_region(vm, r, to, start, end);
	if (rc < 0)
		(void)space_unmap(vm, to, start, end);
	return rc;
}
