/*
 * fake-reports.c: what the fake fault plane says of itself
 *
 * Lists are told of as much at a time as a mail has room for, pages of a client
 * SLICE at a time.  In a group called "checkered" every other page is unknown.
 */
#include "fake-plane.h"

#include <errno.h>
#include <string.h>

#define SLICE 1000 /* pages that are told of at once */

int
fake_list_groups(struct plane *p, struct mail_groups *m)
{
	struct group_info *i;
	struct fake_group *g;

	m->n = 0;
	m->more = false;
	for (g = p->groups; g < p->groups + MAX; g++) {
		if (g->id == 0)
			continue;
		if (m->n == m->max) {
			m->more = true;
			return 0;
		}
		i = &m->groups[m->n++];
		memset(i, 0, sizeof(*i));
		i->id = g->id;
		i->uid = g->uid;
		memcpy(i->name, g->name, sizeof(i->name));
		i->limit_bytes = g->limit;
		i->usage_bytes =
		    (uint64_t)(atomic_load(&g->gauge.model_pages) +
			       atomic_load(&g->gauge.foreign_pages)) *
		    4096;
		i->put_pages = 11;
		i->put_bytes = 22;
		i->nspaces = g->nspaces;
	}
	return 0;
}

int
fake_list_spaces(struct plane *p, struct mail_spaces *m)
{
	struct space_info *i;
	struct fake_space *s;

	m->n = 0;
	m->more = false;
	for (s = p->spaces; s < p->spaces + MAX; s++) {
		if (s->id == 0)
			continue;
		if (m->n == m->max) {
			m->more = true;
			return 0;
		}
		i = &m->spaces[m->n++];
		memset(i, 0, sizeof(*i));
		i->id = s->id;
		i->group = s->group->id;
		i->pid = s->pid;
		i->uid = s->uid;
		i->agent = s->nfds > 0;
		i->nregions = (uint32_t)s->nranges;
		i->foreign_bytes = atomic_load(&s->gauge.foreign_pages) * 4096;
	}
	return 0;
}

/*
 * Pages from *from on, at most SLICE of them: all are out, and two have one
 * block, which takes a quarter of a page for each.
 *
 * => the range that they are of, or NULL: there is none
 */
static const struct mail_range *
usage_slice(const struct fake_space *s, uint64_t *from, struct usage_info *u)
{
	const struct mail_range *r = s->ranges, *end = r + s->nranges;
	uint64_t bytes;

	while (r < end && r->end <= *from)
		r++;
	if (r == end)
		return NULL;
	if (*from < r->start)
		*from = r->start;
	bytes = r->end - *from < SLICE * MAP_PAGE_BYTES
		    ? r->end - *from
		    : SLICE * MAP_PAGE_BYTES;
	*from += bytes;
	u->out_bytes += bytes;
	u->total_bytes += bytes;
	u->common_bytes += bytes;
	u->proportional_bytes += bytes / 2;
	u->stored_bytes += bytes / 4;
	return r;
}

int
fake_list_regions(struct plane *p, struct mail_regions *m)
{
	struct fake_space *s = fake_space_find(p, m->space);
	const struct mail_range *range;
	struct region_info r = { .memtype = "anon" };

	if (s == NULL)
		return -ESRCH;
	r.from = m->from;
	range = usage_slice(s, &m->from, &r.usage);
	m->more = range != NULL;
	m->n = m->more;
	if (!m->more)
		return 0;
	r.id = (uint64_t)(range - s->ranges) + 1;
	r.start = range->start;
	r.end = range->end;
	if (r.from < r.start)
		r.from = r.start;
	m->regions[0] = r;
	return 0;
}

/* Of all: one after the other, those that are not there too. */
int
fake_count_usage(struct plane *p, struct mail_usage *m)
{
	struct fake_space *s = fake_space_find(p, m->space);

	if (m->space == 0)
		s = &p->spaces[m->at];
	else if (s == NULL)
		return -ESRCH;
	m->more = s->id != 0 && usage_slice(s, &m->from, &m->usage) != NULL;
	if (m->space != 0 || m->more)
		return 0;
	m->from = 0;
	m->more = ++m->at < MAX;
	return 0;
}

/* Compressed at first, then resident; or every other page of it. */
static void
add_page(struct mail_map *m, uint64_t page, bool checkered)
{
	unsigned int state = page == 0 ? 5 : checkered ? page & 1 : 1;
	struct page_run *last = &m->runs[m->nruns];

	if (m->regions->nruns > 0 && last[-1].state == state) {
		last[-1].npages++;
		return;
	}
	*last = (struct page_run){ 1, state };
	m->regions->nruns = ++m->nruns;
}

/* At most SLICE pages at a time; and a last slice of nothing. */
int
fake_map_space(struct plane *p, struct mail_map *m)
{
	struct fake_space *s = fake_space_find(p, m->space);
	bool checkered;
	size_t i, n;

	if (s == NULL)
		return -ESRCH;
	checkered = strcmp(s->group->name, "checkered") == 0;
	m->nregions = m->nruns = 0;
	for (i = 0; i < s->nranges && s->ranges[i].end <= m->from; i++)
		;
	m->more = i < s->nranges;
	if (!m->more)
		return 0;
	if (m->from < s->ranges[i].start)
		m->from = s->ranges[i].start;
	m->nregions = 1;
	m->regions[0] = (struct region_runs){
		.id = i + 1,
		.start = s->ranges[i].start,
		.end = s->ranges[i].end,
		.memtype = "anon",
		.from = m->from,
	};
	for (n = 0; n < SLICE && m->from < s->ranges[i].end; n++) {
		add_page(m, (m->from - s->ranges[i].start) / MAP_PAGE_BYTES,
		    checkered);
		m->from += MAP_PAGE_BYTES;
	}
	return 0;
}

int
fake_list_objects(struct plane *p, struct mail_objects *m)
{
	struct fake_object *o;

	m->n = 0;
	m->more = false;
	for (o = p->objects; o < p->objects + MAX; o++) {
		if (o->name[0] == '\0')
			continue;
		if (m->n == m->max) {
			m->more = true;
			return 0;
		}
		m->objects[m->n] = (struct object_info){
			.id = (uint64_t)(o - p->objects) + 1,
			.uid = o->uid,
			.bytes = o->bytes,
			.resident_bytes = 4096,
			.out_bytes = 8192,
			.users = 3,
		};
		memcpy(m->objects[m->n++].name, o->name, sizeof(o->name));
	}
	return 0;
}

int
fake_stats(struct plane *p, struct mail_stats *m)
{
	size_t i;

	for (i = 0; i < m->ncounters; i++)
		m->counters[i] = i;
	m->counters[0] = p->kicks;
	for (i = 1; i <= 1000; i++)
		hist_add(&m->service, i);
	hist_add(&m->wait, 1u << 20);
	strcpy(m->store.name, "ram");
	m->store.saved_pages = 21;
	return 0;
}

int
fake_check(struct plane *p, struct mail_check *m)
{
	if (m->space != 0 && fake_space_find(p, m->space) == NULL)
		return -ESRCH;
	m->nspaces = 1;
	m->nproblems = 1;
	strcpy(m->problems[0], "a problem");
	return 0;
}
