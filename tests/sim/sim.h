/*
 * sim.h: what every part of the simulation uses: chance, trace, failure
 *
 * The whole simulation is one thread and has one seed.  Chance is drawn anew
 * for each step from (seed, step), so that leaving out one step does not
 * change the dice of the others: traces can be shortened.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE 4096u
#define SIM_BASE UINT64_C(0x7e0000000000)
#define SIM_PAGES 2048u /* window of addresses that every process has */

static inline uint64_t
addr_of(uint32_t pg)
{
	return SIM_BASE + (uint64_t)pg * PAGE_SIZE;
}

/* => page number; SIM_PAGES when addr is outside the window */
static inline uint32_t
page_of(uint64_t addr)
{
	if (addr < SIM_BASE || addr >= addr_of(SIM_PAGES))
		return SIM_PAGES;
	return (uint32_t)((addr - SIM_BASE) / PAGE_SIZE);
}

/* The deliberate faults of the fake world: the proof that we would notice. */
enum sim_break {
	BREAK_NONE,
	BREAK_COPY_BYTE,    /* UFFDIO_COPY changes a byte now and then */
	BREAK_COPY_WP,      /* UFFDIO_COPY forgets MODE_WP */
	BREAK_COPY_WAKE,    /* UFFDIO_COPY does not wake */
	BREAK_FORK_WP,      /* a child inherits no uffd-wp bits */
	BREAK_FORK_ZERO,    /* a child's missing page is filled with zeros */
	BREAK_SKIP_REMAP,   /* the event is never seen */
	BREAK_SKIP_REMOVE,  /* the same */
	BREAK_SKIP_UNMAP,   /* the same */
	BREAK_MOVE_COPY,    /* MOVE takes the bytes and leaves the page */
	BREAK_MOVE_CHANGES, /* MOVE goes on while mappings change */
	BREAK_MOVE_STALE,   /* MOVE stages the page of the run before it */
	BREAK_STORE_BYTE,   /* the store changes a byte now and then */
	BREAK_DEDUP_BLIND,  /* few hashes, and pages of one count as equal */
	BREAK_DEDUP_UID,    /* users are not told apart */
	BREAK_HOLD_LIVE,    /* a holder sees what its parent writes later */
	BREAK_HOLD_SLOTS,   /* a holder's slots are not copied */
	BREAK_HOLD_THAW,    /* the program goes on before it is forked */
	BREAK_ANSWER_LOST,  /* an answer that does not go ends the agent */
	BREAK_ZERO_MISSED,  /* zero pages are not found */
	BREAK_PUNCH_LATE,   /* a hole leaves the page to who has it mapped */
	BREAK_CONTINUE_WRITABLE, /* UFFDIO_CONTINUE forgets MODE_WP */
	BREAK_PUNCH_COPIES,      /* it takes copies, too */
	BREAK_CLONE_LIVE,   /* who clones maps what he may write to, shared */
	BREAK_PROTECT_NONE, /* pages of files are not write-protected */
	BREAK_FRAMES_BYTE,  /* what is written to a memfd changes a byte */
	BREAK_IMAGE_BYTE,   /* what is read of a file changes a byte */
	BREAK_IMAGE_OLD,    /* a file that was replaced looks the same */
	BREAK_DROP_UNPROTECTED, /* clones write on while a copy is made */
	BREAK_DROP_ASTRAY,      /* dropped pages are told to be elsewhere */
	BREAK_COUNT,
};

struct sim_options {
	uint64_t seed;
	uint64_t steps;
	enum sim_break breaks;
	uint32_t faults; /* the pager's pool: waiting at the same time */
	bool print;      /* the trace, as it happens */
	/*
	 * A fork, and the change of a mapping by another thread, may tell in
	 * another order than they happened: the event is queued only after
	 * the lock of the mappings was given back.  Seen on Linux 6.18.
	 */
	bool overtake;
	bool strict; /* see store.c */
};

struct sim {
	struct sim_options opt;
	uint64_t step;
	uint64_t rng;
	uint64_t now_us;
	bool settling; /* nothing random is started any more */
};

extern struct sim sim;

void sim_dice(uint64_t step); /* chance for this step */
uint64_t sim_random(void);
uint32_t sim_below(uint32_t n); /* 0 .. n-1; n > 0 */
bool sim_one_in(uint32_t n);
void sim_bytes(void *buf, size_t len);

void sim_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* => prints the end of the trace and ends the run */
_Noreturn void sim_fail(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
/* => an abort of the code under test shows the trace, too */
void sim_catch_aborts(void);
const char *sim_break_name(enum sim_break);
int sim_break_parse(const char *name, enum sim_break *); /* 0 or -1 */

#define SIM_CHECK(e) ((e) ? (void)0 : sim_fail("%s: not (%s)", __func__, #e))

#endif
