/*
 * cmd-show.c: one process and its group
 */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "daemon.h"
#include "fields.h"
#include "json.h"
#include "varlink.h"

static const struct field space_fields[] = {
	{ "command", "command", FIELD_TEXT },
	{ "uid", "uid", FIELD_INT },
	{ "agent", "agent", FIELD_FLAG },
	{ "regions", "regions", FIELD_INT },
	{ "resident", "resident", FIELD_SIZE },
	{ "out", "out", FIELD_SIZE },
	{ "clean", "clean", FIELD_SIZE },
	{ "total", "total", FIELD_SIZE },
	{ "common", "common", FIELD_SIZE },
	{ "shared", "shared", FIELD_SIZE },
	{ "proportional", "proportional", FIELD_SIZE },
	{ "stored", "stored", FIELD_SIZE },
	{ "foreign", "foreign", FIELD_SIZE },
	{ "faults", "faults", FIELD_INT },
	{ "evicted_pages", "evicted pages", FIELD_INT },
	{ "refault_pages", "refault pages", FIELD_INT },
	{ "zero_fills", "zero fills", FIELD_INT },
	{ NULL, NULL, 0 },
};

static const struct field group_fields[] = {
	{ "uid", "uid", FIELD_INT },
	{ "limit", "limit", FIELD_LIMIT },
	{ "usage", "usage", FIELD_SIZE },
	{ "peak", "peak", FIELD_SIZE },
	{ "over", "over", FIELD_FLAG },
	{ "over_events", "over events", FIELD_INT },
	{ "adopted", "adopted", FIELD_FLAG },
	{ "resident", "resident", FIELD_SIZE },
	{ "out", "out", FIELD_SIZE },
	{ "stored", "stored", FIELD_SIZE },
	{ "spaces", "processes", FIELD_INT },
	{ "faults", "faults", FIELD_INT },
	{ "evicted_pages", "evicted pages", FIELD_INT },
	{ "refault_pages", "refault pages", FIELD_INT },
	{ "wait_us", "faults waited", FIELD_US },
	{ NULL, NULL, 0 },
};

/* => not of a daemon that has only one */
static const struct field store_fields[] = {
	{ "store", "store", FIELD_TEXT },
	{ NULL, NULL, 0 },
};

static void
print(const json_t *answer)
{
	const json_t *space = json_object_get(answer, "space");
	const json_t *group = json_object_get(answer, "group");
	char *name = ctl_format("%s", json_text(group, "name"));

	printf("process %lld\n", (long long)json_int(space, "pid"));
	fields_print(space, space_fields);
	printf("group %s\n", ctl_printable(name));
	if (json_is_string(json_object_get(group, "store")))
		fields_print(group, store_fields);
	fields_print(group, group_fields);
	free(name);
}

static int
show(struct ctl *ctl)
{
	json_t *answer;
	int pid, status;

	if (ctl_pid(ctl->argv[0], &pid) != 0)
		return CTL_FAILED;
	status = daemon_ask(ctl, "GetSpace", json_pack("{s:i}", "pid", pid),
	    VARLINK_SOON, &answer);
	if (status != CTL_OK)
		return status;
	if (ctl->given[OPT_JSON]) {
		json_print(answer);
		return CTL_OK;
	}
	print(answer);
	json_decref(answer);
	return CTL_OK;
}

const struct ctl_command cmd_show = {
	.name = "show",
	.args = "PID",
	.help = "Show one process and its group.",
	.reads = true,
	.min_args = 1,
	.max_args = 1,
	.run = show,
};
