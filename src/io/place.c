#include "place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAY_NICE (-10)
#define STAY_SLICE_NS 100000 /* the least: who is woken so runs first */

int
place_here(void)
{
	return sched_getcpu();
}

/* => the text behind the key, which starts a line, or NULL */
static const char *
field(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at != NULL ? at + strlen(key) : NULL;
}

bool
place_is_thread_of(pid_t tid, pid_t pid)
{
	char path[32], text[2048], *end;
	const char *tgid, *nspid;
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
	tgid = field(text, "\nTgid:\t");
	nspid = field(text, "\nNSpid:\t");
	if (tgid == NULL || nspid == NULL || strtol(tgid, NULL, 10) != pid)
		return false;
	/* One number: it has no other in a namespace of its own. */
	(void)strtol(nspid, &end, 10);
	return *end == '\n';
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

static long
thread_attr_get(struct thread_attr *a)
{
	return syscall(SYS_sched_getattr, 0, a, sizeof(*a), 0);
}

static long
thread_attr_set(const struct thread_attr *a)
{
	return syscall(SYS_sched_setattr, 0, a, 0);
}

void
place_stay(struct place_own *own, int cpu)
{
	cpu_set_t one;

	if (own->stays || cpu < 0 || cpu >= CPU_SETSIZE ||
	    sched_getaffinity(0, sizeof(own->was), &own->was) < 0 ||
	    thread_attr_get(&own->attr) < 0)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	own->stays = sched_setaffinity(0, sizeof(one), &one) == 0;
}

void
place_fair(struct place_own *own, bool fair)
{
	const struct thread_attr attr = {
		.size = sizeof(attr),
		.policy = SCHED_OTHER,
		.nice = STAY_NICE,
		.runtime = STAY_SLICE_NS,
	};

	if (!own->stays || own->fair == fair)
		return;
	own->fair = fair;
	(void)thread_attr_set(fair ? &attr : &own->attr);
}

void
place_roam(struct place_own *own)
{
	if (!own->stays)
		return;
	place_fair(own, false);
	own->stays = false;
	(void)sched_setaffinity(0, sizeof(own->was), &own->was);
}

void
place_avoid(int cpu)
{
	cpu_set_t set;

	if (sched_getaffinity(getpid(), sizeof(set), &set) < 0)
		return;
	if (cpu >= 0 && cpu < CPU_SETSIZE && CPU_COUNT(&set) > 1)
		CPU_CLR(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}
