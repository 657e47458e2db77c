#include "reclaim.h"

#include <stdbool.h>

#include "vm.h"

void
reclaim_installed(struct group *g, uint64_t n)
{
	uint64_t step = g->marks.limit / 8;

	g->installs += n;
	if (g->installs < step)
		return;
	g->installs = 0;
	g->epoch++;
	if (g->min_age < RECLAIM_MAX_AGE)
		g->min_age++;
}

int
reclaim_lower(struct group *g)
{
	if (g->min_age == 0)
		return 0;
	g->min_age--;
	return 1;
}

struct sweep {
	struct vm *vm;
	const struct group *group;
	uint32_t want, max;
	bool pinned;  /* some pages of the object are: look at each */
	enum way way; /* of the victims; WAY_NONE: there are none yet */
	struct victim *victims;
	uint32_t nvictims, npages;
};

static bool
is_victim(const struct sweep *s, uint64_t slot)
{
	if (slot_state(slot) != SLOT_RESIDENT)
		return false;
	return s->group == NULL ||
	       (uint8_t)(s->group->epoch - slot_age(slot)) >= s->group->min_age;
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
	enum way way = r->memtype->way;

	for (; s->npages < s->want; page++) {
		page = region_next(s->vm, r, page, end);
		if (page == end)
			return to;
		if (!is_victim(s, region_slot(s->vm, r, page)))
			continue;
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
	struct sweep s = { .vm = vm,
		.group = sp->group,
		.want = want,
		.max = max,
		.victims = victims };
	uint64_t start = sp->hand;

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
	uint64_t page = from;

	for (; s->npages < s->want; page++) {
		page = object_next(s->vm, o, page, to);
		if (page == to)
			return to;
		if (is_victim(s, object_slot(s->vm, o, page)) &&
		    (!s->pinned ||
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
		.group = o->group,
		.want = want,
		.max = max,
		.pinned = object_is_pinned(o),
		.victims = victims };
	uint64_t start = o->hand, n = o->rec->npages;

	o->hand = sweep_object(&s, o, start, n);
	if (o->hand == n)
		o->hand = sweep_object(&s, o, 0, start);
	*npages = s.npages;
	return s.nvictims;
}
