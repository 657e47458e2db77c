/*
 * map.c: a process's memory as rows of cells
 */
#include "map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "assert.h"
#include "ctl.h"
#include "size.h"

#define SCALE_MAX (UINT64_C(1) << 52) /* pages: all there can be */

static const char *const names[MAP_STATES] = {
#define STATE(ident, name, help) [MAP_STATE_##ident] = name,
#include "states.h"
#undef STATE
};

const char *const map_help[MAP_STATES] = {
#define STATE(ident, name, help) [MAP_STATE_##ident] = help,
#include "states.h"
#undef STATE
};

const struct map_look map_looks[MAP_STATES] = {
	[MAP_STATE_UNKNOWN] = { "unknown", '.', "90", "#d9dadb" },
	[MAP_STATE_RESIDENT] = { "resident", 'R', "32", "#2f9e57" },
	[MAP_STATE_CLEAN] = { "clean", 'C', "36", "#22b8c4" },
	[MAP_STATE_PROTECTED] = { "write-protected", 'W', "33", "#e6b422" },
	[MAP_STATE_STANDBY] = { "standby", 'S', "35", "#b465d0" },
	[MAP_STATE_COMPRESSED] = { "compressed", 'P', "34", "#3d6fd6" },
	[MAP_STATE_DISK] = { "on disk", 'D', "38;5;130", "#9a5b22" },
	[MAP_STATE_ZERO] = { "zero", 'Z', "37", "#9aa7b5" },
	[MAP_STATE_LOST] = { "lost", 'L', "31", "#d62f45" },
};

enum map_state
map_state_named(const char *name)
{
	for (int i = 0; i < MAP_STATES; i++) {
		if (strcmp(names[i], name) == 0)
			return (enum map_state)i;
	}
	return MAP_STATE_UNKNOWN;
}

static void *
grown(void *array, size_t n, size_t *capacity, size_t size)
{
	if (n < *capacity)
		return array;
	*capacity = *capacity == 0 ? 16 : 2 * *capacity;
	array = reallocarray(array, *capacity, size);
	if (array == NULL) {
		ctl_error("out of memory");
		exit(CTL_FAILED);
	}
	return array;
}

struct map_region *
map_add_region(struct map *map, uint64_t start, uint64_t end)
{
	struct map_region *r;

	ASSERT(start < end && (start | end) % MAP_PAGE == 0);
	map->regions = grown(map->regions, map->nregions, &map->capacity,
	    sizeof(*map->regions));
	r = &map->regions[map->nregions++];
	*r = (struct map_region){ .start = start, .end = end };
	return r;
}

static uint64_t
pages_of(const struct map_region *r)
{
	return (r->end - r->start) / MAP_PAGE;
}

/* What is shown of shared memory, too, which no region owns. */
static void
count_run(struct map_region *r, enum map_state state, uint64_t npages)
{
	switch (state) {
	case MAP_STATE_RESIDENT:
	case MAP_STATE_CLEAN:
	case MAP_STATE_PROTECTED:
		r->resident += npages * MAP_PAGE;
		return;
	case MAP_STATE_STANDBY:
	case MAP_STATE_COMPRESSED:
	case MAP_STATE_DISK:
	case MAP_STATE_ZERO:
	case MAP_STATE_LOST:
		r->out += npages * MAP_PAGE;
		return;
	case MAP_STATE_UNKNOWN:
	case MAP_STATES:
		return;
	}
}

void
map_add_run(struct map_region *r, enum map_state state, uint64_t npages)
{
	uint64_t left = pages_of(r) - r->npages;

	if (npages > left)
		npages = left;
	if (npages == 0)
		return;
	r->npages += npages;
	count_run(r, state, npages);
	if (r->nruns > 0 && r->runs[r->nruns - 1].state == state) {
		r->runs[r->nruns - 1].npages += npages;
		return;
	}
	r->runs = grown(r->runs, r->nruns, &r->capacity, sizeof(*r->runs));
	r->runs[r->nruns++] = (struct map_run){ npages, state };
}

void
map_fini(struct map *map)
{
	for (size_t i = 0; i < map->nregions; i++)
		free(map->regions[i].runs);
	free(map->regions);
	*map = (struct map){ 0 };
}

void
map_walk_begin(struct map_walk *w, const struct map_region *region,
    struct map_scale scale)
{
	ASSERT(scale.columns >= 1 && scale.columns <= MAP_COLUMNS_MAX);
	*w = (struct map_walk){ .region = region, .scale = scale };
}

/* => the pages from here on that are in one state, which may be all the rest */
static uint64_t
ahead(const struct map_walk *w, enum map_state *state)
{
	const struct map_region *r = w->region;

	*state = MAP_STATE_UNKNOWN;
	if (w->run == r->nruns)
		return pages_of(r) - w->page;
	*state = r->runs[w->run].state;
	if (w->run + 1 == r->nruns && *state == MAP_STATE_UNKNOWN)
		return pages_of(r) - w->page;
	return r->runs[w->run].npages - w->used;
}

static void
advance(struct map_walk *w, uint64_t npages)
{
	const struct map_region *r = w->region;

	w->page += npages;
	while (npages > 0 && w->run < r->nruns) {
		uint64_t left = r->runs[w->run].npages - w->used;

		if (npages < left) {
			w->used += npages;
			return;
		}
		npages -= left;
		w->run++;
		w->used = 0;
	}
}

static void
fill_cell(struct map_walk *w, struct map_cell *cell)
{
	uint64_t left = pages_of(w->region) - w->page, n;
	enum map_state state;

	*cell = (struct map_cell){ 0 };
	cell->npages = left < w->scale.pages ? left : w->scale.pages;
	for (left = cell->npages; left > 0; left -= n) {
		n = ahead(w, &state);
		n = n < left ? n : left;
		cell->of[state] += n;
		advance(w, n);
	}
}

/* => pages from here on that make whole rows of nothing known */
static uint64_t
unknown_rows(const struct map_walk *w)
{
	uint64_t row = w->scale.pages * w->scale.columns, n;
	enum map_state state;

	n = ahead(w, &state);
	if (state != MAP_STATE_UNKNOWN)
		return 0;
	return n == pages_of(w->region) - w->page ? n : n / row * row;
}

bool
map_walk_next(struct map_walk *w, struct map_row *row)
{
	uint64_t npages = pages_of(w->region), skip;

	if (w->page == npages)
		return false;
	row->start = w->region->start + w->page * MAP_PAGE;
	row->ncells = 0;
	skip = unknown_rows(w);
	if (skip > 0)
		advance(w, skip);
	else
		while (row->ncells < w->scale.columns && w->page < npages)
			fill_cell(w, &row->cells[row->ncells++]);
	row->end = w->region->start + w->page * MAP_PAGE;
	return true;
}

/* => counts no further than that */
static bool
has_more_rows(const struct map *map, struct map_scale scale, size_t max)
{
	struct map_walk walk;
	struct map_row row;
	size_t n = 0;

	for (size_t i = 0; i < map->nregions; i++) {
		map_walk_begin(&walk, &map->regions[i], scale);
		while (map_walk_next(&walk, &row)) {
			if (++n > max)
				return true;
		}
	}
	return false;
}

struct map_scale
map_scale(const struct map *map, size_t columns, size_t rows_max)
{
	struct map_scale scale = { .pages = 1, .columns = columns };

	if (rows_max < map->nregions)
		rows_max = map->nregions;
	while (scale.pages < SCALE_MAX && has_more_rows(map, scale, rows_max))
		scale.pages *= 2;
	return scale;
}

enum map_state
map_cell_state(const struct map_cell *cell)
{
	int most = MAP_STATE_UNKNOWN + 1;

	for (int i = most + 1; i < MAP_STATES; i++) {
		if (cell->of[i] > cell->of[most])
			most = i;
	}
	return cell->of[most] > 0 ? (enum map_state)most : MAP_STATE_UNKNOWN;
}

unsigned int
map_cell_eighths(const struct map_cell *cell)
{
	uint64_t n = cell->of[map_cell_state(cell)];
	unsigned int eighths =
	    (unsigned int)((n * 8 + cell->npages - 1) / cell->npages);

	return eighths == 8 && n < cell->npages ? 7 : eighths;
}

uint64_t
map_bytes_in(const struct map *map, enum map_state state)
{
	uint64_t npages = 0;

	for (size_t i = 0; i < map->nregions; i++) {
		const struct map_region *r = &map->regions[i];

		for (size_t j = 0; j < r->nruns; j++)
			npages +=
			    r->runs[j].state == state ? r->runs[j].npages : 0;
		if (state == MAP_STATE_UNKNOWN)
			npages += pages_of(r) - r->npages;
	}
	return npages * MAP_PAGE;
}

uint64_t
map_bytes(const struct map *map)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < map->nregions; i++)
		bytes += map->regions[i].end - map->regions[i].start;
	return bytes;
}

char *
map_summary(const struct map *map, struct map_scale scale)
{
	char all[SIZE_TEXT_MAX], cell[SIZE_TEXT_MAX];

	return ctl_format("%zu region%s, %s; one cell is %" PRIu64 " page%s "
			  "(%s)",
	    map->nregions, map->nregions == 1 ? "" : "s",
	    size_format(map_bytes(map), all), scale.pages,
	    scale.pages == 1 ? "" : "s",
	    size_format(scale.pages * MAP_PAGE, cell));
}

char *
map_heading(const struct map_region *r)
{
	char size[SIZE_TEXT_MAX], resident[SIZE_TEXT_MAX], out[SIZE_TEXT_MAX];

	return ctl_printable(ctl_format("%012" PRIx64 "-%012" PRIx64
					"  %s %.*s, %s resident, %s out",
	    r->start, r->end, size_format(r->end - r->start, size),
	    (int)sizeof(r->memtype), r->memtype,
	    size_format(r->resident, resident), size_format(r->out, out)));
}
