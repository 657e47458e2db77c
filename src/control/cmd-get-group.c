/*
 * cmd-get-group.c: GetGroup
 */
#include "cmd.h"
#include "reply-group.h"
#include "roster.h"
#include "varlink.h"

static void
get_group(struct call *call)
{
	struct roster_group *g = cmd_group(call, "group");

	if (g != NULL)
		reply_group(call, g, NULL);
}

const struct cmd cmd_get_group = {
	.interface = CMD_INTERFACE,
	.name = "GetGroup",
	.params = { { "group", CMD_STRING, false } },
	.run = get_group,
};
