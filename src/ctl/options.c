/*
 * options.c: the one table of options, and reading them
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

static const struct {
	const char *name;
	int has_arg;
	const char *arg; /* as shown, with what stands before it */
	const char *help;
} options[OPT_COUNT] = {
	[OPT_HELP] = { "help", no_argument, "", "show this help" },
	[OPT_VERSION] = { "version", no_argument, "",
	    "show the version of pagerctl" },
	[OPT_SOCKET] = { "socket", required_argument, " PATH",
	    "the daemon's control socket" },
	[OPT_JSON] = { "json", no_argument, "",
	    "print JSON (commands that only read)" },
	[OPT_LIMIT] = { "limit", required_argument, " SIZE",
	    "resident memory that the program may have, as in 2G" },
	[OPT_GROUP] = { "group", required_argument, " NAME",
	    "name of the program's group" },
	[OPT_STORE] = { "store", required_argument, " STORE",
	    "name of a store, or what that of a private daemon is" },
	[OPT_PRIVATE] = { "private", no_argument, "",
	    "start a daemon of its own even if one runs" },
	[OPT_SUMMARY] = { "summary", optional_argument, "[=FILE]",
	    "at the end write one JSON object to stderr or FILE" },
	[OPT_SVG] = { "svg", required_argument, " FILE",
	    "write the picture to FILE, as SVG" },
	[OPT_WIDTH] = { "width", required_argument, " N",
	    "columns that the picture has; by default the terminal's" },
	[OPT_COLOR] = { "color", required_argument, " WHEN",
	    "colours: auto, always or never" },
	[OPT_INTERVAL] = { "interval", required_argument, " SECONDS",
	    "how long to count for the rates, by default 1; 0: not" },
	[OPT_CANCEL] = { "cancel", no_argument, "",
	    "let the tier take pages again" },
	[OPT_WAIT] = { "wait", no_argument, "",
	    "wait until nothing is left in the tier" },
};

unsigned int
options_of(const struct ctl_command *cmd)
{
	unsigned int set = OPT_BIT(OPT_HELP) | OPT_BIT(OPT_SOCKET);

	if (cmd->reads)
		set |= OPT_BIT(OPT_JSON);
	return set | cmd->options;
}

static void
fill_getopt(struct option *longs, unsigned int allowed)
{
	int n = 0;

	for (int i = 0; i < OPT_COUNT; i++) {
		if ((allowed & OPT_BIT(i)) == 0)
			continue;
		longs[n++] = (struct option){
			.name = options[i].name,
			.has_arg = options[i].has_arg,
			.val = 256 + i,
		};
	}
}

static int
refuse(const struct ctl *ctl, const char *what, const char *arg)
{
	ctl_error("%s '%s'; see pagerctl help%s%s", what, arg,
	    ctl->cmd != NULL ? " " : "",
	    ctl->cmd != NULL ? ctl->cmd->name : "");
	return -EINVAL;
}

int
options_parse(struct ctl *ctl, int argc, char **argv, unsigned int allowed,
    bool stop)
{
	struct option longs[OPT_COUNT + 1] = { 0 };
	int c;

	fill_getopt(longs, allowed);
	optind = 0; /* glibc: start afresh */
	opterr = 0;
	while ((c = getopt_long(argc, argv, stop ? "+:h" : ":h", longs,
		    NULL)) != -1) {
		if (c == 'h')
			c = 256 + OPT_HELP;
		if (c == ':')
			return refuse(ctl, "no value for", argv[optind - 1]);
		if (c < 256)
			return refuse(ctl, "bad option", argv[optind - 1]);
		ctl->given[c - 256] = true;
		ctl->value[c - 256] = optarg;
	}
	ctl->argc = argc - optind;
	ctl->argv = argv + optind;
	return 0;
}

void
options_help(FILE *f, unsigned int set)
{
	char left[32];

	for (int i = 0; i < OPT_COUNT; i++) {
		if ((set & OPT_BIT(i)) == 0)
			continue;
		snprintf(left, sizeof(left), "--%s%s", options[i].name,
		    options[i].arg);
		fprintf(f, "  %-18s %s\n", left, options[i].help);
	}
}
