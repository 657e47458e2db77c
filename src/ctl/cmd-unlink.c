/*
 * cmd-unlink.c: the name of shared memory is not wanted any more
 */
#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

static int
unlink_shared(struct ctl *ctl)
{
	json_t *answer = NULL;
	int status;

	status = daemon_ask(ctl, "UnlinkShared",
	    json_pack("{s:o}", "name", json_from_text(ctl->argv[0])),
	    VARLINK_SOON, &answer);
	json_decref(answer);
	return status;
}

const struct ctl_command cmd_unlink = {
	.name = "unlink",
	.args = "NAME",
	.help = "Give up the name of shared memory.",
	.min_args = 1,
	.max_args = 1,
	.run = unlink_shared,
};
