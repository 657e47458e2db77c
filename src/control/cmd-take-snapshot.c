/*
 * cmd-take-snapshot.c: TakeSnapshot
 */
#include <errno.h>
#include <stdio.h>

#include "cmd.h"
#include "hub.h"
#include "roster.h"
#include "settings.h"
#include "snapshots.h"
#include "varlink.h"

static void
taken(void *ctx, struct snapshot *s, int result, const char *why)
{
	struct call *call = ctx;
	char text[160];

	if (result < 0) {
		snprintf(text, sizeof(text), "no snapshot was taken: %s", why);
		call_error(call, "Failed", json_pack("{s:s}", "reason", text));
		return;
	}
	call_reply(call,
	    json_pack("{s:o}", "snapshot", cmd_snapshot_json(s, NULL)));
}

static void
take(struct call *call)
{
	struct roster_space *space = cmd_space(call, "pid");
	const char *name;

	/* The call has ended then, and its parameters are gone. */
	if (space == NULL)
		return;
	name = call_string(call, "name");
	if (!group_name_valid(name))
		call_invalid(call, "name");
	else if (snapshots_find(call->hub, space->group->uid, name) != NULL)
		call_error(call, "SnapshotExists",
		    json_pack("{s:s}", "snapshot", name));
	else
		snapshots_take(call->hub, space, space->group->uid, name, taken,
		    call);
}

const struct cmd cmd_take_snapshot = {
	.interface = CMD_INTERFACE,
	.name = "TakeSnapshot",
	.params = {
	    { "pid", CMD_SIZE, false },
	    { "name", CMD_STRING, false },
	},
	.run = take,
};
