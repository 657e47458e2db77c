#include "place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
place_here(void)
{
	return sched_getcpu();
}

bool
place_is_thread_of(pid_t tid, pid_t pid)
{
	static const char key[] = "\nTgid:\t";
	char path[32], text[512];
	const char *at;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	at = strstr(text, key);
	return at != NULL && strtol(at + strlen(key), NULL, 10) == pid;
}

int
place_hold(struct place *pl, pid_t tid, int cpu)
{
	cpu_set_t one;

	pl->tid = 0;
	if (cpu < 0 || cpu >= CPU_SETSIZE ||
	    sched_getaffinity(tid, sizeof(pl->was), &pl->was) < 0 ||
	    !CPU_ISSET(cpu, &pl->was) || CPU_COUNT(&pl->was) == 1)
		return 0;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(tid, sizeof(one), &one) < 0)
		return 0;
	pl->tid = tid;
	return 1;
}

void
place_release(struct place *pl)
{
	if (pl->tid != 0)
		(void)sched_setaffinity(pl->tid, sizeof(pl->was), &pl->was);
	pl->tid = 0;
}
