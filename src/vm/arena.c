#include "arena.h"

#include <errno.h>

#include "vm.h"

struct search {
	uint64_t min, max, len; /* bytes */
};

/* => a slot at the upper end of the gap [low, high), guard bytes away from it
 */
static bool
fits(const struct search *s, uint64_t low, uint64_t high, uint64_t guard,
    uint64_t *addr)
{
	uint64_t room = high - low;

	if (room < 2 * guard || room - 2 * guard < s->len)
		return false;
	*addr = high - guard - s->len;
	return true;
}

static bool
fits_gap(const struct search *s, uint64_t low, uint64_t high, uint64_t *addr)
{
	if (low < s->min)
		low = s->min;
	if (low >= high)
		return false;
	return fits(s, low, high, PAGE_BYTES, addr) ||
	       fits(s, low, high, 0, addr);
}

static int
find_top_down(struct space *sp, const struct search *s, uint64_t *addr)
{
	struct region *r = space_find_below(sp, s->max);
	uint64_t high = s->max;

	for (; r != NULL && high > s->min;
	     r = RB_PREV(region_tree, &sp->regions, r)) {
		if (fits_gap(s, region_end(r), high, addr))
			return 0;
		high = r->rec->start;
	}
	return fits_gap(s, s->min, high, addr) ? 0 : -ENOMEM;
}

static int
find_at(struct space *sp, uint64_t min, uint64_t len, uint64_t *addr)
{
	uint64_t end;

	if (__builtin_add_overflow(min, len, &end))
		return -EINVAL;
	if (!space_is_free(sp, min, end))
		return -EEXIST;
	*addr = min;
	return 0;
}

int
space_find_slot(struct space *sp, uint64_t min, uint64_t max, uint64_t npages,
    uint64_t *addr)
{
	struct search s = { .min = min, .max = max };
	int rc = -ENOMEM;

	if (npages == 0 || min % PAGE_BYTES != 0 || max % PAGE_BYTES != 0 ||
	    __builtin_mul_overflow(npages, PAGE_BYTES, &s.len))
		return -EINVAL;
	if (max == 0)
		return find_at(sp, min, s.len, addr);
	if (min >= max)
		return -EINVAL;
	if (sp->top > min && sp->top < max) {
		s.max = sp->top;
		rc = find_top_down(sp, &s, addr);
		s.max = max;
	}
	if (rc < 0)
		rc = find_top_down(sp, &s, addr);
	if (rc == 0)
		sp->top = *addr;
	return rc;
}

static int
check_request(const struct arena_request *q)
{
	const uint32_t frames =
	    ARENA_CONTIG | ARENA_PHYS64K | ARENA_LOWER16MB | ARENA_LOWER1MB;
	uint64_t len;

	if (q->flags & ~(uint32_t)ARENA_ALL)
		return -EINVAL;
	if (q->flags & frames)
		return -EOPNOTSUPP;
	if (q->min >= q->max || q->npages == 0 ||
	    __builtin_mul_overflow(q->npages, PAGE_BYTES, &len) ||
	    len > q->max - q->min)
		return -EINVAL;
	if (q->flags & ARENA_REPLACE && !(q->flags & ARENA_FIXED))
		return -EINVAL;
	return 0;
}

/* => is the hint inside the arena, with all that is asked for? */
static bool
hint_fits(const struct arena_request *q)
{
	return q->hint % PAGE_BYTES == 0 && q->hint >= q->min &&
	       q->hint < q->max &&
	       q->npages <= (q->max - q->hint) >> PAGE_SHIFT;
}

static int
choose(struct space *sp, const struct arena_request *q, uint64_t *addr)
{
	if (q->flags & ARENA_FIXED && !hint_fits(q))
		return -EINVAL;
	if (q->flags & ARENA_REPLACE) {
		*addr = q->hint;
		return 0;
	}
	if (q->flags & ARENA_FIXED)
		return space_find_slot(sp, q->hint, 0, q->npages, addr);
	if (q->hint != 0 && hint_fits(q) &&
	    space_find_slot(sp, q->hint, 0, q->npages, addr) == 0)
		return 0;
	return space_find_slot(sp, q->min, q->max, q->npages, addr);
}

int
arena_map(struct vm *vm, struct space *sp, const struct arena_request *q,
    uint64_t *addr)
{
	struct map_spec spec = { .npages = q->npages,
		.object = q->object,
		.offset = q->offset,
		.flags = q->flags & ARENA_READONLY ? REGION_READONLY : 0,
		.replace = q->flags & ARENA_REPLACE };
	uint64_t top = sp->top;
	int rc = check_request(q);

	if (rc == 0)
		rc = choose(sp, q, &spec.start);
	if (rc == 0)
		rc = space_map(vm, sp, &spec);
	if (rc < 0) {
		sp->top = top;
		return rc;
	}
	*addr = spec.start;
	return q->flags & ARENA_PREALLOC ? ARENA_POPULATE : 0;
}
