/*
 * doorbell.h: how a thread of the program calls the agent
 *
 * The thread has no descriptor of ours, and a filter of its own may forbid it
 * any system call.  What it can always do is touch memory: it writes into a
 * bell what it wants, and reads the bell's page.  That page is missing, and
 * registered with a userfaultfd that the agent alone reads: the thread sleeps
 * in its page fault until the agent has done it, and fills the page.
 *
 *	| guard page | struct doorbells | a page for each bell | guard page |
 *
 *	      claimed       written      woken        page missing again
 *	READY ------> TAKEN ------> RUNG -----> SPENT -----> READY
 *	      thread        thread       thread       agent
 *
 * There is no promise that anybody comes.  No bell is READY, or the agent is
 * gone: then the thread goes on at once, as it would without us.
 *
 * A thread that a signal takes out of its fault comes back to it.  If the
 * handler never returns (siglongjmp), that bell is lost for good.
 *
 * A forked child finds the struct empty (MADV_WIPEONFORK) and the pages plain
 * memory, until an agent of its own sets them up.
 */
#ifndef SHIM_DOORBELL_H
#define SHIM_DOORBELL_H

#include <stddef.h>
#include <stdint.h>

#include <pagerd/protocol.h>

#define DOORBELLS 64u

enum bell_state {
	BELL_OFF, /* no agent has set it up */
	BELL_READY,
	BELL_TAKEN,
	BELL_RUNG, /* start and len are valid */
	BELL_SPENT,
};

struct bell {
	uint32_t state; /* enum bell_state */
	uint32_t reserved;
	uint64_t start, len; /* bytes: of a new mapping */
};

/* any: atomic; program and agent write it */
struct doorbells {
	uint32_t armed; /* the agent wants to know of new mappings */
	uint32_t next;  /* where to look for a bell first */
	struct bell bell[DOORBELLS];
};

_Static_assert(sizeof(struct doorbells) <= PAGERD_PAGE_SIZE, "one page");

static inline uint64_t
doorbell_page(const struct doorbells *d, uint32_t i)
{
	return ((uintptr_t)d + (1 + (uint64_t)i) * PAGERD_PAGE_SIZE);
}

/*
 * The one of this process, NULL when it is not managed; written as the
 * process starts, and inherited.
 */
extern struct doorbells *doorbells;

/* => returns NULL if there is no room; then nothing is ever announced */
struct doorbells *doorbells_map(void);
void doorbells_unmap(struct doorbells *); /* NULL is fine */

static inline int
doorbells_armed(void)
{
	const struct doorbells *d =
	    __atomic_load_n(&doorbells, __ATOMIC_ACQUIRE);

	return (d != NULL && __atomic_load_n(&d->armed, __ATOMIC_RELAXED));
}

/*
 * doorbell_ring: announce a new mapping; the agent registers it
 *
 * => in any thread, also in a signal handler and in a child of vfork()
 * => makes no system call, takes no lock, leaves errno alone
 * => it was registered when this returns, unless nobody came
 */
void doorbell_ring(uint64_t start, uint64_t len);

#endif
