/*
 * map-test.c: pictures of memory, as drawn in the terminal and as SVG
 *
 * "map-test svg" writes a picture of many things to standard output, for
 * test_commands.py to parse.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assert.h"
#include "map.h"

#define START UINT64_C(0x7f0000000000)
#define K UINT64_C(1024)
#define PAGES(n) ((n) * (uint64_t)MAP_PAGE)

/* What a region is to be made of: npages 0 ends it. */
static struct map_region *
add(struct map *map, uint64_t start, uint64_t npages,
    const struct map_run *runs)
{
	struct map_region *r =
	    map_add_region(map, start, start + PAGES(npages));

	strcpy(r->memtype, "anon");
	for (; runs->npages != 0; runs++)
		map_add_run(r, runs->state, runs->npages);
	return r;
}

#define RUNS(...) ((const struct map_run[]){ __VA_ARGS__, { 0, 0 } })
#define UNKNOWN(n)                                                             \
	{                                                                      \
		n, MAP_STATE_UNKNOWN                                           \
	}
#define RESIDENT(n)                                                            \
	{                                                                      \
		n, MAP_STATE_RESIDENT                                          \
	}
#define CLEAN(n)                                                               \
	{                                                                      \
		n, MAP_STATE_CLEAN                                             \
	}
#define COMPRESSED(n)                                                          \
	{                                                                      \
		n, MAP_STATE_COMPRESSED                                        \
	}

typedef void draw(const struct map *, const struct map_paper *, FILE *);

static char *
drawn(draw *how, const struct map *map, const struct map_paper *paper)
{
	size_t size;
	char *text;
	FILE *f = open_memstream(&text, &size);

	ASSERT(f != NULL);
	how(map, paper, f);
	ASSERT(fclose(f) == 0);
	return text;
}

/* => the map is of no use any more */
static void
expect(struct map *map, struct map_paper paper, const char *wanted)
{
	char *text;

	paper.pid = 4711;
	text = drawn(map_draw_text, map, &paper);
	if (strcmp(text, wanted) != 0)
		fprintf(stderr, "got:\n%swanted:\n%s", text, wanted);
	ASSERT(strcmp(text, wanted) == 0);
	free(text);
	map_fini(map);
}

static void
test_page_by_page(void)
{
	struct map map = { 0 };

	add(&map, START, 40,
	    RUNS(RESIDENT(10), CLEAN(1), { 2, MAP_STATE_PROTECTED },
		{ 3, MAP_STATE_STANDBY }, COMPRESSED(5), { 1, MAP_STATE_DISK },
		{ 1, MAP_STATE_ZERO }, { 1, MAP_STATE_LOST }, UNKNOWN(2),
		RESIDENT(3)));
	add(&map, START + PAGES(100), 1, RUNS(RESIDENT(1)));
	expect(&map, (struct map_paper){ .columns = 33 },
	    "process 4711: 2 regions, 164K; one cell is 1 page (4.0K)\n"
	    "  . unknown 52K  R resident 56K\n"
	    "  C clean 4.0K\n"
	    "  W write-protected 8.0K\n"
	    "  S standby 12K  P compressed 20K\n"
	    "  D on disk 4.0K  Z zero 4.0K\n"
	    "  L lost 4.0K\n"
	    "\n"
	    "7f0000000000-7f0000028000  160K anon, 64K resident, 44K out\n"
	    "7f0000000000 RRRRRRRRRRCWWSSSPPPP\n"
	    "7f0000014000 PDZL..RRR...........\n"
	    "\n"
	    "7f0000064000-7f0000065000  4.0K anon, 4.0K resident, 0 out\n"
	    "7f0000064000 R\n");
}

/* The finest one at which the rows are not too many. */
static void
test_scale(void)
{
	struct map map = { 0 };

	for (uint64_t i = 0; i < 80; i++)
		add(&map, START + PAGES(100 * i), 21, RUNS(RESIDENT(21)));
	ASSERT(map_scale(&map, 11, 1).pages == 2);
	ASSERT(map_scale(&map, 10, 1).pages == 4);
	ASSERT(map_scale(&map, 21, 1).pages == 1);
	ASSERT(map_scale(&map, 11, 160).pages == 1);
	map_fini(&map);
}

/* Each cell by itself: what prevails, and how much of it there is. */
static void
test_cell(void)
{
	struct map_cell c = { .npages = 64 };

	c.of[MAP_STATE_UNKNOWN] = 64;
	ASSERT(map_cell_state(&c) == MAP_STATE_UNKNOWN);
	ASSERT(map_cell_eighths(&c) == 8);
	c.of[MAP_STATE_UNKNOWN] = 63;
	c.of[MAP_STATE_DISK] = 1;
	ASSERT(map_cell_state(&c) == MAP_STATE_DISK);
	ASSERT(map_cell_eighths(&c) == 1);
	c.of[MAP_STATE_UNKNOWN] = 0;
	c.of[MAP_STATE_RESIDENT] = 30;
	c.of[MAP_STATE_LOST] = 33;
	ASSERT(map_cell_state(&c) == MAP_STATE_LOST);
	ASSERT(map_cell_eighths(&c) == 5);
	c.of[MAP_STATE_RESIDENT] = 0;
	c.of[MAP_STATE_LOST] = 63;
	ASSERT(map_cell_eighths(&c) == 7);
	c = (struct map_cell){ .npages = UINT64_C(1) << 52 };
	c.of[MAP_STATE_RESIDENT] = c.npages - 1;
	ASSERT(map_cell_eighths(&c) == 7);
}

/* A terabyte, of which there is next to nothing. */
static void
make_huge(struct map *map)
{
	const uint64_t tera = UINT64_C(1) << 28;

	add(map, START, tera,
	    RUNS(UNKNOWN(tera / 2), RESIDENT(3), COMPRESSED(1), UNKNOWN(996),
		COMPRESSED(30), UNKNOWN(7)));
	add(map, START + PAGES(2 * tera), tera, RUNS(UNKNOWN(1)));
	add(map, START + PAGES(4 * tera), 16, RUNS(COMPRESSED(3)));
}

static void
test_huge(void)
{
	struct map map = { 0 };

	make_huge(&map);
	expect(&map, (struct map_paper){ .columns = 43 },
	    "process 4711: 3 regions, 2.0T; one cell is 1 page (4.0K)\n"
	    "  . unknown 2.0T  R resident 12K\n"
	    "  P compressed 136K\n"
	    "\n"
	    "7f0000000000-800000000000  1.0T anon, 12K resident, 124K out\n"
	    "7f0000000000 (512G unknown)\n"
	    "7f7fffff8000 ........RRRP..................\n"
	    "7f8000016000 (3.8M unknown)\n"
	    "7f80003d6000 ..................PPPPPPPPPPPP\n"
	    "7f80003f4000 PPPPPPPPPPPPPPPPPP............\n"
	    "7f8000412000 (512G unknown)\n"
	    "\n"
	    "810000000000-820000000000  1.0T anon, 0 resident, 0 out\n"
	    "810000000000 (1.0T unknown)\n"
	    "\n"
	    "830000000000-830000010000  64K anon, 0 resident, 12K out\n"
	    "830000000000 PPP.............\n");
}

/* All of the greatest range there is, and all of it in use. */
static void
test_greatest(void)
{
	const uint64_t all = (UINT64_C(1) << 51) - 1;
	struct map map = { 0 };
	struct map_scale scale;
	char *text;

	add(&map, 0, all, RUNS(RESIDENT(all - 1), CLEAN(7)));
	ASSERT(map.regions[0].npages == all);
	scale = map_scale(&map, 1, 1);
	ASSERT(scale.pages == UINT64_C(1) << 51);
	text = drawn(map_draw_text, &map, &(struct map_paper){ .columns = 14 });
	ASSERT(strstr(text, ", 8.0E; one cell is 70368744177664 pages (256P)"));
	ASSERT(strstr(text, "\n7800000000000000 R\n7c00000000000000 r\n"));
	free(text);
	map_fini(&map);
}

static void
test_colors(void)
{
	struct map map = { 0 };
	char *text;

	add(&map, START, 6, RUNS(RESIDENT(2), UNKNOWN(1), COMPRESSED(3)));
	expect(&map, (struct map_paper){ 0, 40, true, true },
	    "process 4711: 1 region, 24K; one cell is 1 page (4.0K)\n"
	    "  \033[90m·\033[0m unknown 4.0K  \033[32m█\033[0m resident "
	    "8.0K\n"
	    "  \033[34m█\033[0m compressed 12K\n"
	    "\n"
	    "7f0000000000-7f0000006000  24K anon, 8.0K resident, 12K out\n"
	    "7f0000000000 \033[32m██\033[90m·\033[34m███\033[0m\n");
	add(&map, START, 2, RUNS(RESIDENT(2)));
	text = drawn(map_draw_text, &map,
	    &(struct map_paper){ 0, 40, true, false });
	ASSERT(strstr(text, "7f0000000000 \033[32mRR\033[0m\n") != NULL);
	free(text);
	map_fini(&map);
	/* Four pages a cell, less and less of them in use. */
	for (uint64_t i = 0; i < 41; i++)
		add(&map, START + PAGES(100 * i), 8 * 20,
		    RUNS(RESIDENT(9), UNKNOWN(5), COMPRESSED(2), UNKNOWN(7),
			RESIDENT(137)));
	text = drawn(map_draw_text, &map,
	    &(struct map_paper){ 0, 33, true, true });
	ASSERT(strstr(text, "one cell is 8 pages (32K)\n") != NULL);
	ASSERT(strstr(text, "7f0000000000 \033[32m█\033[34m▂\033[32m▁███") !=
	       NULL);
	free(text);
	map_fini(&map);
}

static void
test_bad_regions(void)
{
	struct map map = { 0 };
	struct map_region *r = map_add_region(&map, START, START + PAGES(4));

	map_add_run(r, MAP_STATE_CLEAN, 0);
	ASSERT(r->nruns == 0);
	map_add_run(r, MAP_STATE_CLEAN, UINT64_MAX);
	map_add_run(r, MAP_STATE_RESIDENT, 1);
	ASSERT(r->nruns == 1 && r->npages == 4);
	strcpy(r->memtype, "<\033[31m&\n");
	expect(&map, (struct map_paper){ .columns = 30 },
	    "process 4711: 1 region, 16K; one cell is 1 page (4.0K)\n"
	    "  C clean 16K\n"
	    "\n"
	    "7f0000000000-7f0000004000  16K <?[31m&?, 16K resident, 0 out\n"
	    "7f0000000000 CCCC\n");
	ASSERT(map_state_named("write_protected") == MAP_STATE_PROTECTED);
	ASSERT(map_state_named("not known yet") == MAP_STATE_UNKNOWN);
}

/* Of everything above, with a name that is no XML. */
static void
draw_everything(FILE *f)
{
	struct map map = { 0 };

	make_huge(&map);
	for (uint64_t i = 0; i < 200; i++)
		add(&map, PAGES(100 * i), 64,
		    RUNS(RESIDENT(i % 64), COMPRESSED(i % 3 + 1), UNKNOWN(2),
			CLEAN(i / 4)));
	strcpy(map.regions[1].memtype, "<\033&\x80>\"]]>");
	map_draw_svg(&map, &(struct map_paper){ .pid = 4711, .columns = 64 },
	    f);
	map_fini(&map);
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "svg") == 0) {
		draw_everything(stdout);
		return 0;
	}
	test_page_by_page();
	test_scale();
	test_cell();
	test_huge();
	test_greatest();
	test_colors();
	test_bad_regions();
	return 0;
}
