/*
 * object.c: objects, their slots, and who keeps them
 *
 * The number of references (aux word of the table) is index: one for each
 * region that maps the object, and one if it is kept.
 */
#include "object.h"

#include <errno.h>
#include <string.h>

#include "assert.h"
#include "cache.h"
#include "memtype.h"
#include "reclaim.h"
#include "snapshot.h"
#include "vm.h"

static int
check_spec(const struct object_spec *spec)
{
	const struct memtype *mt;

	if (spec->memtype >= MEMTYPE_COUNT || spec->source >= SOURCE_COUNT)
		return -EINVAL;
	mt = memtype_get(spec->memtype);
	if (!mt->object || !(mt->sources >> spec->source & 1) ||
	    spec->npages == 0)
		return -EINVAL;
	if (spec->source == SOURCE_IMAGE &&
	    spec->source_at > UINT64_MAX - spec->npages)
		return -EINVAL;
	return spec->name != NULL && !name_valid(spec->name) ? -EINVAL : 0;
}

static int
check_taken(struct vm *vm, const struct object_spec *spec)
{
	if (spec->name != NULL &&
	    object_find(vm, spec->uid, spec->name) != NULL)
		return -EEXIST;
	if (spec->source == SOURCE_CACHE &&
	    cache_find(vm, spec->uid, spec->source_id, spec->source_at) != NULL)
		return -EEXIST;
	return 0;
}

/* => *source is the snapshot, if that is what it comes from */
static int
find_source(struct vm *vm, const struct object_spec *spec,
    struct space **source)
{
	const struct region *r;
	struct space *sp;

	*source = NULL;
	if (spec->source != SOURCE_SNAPSHOT)
		return 0;
	if (spec->source_at % PAGE_BYTES != 0)
		return -EINVAL;
	sp = space_get(vm, spec->source_id);
	if (sp == NULL || !space_is_snapshot(sp))
		return -ENOENT;
	if (sp->rec->uid != spec->uid)
		return -EACCES;
	r = space_find(sp, spec->source_at);
	if (r == NULL ||
	    spec->npages > r->rec->npages - region_page(r, spec->source_at))
		return -ENOENT;
	*source = sp;
	return 0;
}

static int
object_alloc(struct vm *vm, uint64_t npages, struct object **out)
{
	struct object *o;
	uint64_t pos;
	uint32_t i;
	int rc;

	rc = table_alloc(&vm->objects, &i);
	if (rc < 0)
		return rc;
	rc = slotmap_alloc(&vm->slots, npages, &pos);
	if (rc < 0) {
		table_free(&vm->objects, i);
		return rc;
	}
	ASSERT(i < 1u << OBJECT_INDEX_BITS);
	o = &vm->object_index[i];
	*o = (struct object){ .index = i, .rec = table_at(&vm->objects, i) };
	LIST_INIT(&o->regions);
	o->rec->npages = npages;
	o->rec->slots = pos;
	o->rec->capacity = npages;
	*out = o;
	return 0;
}

static void
object_fill_in(struct vm *vm, struct object *o, const struct object_spec *spec)
{
	struct object_record *rec = o->rec;

	rec->source_id = spec->source_id;
	rec->source_at = spec->source_at;
	rec->uid = spec->uid;
	rec->memtype = spec->memtype;
	rec->source = spec->source;
	rec->kept = 1;
	if (spec->name != NULL)
		name_set(rec->name, spec->name);
	rec->id =
	    OBJECT_ID | vm->next_generation++ << OBJECT_INDEX_BITS | o->index;
}

int
object_new(struct vm *vm, struct group *g, const struct object_spec *spec,
    struct object **out)
{
	struct space *source;
	struct object *o;
	int rc;

	rc = check_spec(spec);
	if (rc == 0)
		rc = check_taken(vm, spec);
	if (rc == 0)
		rc = find_source(vm, spec, &source);
	if (rc == 0)
		rc = object_alloc(vm, spec->npages, &o);
	if (rc < 0)
		return rc;
	o->memtype = memtype_get(spec->memtype);
	o->rec->group = g != NULL ? g->index : 0;
	object_fill_in(vm, o, spec);
	vm->objects.aux[o->index] = 1;
	o->group = g;
	if (g != NULL)
		TAILQ_INSERT_TAIL(&g->objects, o, in_group);
	if (spec->name != NULL)
		TAILQ_INSERT_TAIL(&vm->named, o, named);
	o->source = source;
	if (source != NULL)
		snapshot_hold(source);
	if (spec->source == SOURCE_CACHE)
		cache_insert(vm, o);
	*out = o;
	return 0;
}

void
object_discharge(struct object *o)
{
	struct counts *c = &o->group->counts;

	c->resident -= o->counts.resident;
	c->out -= o->counts.out;
	c->clean -= o->counts.clean;
	TAILQ_REMOVE(&o->group->objects, o, in_group);
	o->group = NULL;
	o->rec->group = 0;
}

void
object_charge(struct object *o, struct group *g)
{
	struct counts *c = &g->counts;

	if (o->group != NULL)
		return;
	c->resident += o->counts.resident;
	c->out += o->counts.out;
	c->clean += o->counts.clean;
	TAILQ_INSERT_TAIL(&g->objects, o, in_group);
	o->group = g;
	o->rec->group = g->index;
}

/* What clones of a region of the snapshot map is not this one any longer. */
static void
source_leave(struct vm *vm, struct object *o)
{
	struct region *r = space_find(o->source, o->rec->source_at);

	if (r->template == o)
		r->template = NULL;
	snapshot_unhold(vm, o->source);
}

static void
object_free(struct vm *vm, struct object *o)
{
	struct object_record *rec = o->rec;
	uint64_t page = 0;

	ASSERT(LIST_EMPTY(&o->regions) && rec->name[0] == '\0' && !o->cached);
	while ((page = object_next(vm, o, page, rec->npages)) < rec->npages)
		object_forget(vm, o, page);
	if (vm->object_gone != NULL)
		vm->object_gone(vm->release_ctx, o->index);
	if (o->group != NULL)
		object_discharge(o);
	slotmap_free(&vm->slots, rec->slots, rec->capacity);
	if (o->source != NULL)
		source_leave(vm, o);
	table_free(&vm->objects, o->index);
	o->rec = NULL;
}

static void
object_unref(struct vm *vm, struct object *o)
{
	uint32_t *refs = &vm->objects.aux[o->index];

	ASSERT(*refs > 0);
	if (--*refs == 0)
		object_free(vm, o);
}

void
object_drop(struct vm *vm, struct object *o)
{
	if (o->rec->name[0] != '\0')
		TAILQ_REMOVE(&vm->named, o, named);
	memset(o->rec->name, 0, sizeof(o->rec->name));
	if (o->cached)
		cache_remove(vm, o);
	if (!o->rec->kept)
		return;
	o->rec->kept = 0;
	object_unref(vm, o);
}

struct object *
object_get(struct vm *vm, uint64_t id)
{
	uint64_t i = id & ((1u << OBJECT_INDEX_BITS) - 1);
	struct object *o;

	if (i == 0 || i >= vm->objects.capacity)
		return NULL;
	o = &vm->object_index[i];
	return o->rec != NULL && o->rec->id == id ? o : NULL;
}

struct object *
object_find(struct vm *vm, uint32_t uid, const char *name)
{
	struct object *o;

	TAILQ_FOREACH(o, &vm->named, named)
		if (o->rec->uid == uid && strcmp(o->rec->name, name) == 0)
			return o;
	return NULL;
}

uint32_t
object_users(const struct vm *vm, const struct object *o)
{
	return vm->objects.aux[o->index] - o->rec->kept;
}

void
object_attach(struct vm *vm, struct object *o, struct region *r)
{
	ASSERT(vm->objects.aux[o->index] < UINT32_MAX);
	if (o->cached && LIST_EMPTY(&o->regions))
		cache_used(vm, o);
	vm->objects.aux[o->index]++;
	r->object = o;
	LIST_INSERT_HEAD(&o->regions, r, of_object);
}

void
object_detach(struct vm *vm, struct region *r)
{
	struct object *o = r->object;

	LIST_REMOVE(r, of_object);
	r->object = NULL;
	if (o->cached && LIST_EMPTY(&o->regions))
		cache_unused(vm, o);
	object_unref(vm, o);
}

uint64_t
object_slot(const struct vm *vm, const struct object *o, uint64_t page)
{
	ASSERT(page < o->rec->npages);
	return vm->slots.slots[o->rec->slots + page];
}

uint64_t
object_next(const struct vm *vm, const struct object *o, uint64_t page,
    uint64_t end)
{
	uint64_t base = o->rec->slots;

	return slotmap_next(&vm->slots, base + page, base + end) - base;
}

/* => the reference of slot's block is the caller's; the old one is dropped */
static void
object_set(struct vm *vm, struct object *o, uint64_t page, uint64_t slot)
{
	uint64_t old = object_slot(vm, o, page);

	counts_replace(&o->counts, old, slot);
	if (o->group != NULL)
		counts_replace(&o->group->counts, old, slot);
	slotmap_set(&vm->slots, o->rec->slots + page, slot);
	if (slot_block(old) != 0 && slot_block(old) != slot_block(slot))
		physblock_unref(vm, slot_block(old));
}

static uint32_t
comes(const struct vm *vm, const struct object *o, uint64_t page)
{
	return reclaim_comes(o->group, object_slot(vm, o, page));
}

void
object_forget(struct vm *vm, struct object *o, uint64_t page)
{
	object_set(vm, o, page, 0);
}

void
object_resident(struct vm *vm, struct object *o, uint64_t page)
{
	object_set(vm, o, page,
	    slot_make(SLOT_RESIDENT, 0, comes(vm, o, page), false));
}

void
object_clean(struct vm *vm, struct object *o, uint64_t page)
{
	uint32_t block = slot_block(object_slot(vm, o, page));

	ASSERT(block != 0);
	object_set(vm, o, page,
	    slot_make(SLOT_RESIDENT, block, comes(vm, o, page), true));
}

void
object_filled(struct vm *vm, struct object *o, uint64_t page, bool keep)
{
	if (keep && slot_state(object_slot(vm, o, page)) == SLOT_OUT)
		object_clean(vm, o, page);
	else
		object_resident(vm, o, page);
}

void
object_out(struct vm *vm, struct object *o, uint64_t page, uint32_t block)
{
	uint64_t slot = object_slot(vm, o, page);

	if (block == 0)
		block = slot_block(slot);
	ASSERT(block != 0);
	object_set(vm, o, page,
	    slot_make(SLOT_OUT, block, reclaim_goes(o->group, slot), false));
}

static void
stamp(struct vm *vm, struct object *o, uint64_t page, uint32_t stamp)
{
	uint64_t slot = object_slot(vm, o, page);

	if (slot_resident(slot))
		object_set(vm, o, page,
		    slot_make(SLOT_RESIDENT, slot_block(slot), stamp,
			slot_protected(slot)));
}

void
object_restamp(struct vm *vm, struct object *o, uint64_t page)
{
	stamp(vm, o, page, comes(vm, o, page));
}

void
object_age(struct vm *vm, struct object *o, uint64_t page)
{
	stamp(vm, o, page, reclaim_cold(o->group));
}
