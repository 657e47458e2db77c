/*
 * cmd-list.c: groups, and the processes of each beneath it
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

static const char *
state_of(const json_t *group)
{
	if (json_flag(group, "over"))
		return "OVER";
	return json_flag(group, "adopted") ? "adopted" : "native";
}

/* => a daemon that has only one does not say it */
static bool
has_stores(const json_t *groups)
{
	json_t *group;
	size_t i;

	json_array_foreach(groups, i, group)
	{
		if (json_is_string(json_object_get(group, "store")))
			return true;
	}
	return false;
}

static void
add_group(struct columns *c, const json_t *group, bool stores)
{
	columns_text(c, json_text(group, "name"));
	columns_int(c, json_int(group, "uid"));
	columns_text(c, "");
	columns_text(c, "");
	columns_size(c, json_int(group, "resident"));
	columns_size(c, json_int(group, "out"));
	columns_text(c, "");
	columns_size(c, json_int(group, "usage"));
	if (json_int(group, "limit") == 0)
		columns_text(c, "none");
	else
		columns_size(c, json_int(group, "limit"));
	columns_size(c, json_int(group, "peak"));
	columns_text(c, state_of(group));
	if (stores)
		columns_text(c, json_text(group, "store"));
}

static void
add_space(struct columns *c, const json_t *space, bool stores)
{
	columns_text(c, "");
	columns_int(c, json_int(space, "uid"));
	if (json_int(space, "pid") == 0)
		columns_text(c, "?");
	else
		columns_int(c, json_int(space, "pid"));
	columns_text(c, json_text(space, "command"));
	columns_size(c, json_int(space, "resident"));
	columns_size(c, json_int(space, "out"));
	columns_size(c, json_int(space, "foreign"));
	columns_text(c, "");
	columns_text(c, "");
	columns_text(c, "");
	columns_text(c, json_flag(space, "agent") ? "" : "no agent");
	if (stores)
		columns_text(c, "");
}

static void
print(const json_t *groups, const json_t *spaces)
{
	const bool stores = has_stores(groups);
	const char *const headings[] = { "GROUP", ">UID", ">PID", "COMMAND",
		">RESIDENT", ">OUT", ">FOREIGN", ">USAGE", ">LIMIT", ">PEAK",
		"STATE", stores ? "STORE" : NULL, NULL };
	struct columns c;
	size_t i, j;
	json_t *group, *space;

	columns_init(&c, headings);
	json_array_foreach(groups, i, group)
	{
		add_group(&c, group, stores);
		json_array_foreach(spaces, j, space)
		{
			if (strcmp(json_text(space, "group"),
				json_text(group, "name")) == 0)
				add_space(&c, space, stores);
		}
	}
	columns_print(&c, stdout);
	columns_fini(&c);
}

static int
show(const struct ctl *ctl, json_t *groups, json_t *spaces)
{
	json_t *group_list = json_object_get(groups, "groups");
	json_t *space_list = json_object_get(spaces, "spaces");

	if (ctl->given[OPT_JSON])
		json_print(json_pack("{s:O*, s:O*}", "groups", group_list,
		    "spaces", space_list));
	else if (json_array_size(group_list) == 0)
		puts("no groups");
	else
		print(group_list, space_list);
	return CTL_OK;
}

static int
list(struct ctl *ctl)
{
	json_t *groups = NULL, *spaces = NULL;
	struct varlink *v;
	int status = CTL_FAILED;

	if (daemon_connect(ctl, &v) != 0)
		return CTL_FAILED;
	if (daemon_call(v, "ListGroups", NULL, VARLINK_SOON, &groups) == 0 &&
	    daemon_call(v, "ListSpaces", NULL, VARLINK_SOON, &spaces) == 0)
		status = show(ctl, groups, spaces);
	json_decref(groups);
	json_decref(spaces);
	varlink_close(v);
	return status;
}

const struct ctl_command cmd_list = {
	.name = "list",
	.args = "",
	.help = "List groups, and the processes of each.",
	.reads = true,
	.run = list,
};
