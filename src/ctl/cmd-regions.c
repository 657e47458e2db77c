/*
 * cmd-regions.c: the adopted ranges of one process
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "columns.h"
#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

static const char *const headings[] = { "START-END", "TYPE", ">SIZE",
	">RESIDENT", ">OUT", ">CLEAN", ">COMMON", ">SHARED", ">PROP", ">STORED",
	"EVICT", NULL };

static void
add_region(struct columns *c, const json_t *region)
{
	int64_t start = json_int(region, "start");
	int64_t end = json_int(region, "end");
	char *range = ctl_format("%012" PRIx64 "-%012" PRIx64, (uint64_t)start,
	    (uint64_t)end);

	columns_text(c, range);
	free(range);
	columns_text(c, json_text(region, "memtype"));
	columns_size(c, end - start);
	columns_size(c, json_int(region, "resident"));
	columns_size(c, json_int(region, "out"));
	columns_size(c, json_int(region, "clean"));
	columns_size(c, json_int(region, "common"));
	columns_size(c, json_int(region, "shared"));
	columns_size(c, json_int(region, "proportional"));
	columns_size(c, json_int(region, "stored"));
	columns_text(c, json_flag(region, "evictable") ? "yes" : "no");
}

static void
print(const json_t *regions)
{
	struct columns c;
	json_t *region;
	size_t i;

	if (json_array_size(regions) == 0) {
		puts("no regions: nothing of this process is adopted now");
		return;
	}
	columns_init(&c, headings);
	json_array_foreach(regions, i, region)
	{
		add_region(&c, region);
	}
	columns_print(&c, stdout);
	columns_fini(&c);
}

static int
regions(struct ctl *ctl)
{
	json_t *answer;
	int pid, status;

	if (ctl_pid(ctl->argv[0], &pid) != 0)
		return CTL_FAILED;
	status = daemon_ask(ctl, "ListRegions", json_pack("{s:i}", "pid", pid),
	    VARLINK_SOON, &answer);
	if (status != CTL_OK)
		return status;
	if (ctl->given[OPT_JSON]) {
		json_print(answer);
		return CTL_OK;
	}
	print(json_object_get(answer, "regions"));
	json_decref(answer);
	return CTL_OK;
}

const struct ctl_command cmd_regions = {
	.name = "regions",
	.args = "PID",
	.help = "List the adopted memory ranges of one process.",
	.reads = true,
	.min_args = 1,
	.max_args = 1,
	.run = regions,
};
