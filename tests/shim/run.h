/*
 * run.h: a client program under the shim, driven line by line
 */
#ifndef SHIM_TEST_RUN_H
#define SHIM_TEST_RUN_H

#include <sys/types.h>

#include <stdint.h>

#include "fake.h"

#define RUN_UNSET "-" /* a variable that is not there */
#define RUN_GROUP "a5a5a5a5A5a5a5a5a5a5a5a5a5a5a5a5"

struct run {
	/* options: set before run_start() */
	const char *argv[4]; /* default: the client program */
	const char *preload; /* default: the shim; "" for none */
	const char *socket;  /* default: the fake daemon's */
	const char *group;   /* default: RUN_GROUP */
	uid_t uid;
	unsigned long limit_as; /* bytes */
	unsigned long limit_nofile;

	struct fake fake;
	pid_t pid;
	int pidfd;
	int in, out; /* the client's stdin and stdout */
	int err;     /* a file with its stderr */
	char line[256];
};

extern const char *run_lib, *run_client;

/* => 0, or -1 after printing why */
int run_start(struct run *);
/* => the client's next line, "" if none comes */
const char *run_line(struct run *);
/* => the client's answer to a command */
const char *run_ask(struct run *, const char *command);
/* => 1 if stdout reached its end, nobody holding it any more */
int run_eof(struct run *);
/* Ends the client's stdin. => its wait status, -1 if it does not end */
int run_finish(struct run *);
int run_wait(struct run *);
/* => what is on stderr so far */
const char *run_stderr(struct run *);
/* Ends whatever is left; => 0, or -1 if something was wrong on the way */
int run_stop(struct run *);

#endif
