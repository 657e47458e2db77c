/*
 * watch.h: a running victim.c, seen from its test
 */
#ifndef WATCH_H
#define WATCH_H

#include <sys/types.h>

#include <stdbool.h>

#include "victim.h"

struct watch {
	pid_t pid;
	int pipe; /* to write to */
	struct victim_shared *shared;
};

/* => returns when so many of its threads are where they are to be */
void watch_start(struct watch *, const char *mode, uint32_t ready);
/* => tells it to end, and returns its wait status */
int watch_finish(struct watch *);
void watch_kill(struct watch *);

void watch_pause(unsigned int ms);
/* => the letter that /proc gives for a thread: R, S, t, T, Z */
char watch_state(pid_t pid, pid_t tid);
/* => every thread of pid is in that state */
bool watch_all_are(pid_t pid, char state);

/* => waits for it, up to some seconds */
#define WATCH_UNTIL(condition)                                                 \
	do {                                                                   \
		bool is_so = (condition);                                      \
		for (int left = 5000; !is_so && left > 0; left--) {            \
			watch_pause(1);                                        \
			is_so = (condition);                                   \
		}                                                              \
		CHECK(is_so);                                                  \
	} while (0)

#endif
