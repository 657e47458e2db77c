/*
 * others.h: programs that a client program starts, and talks to
 */
#ifndef OTHERS_H
#define OTHERS_H

#include <sys/types.h>

#include <stdint.h>

struct live_other {
	pid_t pid;
	int in, out; /* what it reads, what it says */
};

/* => the same program again */
void live_start(struct live_other *, char *const argv[]);
void live_say(int fd, uint64_t word);
uint64_t live_hear(int fd);
/* => the sum of what all of them say; then all go on */
uint64_t live_ask_all(const struct live_other *, unsigned int n);
/* => the proportional size of the mapping at addr, bytes */
uint64_t live_pss(const void *addr);

#endif
