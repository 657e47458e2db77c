/*
 * cmd-drop.c: a snapshot is not wanted any more
 */
#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

static int
drop(struct ctl *ctl)
{
	json_t *answer = NULL;
	int status;

	status = daemon_ask(ctl, "DropSnapshot",
	    json_pack("{s:o}", "name", json_from_text(ctl->argv[0])),
	    VARLINK_SOON, &answer);
	json_decref(answer);
	return status;
}

const struct ctl_command cmd_drop = {
	.name = "drop",
	.args = "NAME",
	.help = "Give up a snapshot.",
	.min_args = 1,
	.max_args = 1,
	.run = drop,
};
