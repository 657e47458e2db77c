/*
 * map-svg.c: a map as a picture that stands alone
 *
 * Cells are filled from below, each state as high as its part of the pages.
 * Neighbours that are alike and all of one state become one shape; every shape
 * tells in its title what it is.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "map.h"
#include "size.h"

#define ROWS_MAX 100
#define CELL_WIDTH 8
#define CELL_HEIGHT 14
#define ROW_HEIGHT 16
#define MARGIN 24
#define ADDRESS_WIDTH 104
#define HEAD_HEIGHT (MARGIN + 56) /* above the legend */
#define REGION_HEIGHT 40          /* heading, and the space above it */
#define LEGEND_WIDTH 160
#define WIDTH_MIN 720

struct svg {
	const struct map *map;
	struct map_scale scale;
	FILE *f;
	int y;
};

/* A memtype could hold anything; XML cannot. */
static void
put_char(FILE *f, char c)
{
	switch (c) {
	case '<':
		fputs("&lt;", f);
		break;
	case '>':
		fputs("&gt;", f);
		break;
	case '&':
		fputs("&amp;", f);
		break;
	default:
		putc(c >= ' ' && c < 0x7f ? c : '?', f);
		break;
	}
}

static void
put_text(struct svg *s, int x, int y, const char *class, const char *text)
{
	fprintf(s->f, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
	for (; *text != '\0'; text++)
		put_char(s->f, *text);
	fputs("</text>\n", s->f);
}

static int
width_of(const struct svg *s)
{
	int width = ADDRESS_WIDTH + CELL_WIDTH * (int)s->scale.columns;

	return (width > WIDTH_MIN ? width : WIDTH_MIN) + 2 * MARGIN;
}

static int
legend_rows(const struct svg *s)
{
	int across = (width_of(s) - 2 * MARGIN) / LEGEND_WIDTH;

	return (MAP_STATES + across - 1) / across;
}

static int
height_of(const struct svg *s)
{
	int height = HEAD_HEIGHT + ROW_HEIGHT * legend_rows(s) + MARGIN;
	struct map_walk walk;
	struct map_row row;

	for (size_t i = 0; i < s->map->nregions; i++) {
		height += REGION_HEIGHT;
		map_walk_begin(&walk, &s->map->regions[i], s->scale);
		while (map_walk_next(&walk, &row))
			height += ROW_HEIGHT;
	}
	return height;
}

static void
put_style(struct svg *s)
{
	fputs("<style>\n"
	      "svg { background: #fbfbfa; }\n"
	      "text { font: 12px ui-sans-serif, system-ui, sans-serif;"
	      " fill: #30343b; }\n"
	      ".title { font-size: 20px; font-weight: 600; }\n"
	      ".soft { fill: #747a85; }\n"
	      ".mono { font-family: ui-monospace, monospace; }\n"
	      ".paper { fill: #fbfbfa; }\n",
	    s->f);
	for (int i = 0; i < MAP_STATES; i++)
		fprintf(s->f, ".s%d { fill: %s; }\n", i, map_looks[i].fill);
	fputs("@media (prefers-color-scheme: dark) {\n"
	      "svg { background: #16181c; }\n"
	      "text { fill: #dfe3ea; }\n"
	      ".soft { fill: #8d95a3; }\n"
	      ".paper { fill: #16181c; }\n"
	      ".s0 { fill: #34383f; }\n"
	      "}\n"
	      "</style>\n",
	    s->f);
}

/* All states, so that pictures can be compared. */
static void
put_legend(struct svg *s)
{
	int across = (width_of(s) - 2 * MARGIN) / LEGEND_WIDTH;
	char size[SIZE_TEXT_MAX];
	char *text;

	for (int i = 0; i < MAP_STATES; i++) {
		int x = MARGIN + i % across * LEGEND_WIDTH;
		int y = s->y + i / across * ROW_HEIGHT;

		fprintf(s->f,
		    "<g><title>%s</title>"
		    "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\""
		    " rx=\"2\" class=\"s%d\"/>\n",
		    map_help[i], x, y, i);
		size_format(map_bytes_in(s->map, (enum map_state)i), size);
		text = ctl_format("%s %s", map_looks[i].label, size);
		put_text(s, x + 16, y + 10, "label", text);
		free(text);
		fputs("</g>\n", s->f);
	}
	s->y += ROW_HEIGHT * legend_rows(s);
}

static void
put_head(struct svg *s, int pid)
{
	int width = width_of(s), height = height_of(s);
	char *summary = map_summary(s->map, s->scale);

	fprintf(s->f,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
	    "height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n"
	    "<title>Memory of process %d</title>\n",
	    width, height, width, height, pid);
	put_style(s);
	fprintf(s->f,
	    "<rect width=\"%d\" height=\"%d\" class=\"paper\"/>\n"
	    "<text x=\"%d\" y=\"%d\" class=\"title\">Memory of process %d"
	    "</text>\n",
	    width, height, MARGIN, MARGIN + 18, pid);
	put_text(s, MARGIN, MARGIN + 40, "soft", summary);
	free(summary);
	s->y = HEAD_HEIGHT;
	put_legend(s);
}

static void
put_shape_title(struct svg *s, const struct map_cell *cell, uint64_t start,
    uint64_t end)
{
	char size[SIZE_TEXT_MAX];

	fprintf(s->f, "<title>%012" PRIx64 "-%012" PRIx64, start, end);
	for (int i = 0; i < MAP_STATES; i++) {
		if (cell->of[i] > 0)
			fprintf(s->f, "\n%s %s", map_looks[i].label,
			    size_format(cell->of[i] * MAP_PAGE, size));
	}
	fputs("</title>", s->f);
}

/* => n cells wide; what is not known lies beneath, in its own colour */
static void
put_shape(struct svg *s, const struct map_cell *cell, uint64_t start, size_t at,
    size_t n)
{
	int x = MARGIN + ADDRESS_WIDTH + CELL_WIDTH * (int)at;
	int width = CELL_WIDTH * (int)n - 1;
	double below = s->y + CELL_HEIGHT;

	fputs("<g>", s->f);
	put_shape_title(s, cell, start, start + cell->npages * MAP_PAGE);
	fprintf(s->f,
	    "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
	    "class=\"s%d\"/>",
	    x, s->y, width, CELL_HEIGHT, MAP_STATE_UNKNOWN);
	for (int i = MAP_STATE_UNKNOWN + 1; i < MAP_STATES; i++) {
		double height =
		    CELL_HEIGHT * (double)cell->of[i] / (double)cell->npages;

		if (cell->of[i] == 0)
			continue;
		below -= height;
		fprintf(s->f,
		    "<rect x=\"%d\" y=\"%.2f\" width=\"%d\" height=\"%.2f\" "
		    "class=\"s%d\"/>",
		    x, below, width, height, i);
	}
	fputs("</g>\n", s->f);
}

static bool
is_pure(const struct map_cell *cell)
{
	return cell->of[map_cell_state(cell)] == cell->npages;
}

/* => cells from at on that make one shape; their sum */
static size_t
gather(const struct map_row *row, size_t at, struct map_cell *sum)
{
	enum map_state state = map_cell_state(&row->cells[at]);
	size_t n = 1;

	*sum = row->cells[at];
	if (!is_pure(sum))
		return 1;
	for (; at + n < row->ncells; n++) {
		const struct map_cell *next = &row->cells[at + n];

		if (!is_pure(next) || map_cell_state(next) != state)
			break;
		sum->npages += next->npages;
		sum->of[state] += next->npages;
	}
	return n;
}

static void
put_row(struct svg *s, const struct map_row *row)
{
	uint64_t start = row->start;
	char size[SIZE_TEXT_MAX];
	struct map_cell sum;
	char *text = ctl_format("%012" PRIx64, start);
	size_t n;

	put_text(s, MARGIN, s->y + 11, "mono soft", text);
	free(text);
	if (row->ncells == 0) {
		size_format(row->end - row->start, size);
		text = ctl_format("%s unknown", size);
		put_text(s, MARGIN + ADDRESS_WIDTH, s->y + 11, "soft", text);
		free(text);
	}
	for (size_t i = 0; i < row->ncells; i += n) {
		n = gather(row, i, &sum);
		put_shape(s, &sum, start, i, n);
		start += sum.npages * MAP_PAGE;
	}
	s->y += ROW_HEIGHT;
}

static void
put_region(struct svg *s, const struct map_region *r)
{
	char *heading = map_heading(r);
	struct map_walk walk;
	struct map_row row;

	put_text(s, MARGIN, s->y + REGION_HEIGHT - 10, "mono", heading);
	free(heading);
	s->y += REGION_HEIGHT;
	map_walk_begin(&walk, r, s->scale);
	while (map_walk_next(&walk, &row))
		put_row(s, &row);
}

void
map_draw_svg(const struct map *map, const struct map_paper *paper, FILE *f)
{
	struct svg s = {
		.map = map,
		.scale = map_scale(map, paper->columns, ROWS_MAX),
		.f = f,
	};

	put_head(&s, paper->pid);
	for (size_t i = 0; i < map->nregions; i++)
		put_region(&s, &map->regions[i]);
	fputs("</svg>\n", f);
}
