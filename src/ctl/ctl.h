/*
 * ctl.h: what the commands of pagerctl share
 *
 * main.c reads the command line by the tables in commands.c and options.c,
 * fills a struct ctl and calls the command's run().  Help texts come from the
 * same tables, and a test compares them with the man page.
 */
#ifndef CTL_H
#define CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses; `run` gives the command's own otherwise. */
enum {
	CTL_OK = 0,
	CTL_FOUND = 1,    /* check or doctor found something wrong */
	CTL_FAILED = 125, /* pagerctl itself could not do it */
	CTL_NOT_EXECUTABLE = 126,
	CTL_NOT_FOUND = 127,
};

enum ctl_option {
	OPT_HELP,
	OPT_VERSION,
	OPT_SOCKET,
	OPT_JSON,
	OPT_LIMIT,
	OPT_GROUP,
	OPT_STORE,
	OPT_PRIVATE,
	OPT_SUMMARY,
	OPT_SVG,
	OPT_WIDTH,
	OPT_COLOR,
	OPT_INTERVAL,
	OPT_CANCEL,
	OPT_WAIT,
	OPT_COUNT,
};
#define OPT_BIT(opt) (1u << (opt))

struct ctl;

struct ctl_command {
	const char *name;
	const char *args; /* operands, as in the synopsis; may be "" */
	const char *help; /* one line */
	bool reads;       /* changes nothing, and takes --json */
	bool program; /* operands are a command line: do not look into them */
	unsigned int options;     /* OPT_BIT()s besides the common ones */
	int min_args, max_args;   /* operands; max_args < 0: any number */
	int (*run)(struct ctl *); /* => exit status, has said what failed */
};

struct ctl {
	const struct ctl_command *cmd;
	bool given[OPT_COUNT];
	const char *value[OPT_COUNT]; /* NULL: none given */
	int argc;                     /* operands */
	char **argv;                  /* NULL terminated */
};

extern const struct ctl_command *const ctl_commands[];        /* NULL ends it */
const struct ctl_command *ctl_command_find(const char *name); /* or NULL */

/*
 * options_parse: take the options of argv into ctl
 *
 * => argv[0] is skipped; allowed is a set of OPT_BIT()s
 * => stop: the first operand ends the options
 * => ctl->argc, ctl->argv: what is left; returns 0 or -EINVAL, said
 */
int options_parse(struct ctl *, int argc, char **argv, unsigned int allowed,
    bool stop);
unsigned int options_of(const struct ctl_command *); /* common ones too */
void options_help(FILE *, unsigned int set);

void help_all(FILE *);
void help_command(FILE *, const struct ctl_command *);

/* One line "pagerctl: ..." on stderr, whatever bytes the arguments hold. */
void ctl_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* => ends pagerctl when memory is short */
char *ctl_format(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), returns_nonnull));
/* => replaces, in place, what could steer a terminal; returns text */
char *ctl_printable(char *text);
/* => 0 or -EINVAL, said; "none" is 0 if none_ok */
int ctl_size(const char *what, const char *text, bool none_ok, uint64_t *);
int ctl_pid(const char *text, int *pid); /* 0 or -EINVAL, said */

#endif
