/*
 * commands.c: the commands, in the order in which help lists them
 */
#include <string.h>

#include "commands.h"
#include "ctl.h"

const struct ctl_command *const ctl_commands[] = {
	&cmd_run,
	&cmd_list,
	&cmd_show,
	&cmd_regions,
	&cmd_map,
	&cmd_limit,
	&cmd_reclaim,
	&cmd_snapshot,
	&cmd_snapshots,
	&cmd_export,
	&cmd_drop,
	&cmd_shared,
	&cmd_unlink,
	&cmd_stores,
	&cmd_drain,
	&cmd_stats,
	&cmd_check,
	&cmd_doctor,
	&cmd_log_level,
	&cmd_version,
	&cmd_help,
	NULL,
};

const struct ctl_command *
ctl_command_find(const char *name)
{
	for (int i = 0; ctl_commands[i] != NULL; i++) {
		if (strcmp(ctl_commands[i]->name, name) == 0)
			return ctl_commands[i];
	}
	return NULL;
}
