/*
 * cmd-map.c: a picture of one process's memory
 */
#include <sys/ioctl.h>

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "map.h"
#include "varlink.h"

#define TEXT_COLUMNS 80
#define SVG_COLUMNS 128
#define TERMINAL_COLUMNS_MAX 512

/* Where the runs of a region end. */
static uint64_t
end_of(const json_t *region)
{
	uint64_t npages = 0;
	json_t *run;
	size_t i;

	json_array_foreach(json_object_get(region, "runs"), i, run)
	{
		npages += (uint64_t)json_int(run, "pages");
	}
	return (uint64_t)json_int(region, "from") + npages * MAP_PAGE;
}

/*
 * An answer may end in the middle of a region, which the next one goes on
 * with: then it is one region again.
 */
static void
append(json_t *regions, json_t *more)
{
	size_t n = json_array_size(regions);
	json_t *last = n > 0 ? json_array_get(regions, n - 1) : NULL;
	json_t *first = json_array_get(more, 0);

	if (last != NULL && first != NULL &&
	    json_int(last, "id") == json_int(first, "id") &&
	    end_of(last) == (uint64_t)json_int(first, "from")) {
		json_array_extend(json_object_get(last, "runs"),
		    json_object_get(first, "runs"));
		json_array_remove(more, 0);
	}
	json_array_extend(regions, more);
}

/* => *next: where to go on, or -1; returns 0 or -errno, said */
static int
fetch_piece(struct varlink *v, int pid, json_t *regions, int64_t *next)
{
	int64_t from = *next;
	json_t *answer;
	int r;

	r = daemon_call(v, "MapSpace",
	    json_pack("{s:i, s:I}", "pid", pid, "from", (json_int_t)from),
	    VARLINK_SOON, &answer);
	if (r != 0)
		return r;
	append(regions, json_object_get(answer, "regions"));
	*next = -1;
	if (json_is_integer(json_object_get(answer, "next")))
		*next = json_int(answer, "next");
	json_decref(answer);
	if (*next != -1 && *next <= from) {
		ctl_error("the daemon's answer leads nowhere; use the pagerctl "
			  "of its version");
		return -EPROTO;
	}
	return 0;
}

/* => regions, or NULL, said */
static json_t *
fetch(const struct ctl *ctl, int pid)
{
	json_t *regions = json_array();
	struct varlink *v;
	int64_t next = 0;
	int r;

	r = daemon_connect(ctl, &v);
	if (r != 0) {
		json_decref(regions);
		return NULL;
	}
	while (r == 0 && next >= 0)
		r = fetch_piece(v, pid, regions, &next);
	varlink_close(v);
	if (r == 0)
		return regions;
	json_decref(regions);
	return NULL;
}

static void
add_region(struct map *map, const json_t *region)
{
	int64_t start = json_int(region, "from");
	int64_t end = json_int(region, "end");
	struct map_region *r;
	json_t *run;
	size_t i;

	/* Nothing can be drawn of what is no range of pages. */
	if (start < 0 || start >= end || start % MAP_PAGE != 0 ||
	    end % MAP_PAGE != 0)
		return;
	r = map_add_region(map, (uint64_t)start, (uint64_t)end);
	snprintf(r->memtype, sizeof(r->memtype), "%s",
	    json_text(region, "memtype"));
	json_array_foreach(json_object_get(region, "runs"), i, run)
	{
		int64_t npages = json_int(run, "pages");

		if (npages > 0)
			map_add_run(r, map_state_named(json_text(run, "state")),
			    (uint64_t)npages);
	}
}

/* => 0 or -EINVAL, said */
static int
parse_color(const struct ctl *ctl, bool *color)
{
	const char *when = ctl->value[OPT_COLOR];
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (when == NULL || strcmp(when, "auto") == 0)
		*color = isatty(STDOUT_FILENO) && (no == NULL || *no == '\0') &&
			 term != NULL && strcmp(term, "dumb") != 0;
	else if (strcmp(when, "always") == 0 || strcmp(when, "never") == 0)
		*color = when[0] == 'a';
	else {
		ctl_error("--color '%s' is not known; give auto, always or "
			  "never",
		    when);
		return -EINVAL;
	}
	return 0;
}

static size_t
default_columns(const struct ctl *ctl)
{
	struct winsize size;

	if (ctl->given[OPT_SVG])
		return SVG_COLUMNS;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 ||
	    size.ws_col < MAP_TEXT_COLUMNS_MIN)
		return TEXT_COLUMNS;
	return size.ws_col < TERMINAL_COLUMNS_MAX ? size.ws_col
						  : TERMINAL_COLUMNS_MAX;
}

/* => 0 or -EINVAL, said */
static int
parse_width(const struct ctl *ctl, size_t *columns)
{
	const char *text = ctl->value[OPT_WIDTH];
	unsigned long n;
	char *end;

	*columns = default_columns(ctl);
	if (text == NULL)
		return 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' ||
	    n < MAP_TEXT_COLUMNS_MIN || n > MAP_COLUMNS_MAX) {
		ctl_error("--width '%s' is no number of columns; give one from "
			  "%u to %u",
		    text, MAP_TEXT_COLUMNS_MIN, MAP_COLUMNS_MAX);
		return -EINVAL;
	}
	*columns = n;
	return 0;
}

static int
write_svg(const struct map *map, const struct map_paper *paper,
    const char *path)
{
	FILE *f = fopen(path, "we");
	bool failed = f == NULL;

	if (f != NULL) {
		map_draw_svg(map, paper, f);
		failed = ferror(f) != 0;
		failed = fclose(f) != 0 || failed;
	}
	if (failed)
		ctl_error("cannot write '%s' (%m); name another file", path);
	return failed ? CTL_FAILED : CTL_OK;
}

static int
draw(const struct ctl *ctl, const json_t *regions,
    const struct map_paper *paper)
{
	struct map map = { 0 };
	json_t *region;
	int status = CTL_OK;
	size_t i;

	json_array_foreach(regions, i, region)
	{
		add_region(&map, region);
	}
	if (ctl->given[OPT_SVG])
		status = write_svg(&map, paper, ctl->value[OPT_SVG]);
	else if (map.nregions == 0 && !ctl->given[OPT_JSON])
		puts("no regions: nothing of this process is adopted now");
	else if (!ctl->given[OPT_JSON])
		map_draw_text(&map, paper, stdout);
	map_fini(&map);
	return status;
}

static int
map(struct ctl *ctl)
{
	struct map_paper paper = {
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	};
	json_t *regions;
	int status;

	if (ctl_pid(ctl->argv[0], &paper.pid) != 0 ||
	    parse_color(ctl, &paper.color) != 0 ||
	    parse_width(ctl, &paper.columns) != 0)
		return CTL_FAILED;
	regions = fetch(ctl, paper.pid);
	if (regions == NULL)
		return CTL_FAILED;
	status = draw(ctl, regions, &paper);
	if (ctl->given[OPT_JSON] && status == CTL_OK)
		json_print(json_pack("{s:O}", "regions", regions));
	json_decref(regions);
	return status;
}

const struct ctl_command cmd_map = {
	.name = "map",
	.args = "PID",
	.help = "Draw the adopted memory of one process, page by page.",
	.reads = true,
	.options = OPT_BIT(OPT_SVG) | OPT_BIT(OPT_WIDTH) | OPT_BIT(OPT_COLOR),
	.min_args = 1,
	.max_args = 1,
	.run = map,
};
