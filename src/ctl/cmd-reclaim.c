/*
 * cmd-reclaim.c: push a group's memory out now
 */
#include <stdio.h>

#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "size.h"
#include "varlink.h"

static int
reclaim(struct ctl *ctl)
{
	char size[SIZE_TEXT_MAX];
	json_t *answer, *parameters;
	uint64_t bytes;
	int status;

	if (ctl_size("size", ctl->argv[1], false, &bytes) != 0)
		return CTL_FAILED;
	parameters = json_pack("{s:o, s:I}", "group",
	    json_from_text(ctl->argv[0]), "bytes", (json_int_t)bytes);
	status = daemon_ask(ctl, "Reclaim", parameters, VARLINK_LATE, &answer);
	if (status != CTL_OK)
		return status;
	size_format((uint64_t)json_int(answer, "bytes"), size);
	printf("%s pushed out\n", size);
	json_decref(answer);
	return CTL_OK;
}

const struct ctl_command cmd_reclaim = {
	.name = "reclaim",
	.args = "GROUP SIZE",
	.help = "Push SIZE of a group's memory out now.",
	.min_args = 2,
	.max_args = 2,
	.run = reclaim,
};
