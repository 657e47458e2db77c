/*
 * cmd-limit.c: change a group's limit
 */
#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

static int
limit(struct ctl *ctl)
{
	json_t *answer, *parameters;
	uint64_t bytes;
	int status;

	if (ctl_size("limit", ctl->argv[1], true, &bytes) != 0)
		return CTL_FAILED;
	parameters = json_pack("{s:o, s:I}", "group",
	    json_from_text(ctl->argv[0]), "limit", (json_int_t)bytes);
	status = daemon_ask(ctl, "SetLimit", parameters, VARLINK_SOON, &answer);
	if (status == CTL_OK)
		json_decref(answer);
	return status;
}

const struct ctl_command cmd_limit = {
	.name = "limit",
	.args = "GROUP SIZE",
	.help = "Set a group's limit; 0 or none takes it away.",
	.min_args = 2,
	.max_args = 2,
	.run = limit,
};
