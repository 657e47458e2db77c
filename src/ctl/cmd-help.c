/*
 * cmd-help.c: help from the tables
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "ctl.h"

#define TOP_OPTIONS                                                            \
	(OPT_BIT(OPT_HELP) | OPT_BIT(OPT_VERSION) | OPT_BIT(OPT_SOCKET) |      \
	    OPT_BIT(OPT_JSON))

void
help_all(FILE *f)
{
	const struct ctl_command *cmd;

	fputs("usage: pagerctl [--socket PATH] [--json] COMMAND\n\n", f);
	fputs("commands:\n", f);
	for (int i = 0; (cmd = ctl_commands[i]) != NULL; i++) {
		fprintf(f, "  %s%s%s\n", cmd->name,
		    cmd->args[0] != '\0' ? " " : "", cmd->args);
		fprintf(f, "      %s\n", cmd->help);
	}
	fputs("\noptions:\n", f);
	options_help(f, TOP_OPTIONS);
	fputs("\nSee pagerctl(1), and pagerctl help COMMAND.\n", f);
}

void
help_command(FILE *f, const struct ctl_command *cmd)
{
	fprintf(f, "usage: pagerctl %s%s%s\n\n", cmd->name,
	    cmd->args[0] != '\0' ? " " : "", cmd->args);
	fprintf(f, "%s\n\noptions:\n", cmd->help);
	options_help(f, options_of(cmd));
}

static int
help(struct ctl *ctl)
{
	const struct ctl_command *cmd;

	if (ctl->argc == 0) {
		help_all(stdout);
		return CTL_OK;
	}
	cmd = ctl_command_find(ctl->argv[0]);
	if (cmd == NULL) {
		ctl_error("no command '%s'; see pagerctl help", ctl->argv[0]);
		return CTL_FAILED;
	}
	help_command(stdout, cmd);
	return CTL_OK;
}

const struct ctl_command cmd_help = {
	.name = "help",
	.args = "[COMMAND]",
	.help = "Show the commands, or one command's options.",
	.max_args = 1,
	.run = help,
};
