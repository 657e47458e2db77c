/*
 * place.c: src/io/place.h on the fake kernel, which has one CPU
 */
#include "place.h"

#include "kernel.h"

static pid_t held;

int
place_here(void)
{
	return 0;
}

bool
place_is_thread_of(pid_t tid, pid_t pid)
{
	SIM_CHECK(tid != 0);
	return pid != 0;
}

int
place_hold(struct place *pl, pid_t tid, int cpu)
{
	SIM_CHECK(held == 0 && cpu == 0);
	held = pl->tid = tid;
	return 1;
}

void
place_release(struct place *pl)
{
	SIM_CHECK(pl->tid == held);
	held = pl->tid = 0;
}
