/*
 * map-text.c: a map in the terminal
 *
 * With colours and UTF-8 a cell's colour is its state, and its height how much
 * of it is in that state.  Else it is a letter, a small one if that is not all
 * of it.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "map.h"
#include "size.h"

#define ROWS_MAX 40
#define ADDRESS_COLUMNS 13 /* before a row's cells */

struct text {
	const struct map *map;
	const struct map_paper *paper;
	struct map_scale scale;
	FILE *f;
	const char *sgr; /* in effect; NULL: none */
};

static bool
has_blocks(const struct text *t)
{
	return t->paper->color && t->paper->utf8;
}

/* => NULL: none */
static void
set_color(struct text *t, const char *sgr)
{
	if (!t->paper->color || sgr == t->sgr)
		return;
	fprintf(t->f, "\033[%sm", sgr != NULL ? sgr : "0");
	t->sgr = sgr;
}

static void
put_cell(struct text *t, enum map_state state, unsigned int eighths)
{
	static const char *const blocks[] = { "", "▁", "▂", "▃", "▄", "▅", "▆",
		"▇", "█" };
	char letter = map_looks[state].letter;

	set_color(t, map_looks[state].sgr);
	if (has_blocks(t))
		fputs(state == MAP_STATE_UNKNOWN ? "·" : blocks[eighths], t->f);
	else
		putc(eighths == 8 ? letter : tolower(letter), t->f);
}

/* Wrapped; only what there is. */
static void
put_legend(struct text *t)
{
	char size[SIZE_TEXT_MAX];
	size_t column = 0, width;

	for (int i = 0; i < MAP_STATES; i++) {
		uint64_t bytes = map_bytes_in(t->map, (enum map_state)i);

		if (bytes == 0)
			continue;
		size_format(bytes, size);
		width = strlen(map_looks[i].label) + strlen(size) + 5;
		if (column > 0 && column + width > t->paper->columns) {
			putc('\n', t->f);
			column = 0;
		}
		fputs("  ", t->f);
		put_cell(t, (enum map_state)i, 8);
		set_color(t, NULL);
		fprintf(t->f, " %s %s", map_looks[i].label, size);
		column += width;
	}
	putc('\n', t->f);
	if (t->scale.pages > 1)
		fprintf(t->f, "  %s\n",
		    has_blocks(t)
			? "a cell's height: how many of its pages are "
			  "in that state"
			: "a small letter: not all of a cell's pages");
}

static void
put_row(struct text *t, const struct map_row *row)
{
	char size[SIZE_TEXT_MAX];

	fprintf(t->f, "%012" PRIx64 " ", row->start);
	if (row->ncells == 0)
		fprintf(t->f, "(%s unknown)",
		    size_format(row->end - row->start, size));
	for (size_t i = 0; i < row->ncells; i++)
		put_cell(t, map_cell_state(&row->cells[i]),
		    map_cell_eighths(&row->cells[i]));
	set_color(t, NULL);
	putc('\n', t->f);
}

static void
put_region(struct text *t, const struct map_region *r)
{
	char *heading = map_heading(r);
	struct map_walk walk;
	struct map_row row;

	fprintf(t->f, "\n%s\n", heading);
	free(heading);
	map_walk_begin(&walk, r, t->scale);
	while (map_walk_next(&walk, &row))
		put_row(t, &row);
}

void
map_draw_text(const struct map *map, const struct map_paper *paper, FILE *f)
{
	size_t columns = paper->columns - ADDRESS_COLUMNS;
	struct text t = {
		.map = map,
		.paper = paper,
		.scale = map_scale(map, columns, ROWS_MAX),
		.f = f,
	};
	char *summary = map_summary(map, t.scale);

	fprintf(f, "process %d: %s\n", paper->pid, summary);
	free(summary);
	put_legend(&t);
	for (size_t i = 0; i < map->nregions; i++)
		put_region(&t, &map->regions[i]);
}
