/*
 * child.h: the command that `run` starts, and its signals
 *
 * The command stays in pagerctl's process group, as with nice(1) or env(1):
 * the terminal's signals reach both, so pagerctl ignores those; what is sent
 * to pagerctl alone is passed on.
 */
#ifndef CHILD_H
#define CHILD_H

#include <sys/types.h>

#include <signal.h>

struct child {
	pid_t pid;            /* 0: not started */
	int status;           /* exit status, or 128 + signal, once it ended */
	sigset_t caught;      /* what child_wait() sees */
	sigset_t mask_before; /* the command gets back what pagerctl got */
	struct sigaction chld_before;
};

/* A variable of the command's environment. */
struct child_env {
	const char *name; /* NULL ends the array */
	const char *value;
};

/* => from here on signals wait for child_wait() */
void child_catch_signals(struct child *);
/* => a signal that would have ended pagerctl meanwhile; 0: none */
int child_interrupted(const struct child *);
/* => undoes child_catch_signals() in a process forked since */
void child_restore_signals(const struct child *);

/* => returns 0 or -errno; a command that cannot be executed ends 126 or 127 */
int child_start(struct child *, char **argv, const struct child_env *);
/* => waits until the command has ended, and sets status */
void child_wait(struct child *);

#endif
