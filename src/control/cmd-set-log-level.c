/*
 * cmd-set-log-level.c: SetLogLevel
 */
#include "cmd.h"
#include "log.h"
#include "varlink.h"

static void
set_level(struct call *call)
{
	enum log_level level;

	if (!call->privileged) {
		call_not_permitted(call, "only root sets the log level");
		return;
	}
	if (log_level_parse(call_string(call, "level"), &level) < 0) {
		call_invalid(call, "level");
		return;
	}
	log_set_level(level);
	call_reply(call, NULL);
}

const struct cmd cmd_set_log_level = {
	.interface = CMD_INTERFACE,
	.name = "SetLogLevel",
	.params = { { "level", CMD_STRING, false } },
	.run = set_level,
};
