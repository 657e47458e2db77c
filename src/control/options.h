/*
 * options.h: the command line of pagerd(8)
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

struct options { /* strings are argv's */
	const char *config;
	const char *socket_dir;
	const char *store;
	const char *log_level;
	bool user;
	bool private;
	bool version;
	bool help;
};

/* => 0; -EINVAL after a line on stderr */
int options_parse(struct options *, int argc, char **argv);
void options_help(void); /* on stdout */

#endif
