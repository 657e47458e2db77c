/*
 * place.c: src/io/place.h on the fake kernel, which has one CPU
 */
#include "place.h"

#include "kernel.h"

#define HELD_MAX 512

static pid_t held[HELD_MAX]; /* a faulting thread, and agents */

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
	int i = 0;

	SIM_CHECK(tid != 0 && cpu == 0);
	while (i < HELD_MAX && held[i] != 0)
		SIM_CHECK(held[i++] != tid);
	SIM_CHECK(i < HELD_MAX);
	held[i] = pl->tid = tid;
	return 1;
}

void
place_release(struct place *pl)
{
	for (int i = 0; pl->tid != 0 && i < HELD_MAX; i++)
		if (held[i] == pl->tid) {
			held[i] = pl->tid = 0;
			return;
		}
	SIM_CHECK(pl->tid == 0);
}

void
place_stay(struct place_own *own, int cpu)
{
	SIM_CHECK(!own->stays && cpu == 0);
	own->stays = true;
}

void
place_fair(struct place_own *own, bool fair)
{
	own->fair = own->stays && fair;
}

void
place_roam(struct place_own *own)
{
	SIM_CHECK(own->stays);
	own->stays = own->fair = false;
}
