/*
 * victim.h: what victim.c shares with the test that started it
 */
#ifndef VICTIM_H
#define VICTIM_H

#include <stdatomic.h>
#include <stdint.h>

#define VICTIM_FD 3   /* a memfd of one struct victim_shared */
#define VICTIM_PIPE 4 /* its end to read from */
#define VICTIM_NAP_MS 30
#define VICTIM_RELAYS 2

struct victim_shared {
	_Atomic uint32_t ready, finish;
	_Atomic uint64_t spins;         /* of a thread that spins */
	_Atomic uint64_t spare_spins;   /* of one to be spared */
	_Atomic int spare;              /* its tid */
	_Atomic uint64_t made;          /* threads, one by the other */
	_Atomic uint32_t relays;        /* such rows of them */
	_Atomic uint64_t naps;          /* nanosleep() returned */
	_Atomic uint32_t futex;         /* waited for, until it is 1 */
	_Atomic uint32_t plain, queued; /* SIGUSR1, SIGRTMIN delivered */
};

#endif
