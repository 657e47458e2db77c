/*
 * options.c: the command line of pagerd(8)
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind {
	FLAG,    /* sets a bool */
	TEXT,    /* sets a string */
	NOTHING, /* accepted */
};

static const struct opt {
	const char *name, *arg, *help;
	enum kind kind;
	size_t offset; /* in struct options */
} opts[] = {
	{ "foreground", NULL, "stay in the foreground (it always does)",
	    NOTHING, 0 },
	{ "config", "FILE", "read FILE and no other configuration", TEXT,
	    offsetof(struct options, config) },
	{ "socket-dir", "DIR", "directory of the sockets", TEXT,
	    offsetof(struct options, socket_dir) },
	{ "user", NULL, "use the directories of a user's own instance", FLAG,
	    offsetof(struct options, user) },
	{ "private", NULL, "end with the first control connection", FLAG,
	    offsetof(struct options, private) },
	{ "store", "SPEC", "where pages go when they leave memory", TEXT,
	    offsetof(struct options, store) },
	{ "log-level", "LEVEL", "error, warning, info or debug", TEXT,
	    offsetof(struct options, log_level) },
	{ "version", NULL, "print the version and exit", FLAG,
	    offsetof(struct options, version) },
	{ "help", NULL, "print this text and exit", FLAG,
	    offsetof(struct options, help) },
};

#define NOPTS (sizeof(opts) / sizeof(opts[0]))

static void
set(struct options *o, const struct opt *opt)
{
	char *field = (char *)o + opt->offset;

	if (opt->kind == FLAG)
		*(bool *)field = true;
	else if (opt->kind == TEXT)
		*(const char **)field = optarg;
}

static int
refuse(const char *what)
{
	fprintf(stderr, "pagerd: %s is not expected here: see pagerd --help\n",
	    what);
	return -EINVAL;
}

int
options_parse(struct options *o, int argc, char **argv)
{
	struct option longopts[NOPTS + 1] = { 0 };
	size_t i;
	int c;

	memset(o, 0, sizeof(*o));
	for (i = 0; i < NOPTS; i++) {
		longopts[i].name = opts[i].name;
		longopts[i].has_arg = opts[i].kind == TEXT;
		longopts[i].val = (int)i + 1;
	}
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+", longopts, NULL)) != -1) {
		if (c == '?')
			return refuse(argv[optind - 1]);
		set(o, &opts[c - 1]);
	}
	if (optind < argc)
		return refuse(argv[optind]);
	return 0;
}

void
options_help(void)
{
	char left[40];
	size_t i;

	printf("usage: pagerd [options]\n\n");
	for (i = 0; i < NOPTS; i++) {
		snprintf(left, sizeof(left), "--%s%s%s", opts[i].name,
		    opts[i].arg != NULL ? " " : "",
		    opts[i].arg != NULL ? opts[i].arg : "");
		printf("  %-20s %s\n", left, opts[i].help);
	}
}
