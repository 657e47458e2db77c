/*
 * cmd-log-level.c: how much the daemon logs
 */
#include "commands.h"
#include "daemon.h"
#include "log.h"
#include "varlink.h"

static int
log_level(struct ctl *ctl)
{
	enum log_level level;
	json_t *answer;
	int status;

	if (log_level_parse(ctl->argv[0], &level) != 0) {
		ctl_error("'%s' is not a log level; give error, warning, info "
			  "or debug",
		    ctl->argv[0]);
		return CTL_FAILED;
	}
	status = daemon_ask(ctl, "SetLogLevel",
	    json_pack("{s:s}", "level", log_level_name(level)), VARLINK_SOON,
	    &answer);
	if (status == CTL_OK)
		json_decref(answer);
	return status;
}

const struct ctl_command cmd_log_level = {
	.name = "log-level",
	.args = "LEVEL",
	.help = "Set the daemon's log level: error, warning, info or debug.",
	.min_args = 1,
	.max_args = 1,
	.run = log_level,
};
