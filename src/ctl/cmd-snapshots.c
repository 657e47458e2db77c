/*
 * cmd-snapshots.c: the snapshots that there are
 */
#include <stdio.h>
#include <time.h>

#include "columns.h"
#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

static const char *const headings[] = { "SNAPSHOT", ">UID", ">PID", "COMMAND",
	"TAKEN", ">STOPPED", ">THREADS", ">HOLDER", ">RESIDENT", ">OUT", NULL };

static void
add_time(struct columns *c, int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;
	char text[32] = "?";

	if (localtime_r(&t, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	columns_text(c, text);
}

static void
add_snapshot(struct columns *c, const json_t *s)
{
	char stopped[32];

	columns_text(c, json_text(s, "name"));
	columns_int(c, json_int(s, "uid"));
	columns_int(c, json_int(s, "pid"));
	columns_text(c, json_text(s, "command"));
	add_time(c, json_int(s, "taken"));
	snprintf(stopped, sizeof(stopped), "%.1f ms",
	    (double)json_int(s, "pause_us") / 1000);
	columns_text(c, stopped);
	columns_int(c, json_int(s, "threads"));
	columns_int(c, json_int(s, "holder"));
	columns_size(c, json_int(s, "resident"));
	columns_size(c, json_int(s, "out"));
}

static int
snapshots(struct ctl *ctl)
{
	struct columns c;
	json_t *answer, *list, *s;
	size_t i;
	int status;

	status = daemon_ask(ctl, "ListSnapshots", NULL, VARLINK_SOON, &answer);
	if (status != CTL_OK)
		return status;
	list = json_object_get(answer, "snapshots");
	if (ctl->given[OPT_JSON]) {
		json_print(answer);
		return CTL_OK;
	}
	if (json_array_size(list) == 0)
		puts("no snapshots");
	columns_init(&c, headings);
	json_array_foreach(list, i, s) add_snapshot(&c, s);
	if (json_array_size(list) > 0)
		columns_print(&c, stdout);
	columns_fini(&c);
	json_decref(answer);
	return CTL_OK;
}

const struct ctl_command cmd_snapshots = {
	.name = "snapshots",
	.args = "",
	.help = "List snapshots.",
	.reads = true,
	.run = snapshots,
};
