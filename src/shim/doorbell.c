/*
 * doorbell.c: the program's side of the doorbells
 */
#include "doorbell.h"

#include <sys/mman.h>

#include <stddef.h>

#include "area.h"
#include "sys.h"

#define PAGE ((size_t)PAGERD_PAGE_SIZE)
#define MAP_LEN ((3 + DOORBELLS) * PAGE)

struct doorbells *doorbells;

/*
 * The pages around have other access rights, so that neither part can become
 * one mapping with memory of the program, which may be adopted.
 */
struct doorbells *
doorbells_map(void)
{
	char *guard = area_map_private(MAP_LEN, PROT_NONE), *at;

	if (guard == NULL)
		return (NULL);
	at = guard + PAGE;
	if (sys3(SYS_mprotect, at, PAGE, PROT_READ | PROT_WRITE) < 0 ||
	    sys3(SYS_madvise, at, PAGE, MADV_WIPEONFORK) < 0 ||
	    sys3(SYS_mprotect, at + PAGE, DOORBELLS * PAGE, PROT_READ) < 0) {
		sys2(SYS_munmap, guard, MAP_LEN);
		return (NULL);
	}
	return ((struct doorbells *)(void *)at);
}

void
doorbells_unmap(struct doorbells *d)
{
	if (d != NULL)
		sys2(SYS_munmap, (char *)d - PAGE, MAP_LEN);
}

static int
change(struct bell *b, uint32_t from, uint32_t to)
{
	return (__atomic_compare_exchange_n(&b->state, &from, to, 0,
	    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
}

/* => returns the number of a bell that is ours now, or DOORBELLS */
static uint32_t
claim(struct doorbells *d)
{
	uint32_t first = __atomic_fetch_add(&d->next, 1, __ATOMIC_RELAXED);
	uint32_t i, k;

	for (i = 0; i < DOORBELLS; i++) {
		k = (first + i) % DOORBELLS;
		if (change(&d->bell[k], BELL_READY, BELL_TAKEN))
			return (k);
	}
	return (DOORBELLS);
}

/*
 * The last change fails in a process that was forked by a signal handler while
 * its parent waited here: there the bell is not ours.
 */
void
doorbell_ring(uint64_t start, uint64_t len)
{
	struct doorbells *d = doorbells;
	const uint32_t k = claim(d);

	if (k == DOORBELLS)
		return;
	d->bell[k].start = start;
	d->bell[k].len = len;
	__atomic_store_n(&d->bell[k].state, BELL_RUNG, __ATOMIC_SEQ_CST);
	(void)*(const volatile uint8_t *)(uintptr_t)doorbell_page(d, k);
	change(&d->bell[k], BELL_RUNG, BELL_SPENT);
}
