#include "report.h"

#include <errno.h>
#include <string.h>

#include "backend.h"
#include "budget.h"
#include "client.h"
#include "planes.h"

static uint64_t
bytes(uint64_t pages)
{
	return pages << PAGE_SHIFT;
}

/* => pages that name a block: those that are out, and the clean ones */
static uint64_t
named_pages(struct pager *p)
{
	uint64_t n = 0;

	for (uint32_t i = 1; i < table_high(&p->vm.groups); i++) {
		const struct group *g = group_get(&p->vm, i);

		if (g != NULL)
			n += g->counts.out + g->counts.clean;
	}
	return n;
}

/*
 * What a group's pages that are out take in the store, as far as one can say:
 * what is shared is split among all who name it, so that the groups' figures
 * do not come to more than what is stored.
 */
static uint64_t
stored_estimate(const struct backend_stats *s, uint64_t named, uint64_t out)
{
	if (named == 0)
		return 0;
	return (uint64_t)((double)s->stored_bytes / (double)named *
			  (double)out);
}

static void
report_group(struct pager *p, const struct group *g,
    const struct backend_stats *s, uint64_t named, struct group_info *out)
{
	const struct budget *b = budget_of(p, g);

	*out = (struct group_info){
		.id = g->index,
		.uid = g->rec->uid,
		.limit_bytes = g->rec->limit_bytes,
		.usage_bytes = bytes(budget_usage(p, g)),
		.resident_bytes = bytes(g->counts.resident),
		.out_bytes = bytes(g->counts.out),
		.stored_bytes = stored_estimate(s, named, g->counts.out),
		.faults = b->faults,
		.evicted_pages = b->evicted,
		.refault_pages = b->refaults,
		.wait_us = b->wait_us,
		.nspaces = g->nspaces,
		.over = b->over,
		.over_events = b->over_events,
	};
	out->peak_bytes = bytes(b->peak);
	memcpy(out->name, g->rec->name, sizeof(out->name));
}

void
report_groups(struct pager *p, struct mail_groups *m)
{
	struct backend_stats s;
	uint64_t named = named_pages(p);

	backend_stats(p->store, &s);
	m->n = 0;
	m->more = false;
	for (uint32_t i = 1; i < table_high(&p->vm.groups); i++) {
		struct group *g = group_get(&p->vm, i);

		if (g == NULL)
			continue;
		if (m->n == m->max) {
			m->more = true;
			break;
		}
		report_group(p, g, &s, named, &m->groups[m->n++]);
	}
}

/* => pages of r whose blocks other pages name too */
static uint64_t
shared_pages(const struct vm *vm, const struct region *r)
{
	uint64_t n = r->rec->npages, page, shared = 0;

	for (page = 0; (page = region_next(vm, r, page, n)) < n; page++) {
		uint32_t block = slot_block(region_slot(vm, r, page));

		shared += block != 0 && physblock_refs(vm, block) > 1;
	}
	return shared;
}

static void
report_space(struct pager *p, struct client *c, struct space_info *out)
{
	struct space *sp = c->space;
	struct region *r;

	*out = (struct space_info){
		.id = sp->rec->id,
		.group = sp->rec->group,
		.pid = (pid_t)sp->rec->pid,
		.uid = sp->rec->uid,
		.agent = client_has_agent(c),
		.nregions = sp->nregions,
		.resident_bytes = bytes(sp->counts.resident),
		.out_bytes = bytes(sp->counts.out),
		.clean_bytes = bytes(sp->counts.clean),
		.foreign_bytes =
		    atomic_load(&c->gauge->foreign_pages) * (int64_t)PAGE_BYTES,
		.faults = c->faults_total,
		.evicted_pages = c->evicted,
		.refault_pages = c->refaults,
		.zero_fills = c->zero_fills,
	};
	RB_FOREACH(r, region_tree, &sp->regions)
		out->shared_bytes += bytes(shared_pages(&p->vm, r));
}

void
report_spaces(struct pager *p, struct mail_spaces *m)
{
	m->n = 0;
	m->more = false;
	for (uint32_t i = 1; i < table_high(&p->vm.spaces); i++) {
		struct client *c = &p->clients[i];

		if (c->space == NULL)
			continue;
		if (m->n == m->max) {
			m->more = true;
			break;
		}
		report_space(p, c, &m->spaces[m->n++]);
	}
}

int
report_regions(struct pager *p, struct mail_regions *m)
{
	struct client *c = client_get(p, m->space);
	struct region *r;

	if (c == NULL)
		return -ESRCH;
	m->n = 0;
	for (r = space_find_from(c->space, m->from); r != NULL && m->n < m->max;
	     r = RB_NEXT(region_tree, &c->space->regions, r)) {
		struct region_info *out = &m->regions[m->n];

		if (r->rec->start < m->from)
			continue;
		m->n++;
		*out = (struct region_info){
			.id = r->rec->id,
			.start = r->rec->start,
			.end = region_end(r),
			.resident_bytes = bytes(r->counts.resident),
			.out_bytes = bytes(r->counts.out),
			.clean_bytes = bytes(r->counts.clean),
			.shared_bytes = bytes(shared_pages(&p->vm, r)),
			.evictable = client_has_agent(c),
		};
		(void)strncpy(out->memtype, r->memtype->name,
		    sizeof(out->memtype) - 1);
	}
	m->more = r != NULL;
	return 0;
}

void
report_stats(struct pager *p, struct mail_stats *m)
{
	struct backend_stats s;
	size_t n = m->ncounters < COUNTERS ? m->ncounters : COUNTERS;

	backend_stats(p->store, &s);
	memcpy(m->counters, p->counters, n * sizeof(p->counters[0]));
	m->ncounters = n;
	memset(m->store.name, 0, sizeof(m->store.name));
	(void)strncpy(m->store.name, backend_name(p->store),
	    sizeof(m->store.name) - 1);
	m->store.pages = s.pages;
	m->store.same_filled = s.same_filled;
	m->store.incompressible = s.incompressible;
	m->store.saved_pages = named_pages(p) - p->vm.blocks.used;
	m->store.stored_bytes = s.stored_bytes;
	m->store.used_bytes = s.used_bytes;
	m->store.capacity_bytes = s.capacity_bytes;
	m->metadata_bytes = vm_bytes(&p->vm) + contents_bytes(&p->contents,
						   table_high(&p->vm.blocks));
}
