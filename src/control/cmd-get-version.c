/*
 * cmd-get-version.c: GetVersion
 */
#include <unistd.h>

#include "cmd.h"
#include "hub.h"
#include "settings.h"
#include "varlink.h"

static void
get_version(struct call *call)
{
	call_reply(call, json_pack("{s:s, s:I, s:b}", "version", PAGERD_VERSION,
			     "pid", (json_int_t)getpid(), "private",
			     (int)call->hub->setup->settings->private));
}

const struct cmd cmd_get_version = {
	.interface = CMD_INTERFACE,
	.name = "GetVersion",
	.run = get_version,
};
