/*
 * main.c: from the command line to a command
 */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

/* A descriptor of ours must never become somebody's stdin, stdout, stderr. */
static void
occupy_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static int
find_command(struct ctl *ctl)
{
	if (ctl->argc == 0) {
		ctl_error("no command given; see pagerctl help");
		return CTL_FAILED;
	}
	ctl->cmd = ctl_command_find(ctl->argv[0]);
	if (ctl->cmd == NULL) {
		ctl_error("no command '%s'; see pagerctl help", ctl->argv[0]);
		return CTL_FAILED;
	}
	return CTL_OK;
}

static int
check_operands(const struct ctl *ctl)
{
	const struct ctl_command *cmd = ctl->cmd;
	const char *what = NULL;

	if (ctl->argc < cmd->min_args)
		what = "too few arguments";
	else if (cmd->max_args >= 0 && ctl->argc > cmd->max_args)
		what = "too many arguments";
	if (what == NULL)
		return CTL_OK;
	ctl_error("%s: %s; usage: pagerctl %s %s", cmd->name, what, cmd->name,
	    cmd->args);
	return CTL_FAILED;
}

static int
check_json(const struct ctl *ctl)
{
	if (!ctl->given[OPT_JSON] || ctl->cmd->reads)
		return CTL_OK;
	ctl_error("%s: --json is for commands that only read; leave it out",
	    ctl->cmd->name);
	return CTL_FAILED;
}

static int
run_command(struct ctl *ctl)
{
	int status;

	if (options_parse(ctl, ctl->argc, ctl->argv, options_of(ctl->cmd),
		ctl->cmd->program) != 0)
		return CTL_FAILED;
	if (ctl->given[OPT_HELP]) {
		help_command(stdout, ctl->cmd);
		return CTL_OK;
	}
	status = check_json(ctl);
	if (status == CTL_OK)
		status = check_operands(ctl);
	if (status == CTL_OK)
		status = ctl->cmd->run(ctl);
	return status;
}

static int
dispatch(struct ctl *ctl, int argc, char **argv)
{
	const unsigned int before = OPT_BIT(OPT_HELP) | OPT_BIT(OPT_VERSION) |
				    OPT_BIT(OPT_SOCKET) | OPT_BIT(OPT_JSON);
	int status;

	if (options_parse(ctl, argc, argv, before, true) != 0)
		return CTL_FAILED;
	if (ctl->given[OPT_HELP]) {
		help_all(stdout);
		return CTL_OK;
	}
	if (ctl->given[OPT_VERSION]) {
		printf("pagerctl %s\n", PAGERD_VERSION);
		return CTL_OK;
	}
	status = find_command(ctl);
	return status == CTL_OK ? run_command(ctl) : status;
}

int
main(int argc, char **argv)
{
	struct ctl ctl = { 0 };
	int status;

	occupy_stdio();
	setlocale(LC_CTYPE, "");
	status = dispatch(&ctl, argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		ctl_error("cannot write to standard output: %m; look where it "
			  "goes");
		return CTL_FAILED;
	}
	return status;
}
