/*
 * sched_abi.h: sched_setattr(2), which the C library does not have
 *
 * The kernel's own header defines struct sched_param a second time.
 */
#ifndef SCHED_ABI_H
#define SCHED_ABI_H

#include <stdint.h>

struct thread_attr { /* the kernel's struct sched_attr, first version */
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority; /* SCHED_FIFO, SCHED_RR */
	/* Nanoseconds: the slice of a fair thread, from 6.12 on. */
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

#endif
