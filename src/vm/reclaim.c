#include "reclaim.h"

#include <stdbool.h>

#include "vm.h"

#define EPOCHS 32u /* a limit of pages comes in so many */
#define CALM 8u    /* of these without change, and min_age goes up */

/* => what its level changes by when a page comes back after so many epochs */
static int
lesson(uint16_t out)
{
	if (out < EPOCHS / 16)
		return 3;
	if (out < EPOCHS / 4)
		return 2;
	if (out < EPOCHS)
		return 1;
	return out < 4 * EPOCHS ? -1 : -3;
}

static uint16_t
now(const struct group *g)
{
	return g != NULL ? g->epoch : 0;
}

static uint32_t
stamp(unsigned int epoch, unsigned int level)
{
	return (uint16_t)epoch | level << 16;
}

static unsigned int
level_back(const struct group *g, uint64_t slot)
{
	uint16_t out = (uint16_t)(now(g) - slot_age(slot));
	int level = (int)slot_level(slot) + lesson(out);

	if (level < 0)
		return 0;
	return level < (int)RECLAIM_MAX_LEVEL ? (unsigned int)level
					      : RECLAIM_MAX_LEVEL;
}

uint32_t
reclaim_comes(const struct group *g, uint64_t slot)
{
	switch (slot_state(slot)) {
	case SLOT_RESIDENT:
		return stamp(now(g), slot_level(slot));
	case SLOT_OUT:
		return stamp(now(g), level_back(g, slot));
	case SLOT_UNKNOWN:
		break;
	}
	return stamp(now(g), RECLAIM_FIRST_LEVEL);
}

uint32_t
reclaim_goes(const struct group *g, uint64_t slot)
{
	switch (slot_state(slot)) {
	case SLOT_RESIDENT:
		return stamp(now(g), slot_level(slot));
	case SLOT_OUT:
		return slot_stamp(slot);
	case SLOT_UNKNOWN: /* it was never seen here: not a moment ago */
		break;
	}
	return stamp(now(g) - EPOCHS, RECLAIM_FIRST_LEVEL);
}

uint32_t
reclaim_cold(const struct group *g)
{
	return stamp(now(g) - RECLAIM_MAX_AGE, 0);
}

void
reclaim_installed(struct group *g, uint64_t n)
{
	uint64_t step = g->marks.limit / EPOCHS + 1;

	g->installs += n;
	if (g->installs < step)
		return;
	g->epoch = (uint16_t)(g->epoch + g->installs / step);
	g->installs %= step;
	if (g->min_age < RECLAIM_MAX_AGE &&
	    (uint16_t)(g->epoch - g->aged) >= CALM) {
		g->min_age++;
		g->aged = g->epoch;
	}
}

int
reclaim_lower(struct group *g)
{
	if (g->min_age == 0)
		return 0;
	g->min_age--;
	g->aged = g->epoch;
	return 1;
}

struct sweep {
	const struct vm *vm;
	uint16_t epoch;
	uint16_t min_age[RECLAIM_MAX_LEVEL + 1]; /* by level */
	uint32_t want, max;
	bool pinned;  /* some pages of the object are: look at each */
	enum way way; /* of the victims; WAY_NONE: there are none yet */
	struct victim *victims;
	uint32_t nvictims, npages;
};

static void
sweep_begin(struct sweep *s, const struct group *g)
{
	if (g == NULL) /* no page is too young */
		return;
	s->epoch = g->epoch;
	for (unsigned int level = 0; level <= RECLAIM_MAX_LEVEL; level++)
		s->min_age[level] = (uint16_t)(g->min_age << level);
}

static bool
is_victim(const struct sweep *s, uint64_t slot)
{
	uint16_t age = (uint16_t)(s->epoch - slot_age(slot));

	return slot_resident(slot) && age >= s->min_age[slot_level(slot)];
}

/* => the first slot of [pos, end) whose page is to leave, or end */
static uint64_t
next_victim(const struct sweep *s, uint64_t pos, uint64_t end)
{
	const struct slotmap *sm = &s->vm->slots;
	uint64_t stop;

	while ((pos = slotmap_resident(sm, pos, end, &stop)) < end)
		for (; pos < stop; pos++)
			if (is_victim(s, sm->slots[pos]))
				return pos;
	return end;
}

/* => false: there is no room for another run */
static bool
take(struct sweep *s, uint64_t addr)
{
	struct victim *v = &s->victims[s->nvictims];

	if (s->nvictims > 0 &&
	    v[-1].addr + ((uint64_t)v[-1].npages << PAGE_SHIFT) == addr) {
		v[-1].npages++;
	} else {
		if (s->nvictims == s->max)
			return false;
		*v = (struct victim){ .addr = addr, .npages = 1 };
		s->nvictims++;
	}
	s->npages++;
	return true;
}

/* => the address where the sweep stopped in [from, to) of r */
static uint64_t
sweep_region(struct sweep *s, const struct region *r, uint64_t from,
    uint64_t to)
{
	uint64_t page = region_page(r, from), end = region_page(r, to);
	uint64_t base = r->rec->slots;
	enum way way = r->memtype->way;

	for (; s->npages < s->want; page++) {
		page = next_victim(s, base + page, base + end) - base;
		if (page == end)
			return to;
		if ((s->way != WAY_NONE && s->way != way) ||
		    !take(s, region_addr(r, page)))
			break;
		s->way = way;
	}
	return region_addr(r, page);
}

static uint64_t
sweep_range(struct sweep *s, struct space *sp, uint64_t from, uint64_t to)
{
	struct region *r = space_find_from(sp, from);
	uint64_t at = from;

	for (; r != NULL && r->rec->start < to && s->npages < s->want;
	     r = RB_NEXT(region_tree, &sp->regions, r)) {
		uint64_t a = r->rec->start > from ? r->rec->start : from;
		uint64_t b = region_end(r) < to ? region_end(r) : to;

		if (r->counts.resident == 0 || r->memtype->way == WAY_NONE ||
		    r->rec->flags & (REGION_PINNED | REGION_EXCLUDED))
			continue;
		at = sweep_region(s, r, a, b);
		if (at < b)
			return at;
	}
	return s->npages < s->want ? to : at;
}

uint32_t
reclaim_pick(struct vm *vm, struct space *sp, uint32_t want,
    struct victim *victims, uint32_t max, uint32_t *npages, enum way *way)
{
	struct sweep s = {
		.vm = vm, .want = want, .max = max, .victims = victims
	};
	uint64_t start = sp->hand;

	sweep_begin(&s, sp->group);
	sp->hand = sweep_range(&s, sp, start, UINT64_MAX);
	if (sp->hand == UINT64_MAX)
		sp->hand = sweep_range(&s, sp, 0, start);
	*npages = s.npages;
	*way = s.way;
	return s.nvictims;
}

/* => the page where the sweep stopped in [from, to) of o */
static uint64_t
sweep_object(struct sweep *s, const struct object *o, uint64_t from,
    uint64_t to)
{
	uint64_t page = from, base = o->rec->slots;

	for (; s->npages < s->want; page++) {
		page = next_victim(s, base + page, base + to) - base;
		if (page == to)
			return to;
		if ((!s->pinned ||
			object_leave(s->vm, o, page) != LEAVE_STAY) &&
		    !take(s, page << PAGE_SHIFT))
			break;
	}
	return page;
}

uint32_t
reclaim_pick_object(struct vm *vm, struct object *o, uint32_t want,
    struct victim *victims, uint32_t max, uint32_t *npages)
{
	struct sweep s = { .vm = vm,
		.want = want,
		.max = max,
		.pinned = object_is_pinned(o),
		.victims = victims };
	uint64_t start = o->hand, n = o->rec->npages;

	sweep_begin(&s, o->group);
	o->hand = sweep_object(&s, o, start, n);
	if (o->hand == n)
		o->hand = sweep_object(&s, o, 0, start);
	*npages = s.npages;
	return s.nvictims;
}
