#include "report.h"

#include <errno.h>
#include <string.h>

#include "backend.h"
#include "budget.h"
#include "client.h"
#include "planes.h"
#include "usage.h"

/* Of one slice, in pages that are looked at: well below a millisecond. */
#define USAGE_WORK 4096u

static uint64_t
bytes(uint64_t pages)
{
	return pages << PAGE_SHIFT;
}

/*
 * What pages take in the store, as far as one can say: every block as much as
 * any other.  What weighs is a page for each block that nobody else names.
 */
static uint64_t
stored_estimate(struct pager *p, double weight)
{
	if (p->vm.blocks.used == 0)
		return 0;
	return (uint64_t)((double)stores_bytes(p) * weight /
			  (double)p->vm.blocks.used);
}

/*
 * => what a group's pages that are out weigh: to know it each would have to be
 *    looked at, so they share as much as all pages do on the average
 */
static double
out_weight(struct pager *p, const struct group *g)
{
	if (p->vm.block_refs == 0)
		return 0;
	return (double)g->counts.out * (double)p->vm.blocks.used /
	       (double)p->vm.block_refs;
}

static void
report_group(struct pager *p, const struct group *g, struct group_info *out)
{
	const struct budget *b = budget_of(p, g);

	*out = (struct group_info){
		.id = g->index,
		.uid = g->rec->uid,
		.limit_bytes = g->rec->limit_bytes,
		.usage_bytes = bytes(budget_usage(p, g)),
		.resident_bytes = bytes(g->counts.resident),
		.out_bytes = bytes(g->counts.out),
		.stored_bytes = stored_estimate(p, out_weight(p, g)),
		.put_pages = b->put_pages,
		.put_bytes = b->put_bytes,
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
		report_group(p, g, &m->groups[m->n++]);
	}
}

static void
report_space(struct client *c, struct space_info *out)
{
	const struct space *sp = c->space;

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
		report_space(c, &m->spaces[m->n++]);
	}
}

static void
report_object(struct pager *p, const struct object *o, struct object_info *out)
{
	*out = (struct object_info){
		.id = o->rec->id,
		.uid = o->rec->uid,
		.bytes = bytes(o->rec->npages),
		.resident_bytes = bytes(o->counts.resident),
		.out_bytes = bytes(o->counts.out),
		.users = object_users(&p->vm, o),
	};
	_Static_assert(sizeof(out->name) == sizeof(o->rec->name), "names");
	memcpy(out->name, o->rec->name, sizeof(out->name));
}

void
report_objects(struct pager *p, struct mail_objects *m)
{
	const struct object *o;

	m->n = 0;
	m->more = false;
	TAILQ_FOREACH(o, &p->vm.named, named) {
		if (m->n == m->max) {
			m->more = true;
			break;
		}
		report_object(p, o, &m->objects[m->n++]);
	}
}

static void
add_usage(struct pager *p, const struct usage *u, struct usage_info *to)
{
	to->resident_bytes += bytes(u->resident);
	to->out_bytes += bytes(u->out);
	to->clean_bytes += bytes(u->clean);
	to->total_bytes += bytes(u->total);
	to->common_bytes += bytes(u->common);
	to->shared_bytes += bytes(u->shared);
	to->proportional_bytes += weight_bytes(&u->weight);
	to->stored_bytes += stored_estimate(p,
	    (double)weight_bytes(&u->out_weight) / PAGE_BYTES);
}

/* => the first page that was not looked at, or r's end */
static uint64_t
report_region(struct pager *p, const struct region *r, uint64_t page,
    uint64_t *work, struct region_info *out)
{
	struct usage u = { 0 };

	*out = (struct region_info){
		.id = r->rec->id,
		.start = r->rec->start,
		.end = region_end(r),
		.from = region_addr(r, page),
		.evictable = client_has_agent(client_of(p, r->space)),
	};
	(void)strncpy(out->memtype, r->memtype->name, sizeof(out->memtype) - 1);
	page = usage_slice(&p->vm, r, page, work, &u);
	add_usage(p, &u, &out->usage);
	return page;
}

/* => the page of r where one goes on that has come to from */
static uint64_t
first_page(const struct region *r, uint64_t from)
{
	return from > r->rec->start ? region_page(r, from) : 0;
}

int
report_regions(struct pager *p, struct mail_regions *m)
{
	struct client *c = client_get(p, m->space);
	uint64_t work = USAGE_WORK, page;
	struct region *r;

	if (c == NULL)
		return -ESRCH;
	m->n = 0;
	r = space_find_from(c->space, m->from);
	for (; r != NULL; r = RB_NEXT(region_tree, &c->space->regions, r)) {
		if (m->n == m->max || work == 0)
			break;
		page = report_region(p, r, first_page(r, m->from), &work,
		    &m->regions[m->n++]);
		m->from = region_addr(r, page);
		if (page < r->rec->npages)
			break;
	}
	m->more = r != NULL;
	return 0;
}

/* => all regions from *from on were looked at */
static bool
space_slice(struct pager *p, struct space *sp, uint64_t *from, uint64_t *work,
    struct usage *u)
{
	struct region *r = space_find_from(sp, *from);
	uint64_t page;

	for (; r != NULL && *work > 0;
	     r = RB_NEXT(region_tree, &sp->regions, r)) {
		page = usage_slice(&p->vm, r, first_page(r, *from), work, u);
		*from = region_addr(r, page);
		if (page < r->rec->npages)
			break;
	}
	return r == NULL;
}

/* => whether there is more; a space that came into its place is no matter */
static bool
all_slice(struct pager *p, struct mail_usage *m, uint64_t *work,
    struct usage *u)
{
	uint32_t high = table_high(&p->vm.spaces);

	for (; m->at<high && * work> 0; m->at++, m->from = 0) {
		struct client *c = &p->clients[m->at];

		--*work;
		if (c->space != NULL &&
		    !space_slice(p, c->space, &m->from, work, u))
			break;
	}
	return m->at < high;
}

int
report_usage(struct pager *p, struct mail_usage *m)
{
	struct client *c = NULL;
	uint64_t work = USAGE_WORK;
	struct usage u = { 0 };

	if (m->space != 0) {
		c = client_get(p, m->space);
		if (c == NULL)
			return -ESRCH;
		m->more = !space_slice(p, c->space, &m->from, &work, &u);
	} else {
		m->more = all_slice(p, m, &work, &u);
	}
	add_usage(p, &u, &m->usage);
	return 0;
}

static void
report_store(const struct store *s, struct store_info *out)
{
	struct backend_stats st;

	backend_stats(s->backend, &st);
	*out = (struct store_info){
		.stack = s->stack,
		.tier = store_tier(s),
		.draining = s->draining,
		.failing = st.failing,
		.pages = st.pages,
		.same_filled = st.same_filled,
		.incompressible = st.incompressible,
		.stored_bytes = st.stored_bytes,
		.used_bytes = st.used_bytes,
		.capacity_bytes = st.capacity_bytes,
		.stores = st.stores,
		.loads = st.loads,
		.errors = st.errors,
		.demoted = s->demoted,
		.promoted = s->promoted,
		.reads = st.reads,
		.read_bytes = st.read_bytes,
		.writes = st.writes,
		.written_bytes = st.written_bytes,
		.retries = st.retries,
		.moved = st.moved,
	};
	(void)strncpy(out->kind, backend_name(s->backend),
	    sizeof(out->kind) - 1);
	if (st.read_ns != NULL)
		out->read_ns = *st.read_ns;
	if (st.write_ns != NULL)
		out->write_ns = *st.write_ns;
}

void
report_stores(struct pager *p, struct mail_stores *m)
{
	m->n = p->stores.n;
	for (uint32_t i = 0; i < m->n && i < m->max; i++)
		report_store(&p->stores.at[i], &m->stores[i]);
}

/* All of them together, under the name of the first. */
static void
sum_stores(struct pager *p, struct mail_stats *m)
{
	struct backend_stats st;

	memset(&m->store, 0, sizeof(m->store));
	(void)strncpy(m->store.name, backend_name(p->stores.at[0].backend),
	    sizeof(m->store.name) - 1);
	m->store.saved_pages = p->vm.block_refs - p->vm.blocks.used;
	for (uint32_t i = 0; i < p->stores.n; i++) {
		backend_stats(p->stores.at[i].backend, &st);
		m->store.pages += st.pages;
		m->store.same_filled += st.same_filled;
		m->store.incompressible += st.incompressible;
		m->store.stored_bytes += st.stored_bytes;
		m->store.used_bytes += st.used_bytes;
		m->store.capacity_bytes += st.capacity_bytes;
	}
}

void
report_stats(struct pager *p, struct mail_stats *m)
{
	size_t n = m->ncounters < COUNTERS ? m->ncounters : COUNTERS;

	memcpy(m->counters, p->counters, n * sizeof(p->counters[0]));
	m->ncounters = n;
	m->service = p->service;
	m->wait = p->wait;
	sum_stores(p, m);
	m->metadata_bytes = vm_bytes(&p->vm) + contents_bytes(&p->contents,
						   table_high(&p->vm.blocks));
}
