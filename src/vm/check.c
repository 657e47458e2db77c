/*
 * check.c: the model held against its invariants (physblock.h)
 *
 * References are counted anew from the slots and compared with the index:
 * the code that rebuilds is the code that checks.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "assert.h"
#include "memtype.h"
#include "vm.h"

struct check {
	const struct vm *vm;
	void (*report)(void *ctx, const char *line);
	void *ctx;
	int problems;
	uint64_t live_slots;
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

static void
check_slot(struct check *c, const struct region *r, uint64_t page,
    uint64_t slot)
{
	unsigned long long at = region_addr(r, page);
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
}

static void
counts_of(struct check *c, const struct region *r, struct counts *sum)
{
	uint64_t n = r->rec->npages, page;

	for (page = 0; (page = region_next(c->vm, r, page, n)) < n; page++) {
		uint64_t slot = region_slot(c->vm, r, page);

		check_slot(c, r, page, slot);
		sum->resident += slot_state(slot) == SLOT_RESIDENT;
		sum->out += slot_state(slot) == SLOT_OUT;
		sum->clean += slot_clean(slot);
		c->live_slots++;
	}
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
check_region(struct check *c, const struct region *r, uint64_t *prev_end)
{
	struct counts found = { 0 };
	unsigned long long at = r->rec->start;

	if (r->rec->start % PAGE_BYTES != 0 || r->rec->npages == 0 ||
	    region_end(r) <= r->rec->start || r->rec->start < *prev_end)
		problem(c, "I1: region %#llx is misplaced", at);
	if (r->rec->capacity < r->rec->npages)
		problem(c, "I8: region %#llx has too few slots", at);
	*prev_end = region_end(r);
	counts_of(c, r, &found);
	if (!counts_equal(&found, &r->counts))
		problem(c, "I7: counts of region %#llx are wrong", at);
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
}

static void
check_group(struct check *c, const struct group *g)
{
	struct counts sum = { 0 };
	struct space *sp;
	uint32_t n = 0;

	TAILQ_FOREACH(sp, &g->spaces, entry) {
		check_space(c, sp);
		counts_sum(&sum, &sp->counts);
		n++;
	}
	if (n != g->nspaces || !counts_equal(&sum, &g->counts))
		problem(c, "I7: counts of group %u are wrong", g->index);
}

static void
count_references(struct check *c, uint32_t *refs, const struct region *r)
{
	uint64_t n = r->rec->npages, page;
	uint32_t block;

	for (page = 0; (page = region_next(c->vm, r, page, n)) < n; page++) {
		block = slot_block(region_slot(c->vm, r, page));
		if (block != 0 && block < table_high(&c->vm->blocks))
			refs[block]++;
	}
}

static void
compare_references(struct check *c, const uint32_t *refs)
{
	uint32_t high = table_high(&c->vm->blocks), used = 0;

	for (uint32_t b = 1; b < high; b++) {
		if (where_kind(physblock_where(c->vm, b)) == WHERE_NOWHERE) {
			continue;
		}
		used++;
		if (refs[b] != physblock_refs(c->vm, b) || refs[b] == 0)
			problem(c, "I5: block %u has %u references, not %u", b,
			    refs[b], physblock_refs(c->vm, b));
	}
	if (used != c->vm->blocks.used)
		problem(c, "I5: %u blocks in use, not %u", used,
		    c->vm->blocks.used);
}

static void
check_blocks(struct check *c)
{
	uint32_t high = table_high(&c->vm->blocks);
	uint32_t *refs = calloc((size_t)high + 1, sizeof(*refs));

	if (refs == NULL) {
		problem(c, "no memory to count the references of blocks");
		return;
	}
	for (uint32_t i = 1; i < table_high(&c->vm->regions); i++)
		if (c->vm->region_index[i].rec != NULL)
			count_references(c, refs, &c->vm->region_index[i]);
	compare_references(c, refs);
	free(refs);
}

static void
check_chunks(struct check *c)
{
	const struct slotmap *sm = &c->vm->slots;
	uint64_t live = 0;

	for (uint64_t i = 0; i < sm->nslots / SLOT_CHUNK; i++)
		live += sm->live[i];
	if (live != c->live_slots)
		problem(c, "I9: %llu slots in use, not %llu",
		    (unsigned long long)c->live_slots,
		    (unsigned long long)live);
}

int
vm_check(const struct vm *vm, void (*report)(void *ctx, const char *line),
    void *ctx)
{
	struct check c = { .vm = vm, .report = report, .ctx = ctx };

	for (uint32_t i = 1; i < table_high(&vm->groups); i++)
		if (vm->group_index[i].rec != NULL)
			check_group(&c, &vm->group_index[i]);
	check_blocks(&c);
	check_chunks(&c);
	return c.problems;
}
