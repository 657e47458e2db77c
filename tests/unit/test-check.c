/*
 * The proof that vm_check() can fail: each invariant broken by hand.
 */
#include "vm-fixture.h"

static void
map_sanitycheck_slots(void)
{
	struct space *sp;
	struct region *r;
	uint64_t *slot, keep;
	uint32_t block;

	begin();
	sp = new_space();
	map(sp, 0, 8);
	block = put_out(sp, 0, 1);
	put_resident(sp, 1);
	r = at(sp, 0);
	slot = &vm.slots.slots[r->rec->slots];
	BROKEN("I1", r->rec->start += 8, r->rec->start -= 8);
	keep = slot[1];
	BROKEN("I2", slot[1] = 1, slot[1] = keep);
	BROKEN("I4", slot[1] |= block, slot[1] = keep);
	BROKEN("I6", slot[1] |= 77, slot[1] = keep);
	keep = slot[0];
	BROKEN("I3", slot[0] |= UINT64_C(1) << 53, slot[0] = keep);
	BROKEN("I3", slot[0] ^= block, slot[0] = keep);
	BROKEN("I5", vm.blocks.aux[block]++, vm.blocks.aux[block]--);
	BROKEN("I5", vm.blocks.used++, vm.blocks.used--);
	BROKEN("I5", vm.block_refs++, vm.block_refs--);
	BROKEN("I7", r->counts.out++, r->counts.out--);
	BROKEN("I7", sp->counts.resident++, sp->counts.resident--);
	BROKEN("I7", group->counts.out++, group->counts.out--);
	BROKEN("I7", group->nspaces++, group->nspaces--);
	BROKEN("I8", r->rec->capacity = 7, r->rec->capacity = 8);
	BROKEN("I9", vm.slots.chunks[r->rec->slots / SLOT_CHUNK].live++,
	    vm.slots.chunks[r->rec->slots / SLOT_CHUNK].live--);
	BROKEN("I9", vm.slots.chunks[r->rec->slots / SLOT_CHUNK].resident++,
	    vm.slots.chunks[r->rec->slots / SLOT_CHUNK].resident--);
	end();
}

static void
map_sanitycheck_regions_overlap(void)
{
	struct space *sp;
	struct region *a, *b;
	uint64_t keep;

	begin();
	sp = new_space();
	map(sp, 0, 4);
	map(sp, 10, 4);
	a = at(sp, 0);
	b = at(sp, 10);
	BROKEN("I1", a->rec->start += 7 * PAGE, a->rec->start -= 7 * PAGE);
	keep = b->rec->npages;
	BROKEN("I1", b->rec->npages = 0, b->rec->npages = keep);
	BROKEN("I1", b->rec->npages = UINT64_MAX >> 8, b->rec->npages = keep);
	/* Two that share slots own more than was given out. */
	BROKEN("I8", b->rec->capacity++, b->rec->capacity--);
	end();
}

static void
map_sanitycheck_objects(void)
{
	struct space *sp;
	struct object *o, *other;
	struct region *r;
	uint64_t *slot, keep;

	begin();
	sp = new_space();
	o = new_shared(8);
	other = new_image(8);
	CHECK(try_map(sp, 0, 4, o, 2, 0) == 0);
	map_all(sp, 10, other, 0);
	object_resident(&vm, o, 0);
	r = at(sp, 0);
	BROKEN("I10", r->rec->offset = 5, r->rec->offset = 2);
	BROKEN("I10", r->rec->offset = 9, r->rec->offset = 2);
	BROKEN("I10", r->rec->object = other->index, r->rec->object = o->index);
	BROKEN("I10", r->rec->object = 0, r->rec->object = o->index);
	BROKEN("I10", r->rec->object = 200, r->rec->object = o->index);
	BROKEN("I10", o->rec->uid++, o->rec->uid--);
	BROKEN("I11", vm.objects.aux[o->index]++, vm.objects.aux[o->index]--);
	BROKEN("I11", vm.objects.used++, vm.objects.used--);
	BROKEN("I11", o->rec->kept = 0, o->rec->kept = 1);
	BROKEN("I11", LIST_REMOVE(r, of_object),
	    LIST_INSERT_HEAD(&o->regions, r, of_object));
	BROKEN("I7", o->counts.out++, o->counts.out--);
	BROKEN("I8", o->rec->capacity--, o->rec->capacity++);
	slot = &vm.slots.slots[r->rec->slots];
	BROKEN("I12", region_resident(&vm, r, 1), region_forget(&vm, r, 1));
	slot = &vm.slots.slots[o->rec->slots];
	keep = slot[0];
	BROKEN("I12", slot[0] |= UINT64_C(1) << 53, slot[0] = keep);
	end();
}

static void
map_sanitycheck_names(void)
{
	struct object_spec spec = { .memtype = MEMTYPE_SHARED,
		.uid = USER,
		.npages = 1,
		.name = "one" };
	struct object *o, *other;
	struct space *sp, *snap;

	begin();
	sp = new_space();
	o = new_object(&spec);
	spec.name = "two";
	other = new_object(&spec);
	BROKEN("I13", o->rec->name[0] = '\n', o->rec->name[0] = 'o');
	BROKEN("I13", o->rec->name[10] = 'x', o->rec->name[10] = '\0');
	BROKEN("I13", name_set(other->rec->name, "one"),
	    name_set(other->rec->name, "two"));
	BROKEN("I11", (o->rec->kept = 0, vm.objects.aux[o->index] = 0),
	    (o->rec->kept = 1, vm.objects.aux[o->index] = 1));
	snap = new_snapshot(sp, "three");
	BROKEN("I13", snap->rec->name[63] = 'x', snap->rec->name[63] = '\0');
	BROKEN("I13", snap->rec->name[0] = '\1', snap->rec->name[0] = 't');
	BROKEN("I16", memset(snap->rec->name, 0, NAME_BYTES),
	    name_set(snap->rec->name, "three"));
	BROKEN("I16", name_set(sp->rec->name, "four"),
	    memset(sp->rec->name, 0, NAME_BYTES));
	end();
}

static void
map_sanitycheck_sources(void)
{
	struct space *sp, *snap, *other, *to;
	struct object *o;
	struct region *r;

	begin();
	sp = new_space();
	to = new_space();
	map(sp, 0, 4);
	map(sp, 10, 4);
	snap = new_snapshot(sp, "s");
	other = new_snapshot(sp, "t");
	CHECK(snapshot_clone(&vm, snap, to, ADDR(0), ADDR(4)) == 0);
	CHECK(snapshot_clone(&vm, snap, to, ADDR(10), ADDR(14)) == 0);
	o = at(to, 0)->object;
	BROKEN("I14", o->rec->source = SOURCE_IMAGE,
	    o->rec->source = SOURCE_SNAPSHOT);
	BROKEN("I14", o->rec->source = 99, o->rec->source = SOURCE_SNAPSHOT);
	BROKEN("I14", o->rec->source_at += PAGE, o->rec->source_at -= PAGE);
	BROKEN("I14", o->rec->source_id = other->rec->id,
	    o->rec->source_id = snap->rec->id);
	BROKEN("I15", snap->nsources++, snap->nsources--);
	BROKEN("I15", sp->nsources++, sp->nsources--);
	BROKEN("I15", other->nsources++, other->nsources--);
	r = at(snap, 0);
	BROKEN("I17", r->template = at(snap, 10)->template, r->template = o);
	end();
}

static void
map_sanitycheck_snapshot_is_frozen(void)
{
	struct space *sp, *snap;
	struct object *o;

	begin();
	sp = new_space();
	o = new_shared(4);
	snap = new_snapshot(sp, "s");
	map_all(sp, 0, o, 0);
	BROKEN("I16", (sp->rec->flags = SPACE_SNAPSHOT), sp->rec->flags = 0);
	BROKEN("I16", snap->rec->flags = 0, snap->rec->flags = SPACE_SNAPSHOT);
	end();
}

static void
map_sanitycheck_cached(void)
{
	struct object *a, *b;
	struct space *sp;

	begin();
	sp = new_space();
	a = new_cached(2, 1, 1);
	b = new_cached(2, 1, 2);
	map_all(sp, 0, a, REGION_READONLY);
	BROKEN("I18", a->rec->source_at = 9, a->rec->source_at = 1);
	BROKEN("I18", cache_used(&vm, b), cache_unused(&vm, b));
	BROKEN("I18", cache_unused(&vm, a), cache_used(&vm, a));
	BROKEN("I18", b->cached = false, b->cached = true);
	end();
}

static const struct test tests[] = {
	{ "map_sanitycheck_slots", map_sanitycheck_slots },
	{ "map_sanitycheck_regions_overlap", map_sanitycheck_regions_overlap },
	{ "map_sanitycheck_objects", map_sanitycheck_objects },
	{ "map_sanitycheck_names", map_sanitycheck_names },
	{ "map_sanitycheck_sources", map_sanitycheck_sources },
	{ "map_sanitycheck_snapshot_is_frozen",
	    map_sanitycheck_snapshot_is_frozen },
	{ "map_sanitycheck_cached", map_sanitycheck_cached },
};

TEST_MAIN(tests)
