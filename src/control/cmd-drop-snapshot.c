/*
 * cmd-drop-snapshot.c: DropSnapshot
 */
#include "cmd.h"
#include "hub.h"
#include "snapshots.h"
#include "varlink.h"

static void
drop(struct call *call)
{
	struct snapshot *s = cmd_snapshot(call, "name");
	int r;

	if (s == NULL)
		return;
	if (s->exports > 0) {
		call_error(call, "Busy",
		    json_pack("{s:s}", "reason",
			"the snapshot is being exported: wait for its end"));
		return;
	}
	r = snapshots_drop(call->hub, s);
	if (r < 0)
		call_failed(call, "the snapshot was not dropped", r);
	else
		call_reply(call, NULL);
}

const struct cmd cmd_drop_snapshot = {
	.interface = CMD_INTERFACE,
	.name = "DropSnapshot",
	.params = { { "name", CMD_STRING, false } },
	.run = drop,
};
