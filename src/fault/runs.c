#include "runs.h"

#include <errno.h>
#include <string.h>

#include "client.h"
#include "planes.h"

/* Of one slice, in slots that are looked at: well below a millisecond. */
#define WORK_MAX 8192u
#define REGION_WORK 8u

enum page_state {
#define STATE(name, text, help) PAGE_##name,
#include "states.h"
#undef STATE
};

struct slice {
	const struct vm *vm;
	struct mail_map *m;
	uint64_t work; /* left */
};

static void
spend(struct slice *s, uint64_t work)
{
	s->work -= work < s->work ? work : s->work;
}

/*
 * Empty chunks are skipped by their counts; at both ends of a gap slots are
 * read, which lie side by side.
 */
static uint64_t
work_of_gap(uint64_t npages)
{
	uint64_t read = npages < 2 * SLOT_CHUNK ? npages : 2 * SLOT_CHUNK;

	return read / 16 + npages / SLOT_CHUNK;
}

static enum page_state
state_out(const struct vm *vm, uint32_t block)
{
	switch (where_kind(physblock_where(vm, block))) {
	case WHERE_STAGED:
		return PAGE_STANDBY;
	case WHERE_STORED:
		return PAGE_COMPRESSED;
	case WHERE_LOST:
	case WHERE_NOWHERE:
		break;
	}
	return PAGE_LOST;
}

static enum page_state
state_of(const struct vm *vm, uint64_t slot)
{
	switch (slot_state(slot)) {
	case SLOT_UNKNOWN:
		break;
	case SLOT_RESIDENT:
		if (slot_clean(slot))
			return PAGE_CLEAN;
		return slot_protected(slot) ? PAGE_PROTECTED : PAGE_RESIDENT;
	case SLOT_OUT:
		return state_out(vm, slot_block(slot));
	}
	return PAGE_UNKNOWN;
}

/* => false: there is no room for a run more */
static bool
add_run(struct mail_map *m, struct region_runs *region, enum page_state state,
    uint64_t npages)
{
	struct page_run *last = m->nruns > 0 ? &m->runs[m->nruns - 1] : NULL;

	if (region->nruns > 0 && last->state == state) {
		last->npages += npages;
		return true;
	}
	if (m->nruns == m->max_runs)
		return false;
	m->runs[m->nruns++] = (struct page_run){ npages, state };
	region->nruns++;
	return true;
}

static struct region_runs *
add_region(struct slice *s, const struct region *r, uint64_t page)
{
	struct region_runs *out = &s->m->regions[s->m->nregions++];

	*out = (struct region_runs){
		.id = r->rec->id,
		.start = r->rec->start,
		.end = region_end(r),
		.resident_bytes = r->counts.resident << PAGE_SHIFT,
		.out_bytes = r->counts.out << PAGE_SHIFT,
		.clean_bytes = r->counts.clean << PAGE_SHIFT,
		.from = region_addr(r, page),
	};
	(void)strncpy(out->memtype, r->memtype->name, sizeof(out->memtype) - 1);
	spend(s, REGION_WORK);
	return out;
}

/* => first page in [page, end) of which something is known, or end */
static uint64_t
next_shown(const struct vm *vm, const struct region *r, uint64_t page,
    uint64_t end)
{
	uint64_t own = region_next(vm, r, page, end), at = r->rec->offset;

	if (r->object == NULL)
		return own;
	return object_next(vm, r->object, at + page, at + own) - at;
}

/* => the first page that was not looked at, or r's end */
static uint64_t
add_pages(struct slice *s, const struct region *r, uint64_t page)
{
	struct region_runs *out = add_region(s, r, page);
	uint64_t npages = r->rec->npages, end, next;
	enum page_state state;

	while (page < npages && s->work > 0) {
		end = npages - page < s->work * SLOT_CHUNK
			  ? npages
			  : page + s->work * SLOT_CHUNK;
		next = next_shown(s->vm, r, page, end);
		state = PAGE_UNKNOWN;
		if (next == page)
			state = state_of(s->vm, region_shown(s->vm, r, next++));
		spend(s, 1 + work_of_gap(next - page));
		if (!add_run(s->m, out, state, next - page))
			break;
		page = next;
	}
	return page;
}

int
runs_report(struct pager *p, struct mail_map *m)
{
	struct client *c = client_get(p, m->space);
	struct slice s = { .vm = &p->vm, .m = m, .work = WORK_MAX };
	struct region *r;
	uint64_t page;

	if (c == NULL)
		return -ESRCH;
	m->nregions = m->nruns = 0;
	r = space_find_from(c->space, m->from);
	for (; r != NULL; r = RB_NEXT(region_tree, &c->space->regions, r)) {
		page = m->from > r->rec->start ? region_page(r, m->from) : 0;
		if (m->nregions == m->max_regions || m->nruns == m->max_runs ||
		    s.work == 0)
			break;
		page = add_pages(&s, r, page);
		m->from = region_addr(r, page);
		if (page < r->rec->npages)
			break;
	}
	m->more = r != NULL;
	return 0;
}
