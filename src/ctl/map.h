/*
 * map.h: a process's memory as rows of cells, to be drawn
 *
 *	cmd-map.c --> struct map --> map_scale() --> rows --> map-text.c
 *	  (asks)                                          --> map-svg.c
 *
 * Nothing here asks anybody anything: the drawers write to a FILE.
 */
#ifndef MAP_H
#define MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAP_PAGE 4096u
#define MAP_COLUMNS_MAX 1000u /* cells in a row */

enum map_state {
#define STATE(ident, name, help) MAP_STATE_##ident,
#include "states.h"
#undef STATE
	MAP_STATES
};

struct map_run {
	uint64_t npages;
	enum map_state state;
};

struct map_region {
	uint64_t start, end; /* page aligned */
	uint64_t resident, out;
	char memtype[16];
	struct map_run *runs; /* owned; from start on, no two alike in a row */
	size_t nruns, capacity;
	uint64_t npages; /* of the runs: what comes after is unknown */
};

struct map {
	struct map_region *regions; /* owned */
	size_t nregions, capacity;
};

/* => a state that this version does not know is MAP_STATE_UNKNOWN */
enum map_state map_state_named(const char *name);

/* A zeroed map is an empty one. */
struct map_region *map_add_region(struct map *, uint64_t start, uint64_t end);
/* => cut at the region's end */
void map_add_run(struct map_region *, enum map_state, uint64_t npages);
void map_fini(struct map *);

struct map_scale {
	uint64_t pages; /* that one cell stands for */
	size_t columns; /* cells in a row */
};

/*
 * map_scale: the finest scale, one for all regions, at which there are no more
 * than so many rows, or one for each region
 *
 * => columns is at least 1 and at most MAP_COLUMNS_MAX
 */
struct map_scale map_scale(const struct map *, size_t columns, size_t rows_max);

struct map_cell {
	uint64_t npages; /* in all; the last one of a region may have fewer */
	uint64_t of[MAP_STATES];
};

/* => what most of its pages are that are not unknown */
enum map_state map_cell_state(const struct map_cell *);
/* => how much of the cell is in that state: 8 is all, 1 is some */
unsigned int map_cell_eighths(const struct map_cell *);

struct map_row {
	uint64_t start, end; /* addresses */
	size_t ncells;       /* 0: as many rows as this are unknown */
	struct map_cell cells[MAP_COLUMNS_MAX];
};

struct map_walk {
	const struct map_region *region;
	struct map_scale scale;
	uint64_t page;
	size_t run;
	uint64_t used; /* pages of that run */
};

void map_walk_begin(struct map_walk *, const struct map_region *,
    struct map_scale);
bool map_walk_next(struct map_walk *, struct map_row *); /* false: the end */

/* How a state looks, besides its name. */
struct map_look {
	const char *label;
	char letter;      /* a capital, or '.' */
	const char *sgr;  /* for terminals */
	const char *fill; /* for SVG */
};
extern const struct map_look map_looks[MAP_STATES];
extern const char *const map_help[MAP_STATES];

/* => bytes of the map that are in this state */
uint64_t map_bytes_in(const struct map *, enum map_state);
uint64_t map_bytes(const struct map *);
/* => "2 regions, 8.0M; one cell is 4 pages (16K)"; the caller's to free */
char *map_summary(const struct map *, struct map_scale);
/* => "7f0000000000-7f0000400000  4.0M anon, 3.0M resident, 1.0M out" */
char *map_heading(const struct map_region *);

struct map_paper {
	int pid;
	size_t columns; /* of the terminal; in SVG: cells in a row */
	bool color, utf8;
};

#define MAP_TEXT_COLUMNS_MIN 24u

void map_draw_text(const struct map *, const struct map_paper *, FILE *);
void map_draw_svg(const struct map *, const struct map_paper *, FILE *);

#endif
