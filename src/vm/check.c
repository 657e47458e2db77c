/*
 * check.c: the model held against its invariants (check.h)
 *
 * References are counted anew from the slots and records, and compared with
 * the index: the code that rebuilds is the code that checks.
 */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assert.h"
#include "extent.h"
#include "memtype.h"
#include "snapshot.h"
#include "vm.h"

struct check {
	const struct vm *vm;
	void (*report)(void *ctx, const char *line);
	void *ctx;
	int problems;
	uint64_t live_slots, resident_slots;
	uint64_t owned_slots;
	uint32_t *blocks;  /* references found, by index */
	uint32_t *objects; /* regions found, by index */
	uint32_t *sources; /* objects found, by index of their space */
};

static void __attribute__((format(printf, 2, 3)))
problem(struct check *c, const char *fmt, ...)
{
	char line[160];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	c->problems++;
	c->report(c->ctx, line);
}

/* at: for people to find it by */
static void
check_slot(struct check *c, unsigned long long at, uint64_t slot)
{
	uint32_t block = slot_block(slot);

	if (slot_state(slot) == SLOT_UNKNOWN)
		problem(c, "I2: slot %#llx is unknown but not zero", at);
	if (slot_state(slot) == SLOT_OUT &&
	    (block == 0 || slot_protected(slot)))
		problem(c, "I3: slot %#llx is out without a block", at);
	if (slot_state(slot) == SLOT_RESIDENT && block != 0 &&
	    !slot_protected(slot))
		problem(c, "I4: slot %#llx has a copy, and is writable", at);
	if (block == 0)
		return;
	if (block >= table_high(&c->vm->blocks) ||
	    where_kind(physblock_where(c->vm, block)) == WHERE_NOWHERE)
		problem(c, "I6: slot %#llx names free block %u", at, block);
	else
		c->blocks[block]++;
}

/*
 * A run of slots: n in use, of those that are owned.
 *
 * => their counts; at is that of the first one
 */
static struct counts
check_slots(struct check *c, uint64_t pos, uint64_t n, uint64_t owned,
    uint64_t at)
{
	const struct slotmap *sm = &c->vm->slots;
	struct counts sum = { 0 };
	uint64_t i = pos, end = pos + n;

	if (n > owned || pos > sm->nslots || owned > sm->nslots - pos) {
		problem(c, "I8: slots from %llu on are not its own",
		    (unsigned long long)pos);
		return sum;
	}
	c->owned_slots += owned;
	for (; (i = slotmap_next(sm, i, end)) < end; i++) {
		check_slot(c, at + ((i - pos) << PAGE_SHIFT), sm->slots[i]);
		counts_add(&sum, sm->slots[i], 1);
		c->live_slots++;
		c->resident_slots += slot_resident(sm->slots[i]);
	}
	return sum;
}

static bool
counts_equal(const struct counts *a, const struct counts *b)
{
	return a->resident == b->resident && a->out == b->out &&
	       a->clean == b->clean;
}

static void
counts_sum(struct counts *to, const struct counts *from)
{
	to->resident += from->resident;
	to->out += from->out;
	to->clean += from->clean;
}

static void
check_mapping(struct check *c, const struct region *r, const struct object *o)
{
	unsigned long long at = r->rec->start;

	if (o->rec == NULL || o->rec->memtype != r->rec->memtype ||
	    o->rec->uid != r->space->rec->uid ||
	    r->rec->offset > o->rec->npages ||
	    r->rec->npages > o->rec->npages - r->rec->offset)
		problem(c, "I10: region %#llx does not fit its object", at);
	if (o != r->object)
		problem(c, "I10: region %#llx maps another object", at);
	c->objects[o->index]++;
}

/* Of what its memtype says about a region. */
static void
check_memtype(struct check *c, const struct region *r,
    const struct counts *found)
{
	unsigned long long at = r->rec->start;
	uint32_t i = r->rec->object;

	if ((i != 0) != memtype_get(r->rec->memtype)->object ||
	    i >= table_high(&c->vm->objects))
		problem(c, "I10: region %#llx has no, or no such object", at);
	else if (i != 0)
		check_mapping(c, r, &c->vm->object_index[i]);
	if (!r->memtype->own_pages && found->resident + found->out > 0)
		problem(c, "I12: region %#llx has pages of its own", at);
	if (!r->memtype->frozen && space_is_snapshot(r->space))
		problem(c, "I16: region %#llx of a snapshot can change", at);
}

static void
check_template(struct check *c, const struct region *r)
{
	const struct object *o = r->template;

	if (o != NULL &&
	    (o->source != r->space || o->rec->source_at != r->rec->start ||
		o->rec->npages != r->rec->npages))
		problem(c, "I17: region %#llx is cloned by another's object",
		    (unsigned long long)r->rec->start);
}

static void
check_region(struct check *c, const struct region *r, uint64_t *prev_end)
{
	unsigned long long at = r->rec->start;
	struct counts found;

	if (r->rec->start % PAGE_BYTES != 0 || r->rec->npages == 0 ||
	    region_end(r) <= r->rec->start || r->rec->start < *prev_end ||
	    r->rec->space != r->space->index)
		problem(c, "I1: region %#llx is misplaced", at);
	*prev_end = region_end(r);
	found = check_slots(c, r->rec->slots, r->rec->npages, r->rec->capacity,
	    r->rec->start);
	if (!counts_equal(&found, &r->counts))
		problem(c, "I7: counts of region %#llx are wrong", at);
	check_memtype(c, r, &found);
	check_template(c, r);
}

/* => false: not one, or something behind its end; an empty one is one */
static bool
name_sound(const char name[NAME_BYTES])
{
	size_t n = strnlen(name, NAME_BYTES);

	if (n > 0 && !name_valid(name))
		return false;
	for (size_t i = n; i < NAME_BYTES; i++)
		if (name[i] != '\0')
			return false;
	return true;
}

static void
check_snapshot(struct check *c, const struct space *sp)
{
	bool named = sp->rec->name[0] != '\0';
	struct vm *vm = (struct vm *)c->vm;

	if (!name_sound(sp->rec->name) ||
	    (named && snapshot_find(vm, sp->rec->uid, sp->rec->name) != sp))
		problem(c, "I13: name of space %u is wrong", sp->index);
	if (space_is_snapshot(sp) ? !named && sp->nsources == 0 : named)
		problem(c, "I16: space %u is nothing's source", sp->index);
	if (!space_is_snapshot(sp) && sp->nsources > 0)
		problem(c, "I15: space %u is a source", sp->index);
}

static void
check_space(struct check *c, const struct space *sp)
{
	struct counts sum = { 0 };
	struct region *r;
	uint64_t prev_end = 0;
	uint32_t n = 0;

	RB_FOREACH(r, region_tree, (struct region_tree *)&sp->regions) {
		check_region(c, r, &prev_end);
		counts_sum(&sum, &r->counts);
		n++;
	}
	if (n != sp->nregions || !counts_equal(&sum, &sp->counts))
		problem(c, "I7: counts of space %u are wrong", sp->index);
	check_snapshot(c, sp);
}

static void
check_group(struct check *c, const struct group *g)
{
	struct counts sum = { 0 };
	struct space *sp;
	struct object *o;
	uint32_t n = 0;

	TAILQ_FOREACH(sp, &g->spaces, entry) {
		check_space(c, sp);
		counts_sum(&sum, &sp->counts);
		n++;
	}
	TAILQ_FOREACH(o, &g->objects, in_group)
		counts_sum(&sum, &o->counts);
	if (n != g->nspaces || !counts_equal(&sum, &g->counts))
		problem(c, "I7: counts of group %u are wrong", g->index);
}

static void
check_source(struct check *c, const struct object *o)
{
	const struct object_record *rec = o->rec;
	struct region *r;

	if (rec->source >= SOURCE_COUNT ||
	    !(o->memtype->sources >> rec->source & 1) ||
	    (rec->source == SOURCE_SNAPSHOT) != (o->source != NULL)) {
		problem(c, "I14: object %u has a wrong source", o->index);
		return;
	}
	if (o->source == NULL)
		return;
	r = space_find(o->source, rec->source_at);
	if (rec->source_id != o->source->rec->id ||
	    !space_is_snapshot(o->source) || rec->uid != o->source->rec->uid ||
	    r == NULL ||
	    rec->npages > r->rec->npages - region_page(r, rec->source_at))
		problem(c, "I14: object %u has no source", o->index);
	c->sources[o->source->index]++;
}

static void
check_kept(struct check *c, const struct object *o)
{
	const struct object_record *rec = o->rec;
	struct vm *vm = (struct vm *)c->vm;
	bool named = rec->name[0] != '\0';

	if (!name_sound(rec->name) ||
	    (named && object_find(vm, rec->uid, rec->name) != o))
		problem(c, "I13: name of object %u is wrong", o->index);
	if ((named || o->cached) && !rec->kept)
		problem(c, "I11: object %u is named and not kept", o->index);
	if (o->cached &&
	    cache_find(vm, rec->uid, rec->source_id, rec->source_at) != o)
		problem(c, "I18: object %u is not found", o->index);
}

static void
check_undivided(struct check *c, const struct object *o)
{
	uint64_t n = o->rec->npages, page = 0;

	if (n > o->rec->capacity)
		return;
	for (; (page = object_next(c->vm, o, page, n)) < n; page++)
		if (slot_forked(object_slot(c->vm, o, page)))
			problem(c, "I12: page %llu of object %u is protected",
			    (unsigned long long)page, o->index);
}

static void
check_object(struct check *c, const struct object *o)
{
	struct counts found;

	found =
	    check_slots(c, o->rec->slots, o->rec->npages, o->rec->capacity, 0);
	if (!counts_equal(&found, &o->counts))
		problem(c, "I7: counts of object %u are wrong", o->index);
	check_undivided(c, o);
	check_source(c, o);
	check_kept(c, o);
}

static void
compare_blocks(struct check *c)
{
	uint32_t high = table_high(&c->vm->blocks), used = 0;
	uint64_t refs = 0;

	for (uint32_t b = 1; b < high; b++) {
		if (where_kind(physblock_where(c->vm, b)) == WHERE_NOWHERE)
			continue;
		used++;
		refs += c->blocks[b];
		if (c->blocks[b] != physblock_refs(c->vm, b) ||
		    c->blocks[b] == 0)
			problem(c, "I5: block %u has %u references, not %u", b,
			    c->blocks[b], physblock_refs(c->vm, b));
	}
	if (used != c->vm->blocks.used)
		problem(c, "I5: %u blocks in use, not %u", used,
		    c->vm->blocks.used);
	if (refs != c->vm->block_refs)
		problem(c, "I5: blocks have %llu references, not %llu",
		    (unsigned long long)refs,
		    (unsigned long long)c->vm->block_refs);
}

/* => users of an object, by the list that it keeps of them */
static uint32_t
users_listed(const struct object *o)
{
	struct region *r;
	uint32_t n = 0;

	LIST_FOREACH(r, &o->regions, of_object)
		n++;
	return n;
}

static void
compare_objects(struct check *c)
{
	const struct table *t = &c->vm->objects;
	uint32_t used = 0;

	for (uint32_t i = 1; i < table_high(t); i++) {
		const struct object *o = &c->vm->object_index[i];
		uint32_t found = c->objects[i];

		if (o->rec == NULL)
			continue;
		used++;
		if (found + o->rec->kept != t->aux[i] || t->aux[i] == 0 ||
		    users_listed(o) != found)
			problem(c, "I11: object %u has %u users, not %u", i,
			    found, t->aux[i] - o->rec->kept);
	}
	if (used != t->used)
		problem(c, "I11: %u objects in use, not %u", used, t->used);
}

static void
compare_sources(struct check *c)
{
	for (uint32_t i = 1; i < table_high(&c->vm->spaces); i++) {
		const struct space *sp = &c->vm->space_index[i];

		if (sp->rec != NULL && sp->nsources != c->sources[i])
			problem(c, "I15: space %u is %u sources, not %u", i,
			    c->sources[i], sp->nsources);
	}
}

static void
check_cache(struct check *c)
{
	const struct vm *vm = c->vm;
	struct object *o;
	uint32_t unused = 0;

	for (uint32_t i = 1; i < table_high(&vm->objects); i++) {
		o = &vm->object_index[i];
		unused +=
		    o->rec != NULL && o->cached && LIST_EMPTY(&o->regions);
	}
	TAILQ_FOREACH(o, &vm->unused, lru) {
		if (!o->cached || !LIST_EMPTY(&o->regions))
			problem(c, "I18: object %u is not unused", o->index);
		unused--;
	}
	if (unused != 0)
		problem(c, "I18: %u unused objects are in no list", unused);
}

static void
check_slotmap(struct check *c)
{
	const struct slotmap *sm = &c->vm->slots;
	uint64_t live = 0, resident = 0;

	for (uint64_t i = 0; i * SLOT_CHUNK < sm->high; i++) {
		live += sm->chunks[i].live;
		resident += sm->chunks[i].resident;
	}
	if (resident != c->resident_slots)
		problem(c, "I9: %llu slots resident, not %llu",
		    (unsigned long long)c->resident_slots,
		    (unsigned long long)resident);
	if (live != c->live_slots)
		problem(c, "I9: %llu slots in use, not %llu",
		    (unsigned long long)c->live_slots,
		    (unsigned long long)live);
	if (extents_used(sm->extents) != c->owned_slots)
		problem(c, "I8: %llu slots owned, not %llu",
		    (unsigned long long)c->owned_slots,
		    (unsigned long long)extents_used(sm->extents));
}

static void
check_all(struct check *c)
{
	const struct vm *vm = c->vm;

	for (uint32_t i = 1; i < table_high(&vm->groups); i++)
		if (vm->group_index[i].rec != NULL)
			check_group(c, &vm->group_index[i]);
	for (uint32_t i = 1; i < table_high(&vm->objects); i++)
		if (vm->object_index[i].rec != NULL)
			check_object(c, &vm->object_index[i]);
	compare_blocks(c);
	compare_objects(c);
	compare_sources(c);
	check_cache(c);
	check_slotmap(c);
}

static uint32_t *
counters(const struct table *t)
{
	return calloc((size_t)table_high(t) + 1, sizeof(uint32_t));
}

int
vm_check(const struct vm *vm, void (*report)(void *ctx, const char *line),
    void *ctx)
{
	struct check c = { .vm = vm, .report = report, .ctx = ctx };

	c.blocks = counters(&vm->blocks);
	c.objects = counters(&vm->objects);
	c.sources = counters(&vm->spaces);
	if (c.blocks != NULL && c.objects != NULL && c.sources != NULL)
		check_all(&c);
	else
		problem(&c, "no memory to count references");
	free(c.blocks);
	free(c.objects);
	free(c.sources);
	return c.problems;
}
