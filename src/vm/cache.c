/*
 * cache.c: memtype of memory that is shared, read-only, and kept
 *
 * Who makes such an object fills it; nobody can bring its pages back once they
 * are given up, so it may be mapped only while it is complete.  The order of
 * the list of unused ones is index: after a restart any order will do.
 */
#include "cache.h"

#include "assert.h"
#include "memtype.h"
#include "vm.h"

static int
compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int
identity_compare(const struct object *a, const struct object *b)
{
	const struct object_record *x = a->rec, *y = b->rec;
	int c = compare(x->uid, y->uid);

	if (c == 0)
		c = compare(x->source_id, y->source_id);
	return c != 0 ? c : compare(x->source_at, y->source_at);
}

RB_GENERATE(identity_tree, object, identity, identity_compare);

struct object *
cache_find(struct vm *vm, uint32_t uid, uint64_t device, uint64_t offset)
{
	struct object_record rec = {
		.uid = uid, .source_id = device, .source_at = offset
	};
	struct object key = { .rec = &rec };

	return RB_FIND(identity_tree, &vm->cached, &key);
}

uint32_t
cache_clear(struct vm *vm, uint32_t uid, uint64_t device)
{
	struct object_record rec = { .uid = uid, .source_id = device };
	struct object key = { .rec = &rec }, *o;
	uint32_t n = 0;

	while ((o = RB_NFIND(identity_tree, &vm->cached, &key)) != NULL &&
	       o->rec->uid == uid && o->rec->source_id == device) {
		object_drop(vm, o);
		n++;
	}
	return n;
}

bool
cache_complete(const struct vm *vm, const struct object *o)
{
	(void)vm;
	return o->counts.resident + o->counts.out == o->rec->npages;
}

uint32_t
cache_pick(const struct vm *vm, uint64_t want, struct object **picked,
    uint32_t max)
{
	struct object *o;
	uint64_t npages = 0;
	uint32_t n = 0;

	TAILQ_FOREACH(o, &vm->unused, lru) {
		if (n == max || npages >= want)
			break;
		npages += o->counts.resident + o->counts.out;
		picked[n++] = o;
	}
	return n;
}

void
cache_insert(struct vm *vm, struct object *o)
{
	ASSERT(RB_INSERT(identity_tree, &vm->cached, o) == NULL);
	o->cached = true;
	cache_unused(vm, o);
}

void
cache_remove(struct vm *vm, struct object *o)
{
	RB_REMOVE(identity_tree, &vm->cached, o);
	if (LIST_EMPTY(&o->regions))
		cache_used(vm, o);
	o->cached = false;
}

void
cache_unused(struct vm *vm, struct object *o)
{
	TAILQ_INSERT_TAIL(&vm->unused, o, lru);
}

void
cache_used(struct vm *vm, struct object *o)
{
	TAILQ_REMOVE(&vm->unused, o, lru);
}

static enum plan
cache_plan(const struct vm *vm, const struct region *r, uint64_t page,
    enum access access)
{
	uint64_t slot = object_slot(vm, r->object, region_object_page(r, page));

	if (access != ACCESS_READ || slot_state(slot) == SLOT_UNKNOWN)
		return PLAN_DENY;
	return slot_state(slot) == SLOT_RESIDENT ? PLAN_CONTINUE_PROTECTED
						 : PLAN_FILL_OBJECT;
}

static bool
cache_keep_copy(const struct vm *vm, const struct region *r, uint64_t page,
    enum access access)
{
	(void)vm;
	(void)r;
	(void)page;
	(void)access;
	return true;
}

static bool
cache_writable(const struct vm *vm, const struct region *r, uint64_t page)
{
	(void)vm;
	(void)r;
	(void)page;
	return false;
}

const struct memtype memtype_cache = {
	.name = "cache",
	.object = true,
	.frozen = true,
	.sources = 1 << SOURCE_CACHE,
	.plan = cache_plan,
	.keep_copy = cache_keep_copy,
	.writable = cache_writable,
	.leave = leave_to_store,
};
