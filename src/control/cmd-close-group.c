/*
 * cmd-close-group.c: CloseGroup
 */
#include <errno.h>

#include "cmd.h"
#include "groups.h"
#include "roster.h"
#include "varlink.h"

static void
closed(int result, void *ctx)
{
	struct call *call = ctx;

	if (result == -EBUSY)
		call_error(call, "Busy",
		    json_pack("{s:s}", "reason",
			"programs still run in the group: end them first"));
	else if (result < 0)
		call_failed(call, "the group cannot be closed", result);
	else
		call_reply(call, NULL);
}

static void
close_group(struct call *call)
{
	struct roster_group *g = cmd_group(call, "group");
	int r;

	if (g == NULL)
		return;
	r = groups_close(g, closed, call);
	if (r < 0)
		closed(r, call);
}

const struct cmd cmd_close_group = {
	.interface = CMD_INTERFACE,
	.name = "CloseGroup",
	.params = { { "group", CMD_STRING, false } },
	.run = close_group,
};
