/*
 * counts.h: how many pages are in which state
 */
#ifndef COUNTS_H
#define COUNTS_H

#include "slot.h"

struct counts { /* pages */
	uint64_t resident, out, clean;
};

/* => n more slots like this one; n may be minus one */
static inline void
counts_add(struct counts *c, uint64_t slot, uint64_t n)
{
	switch (slot_state(slot)) {
	case SLOT_UNKNOWN:
		break;
	case SLOT_RESIDENT:
		c->resident += n;
		if (slot_block(slot) != 0)
			c->clean += n;
		break;
	case SLOT_OUT:
		c->out += n;
		break;
	}
}

static inline void
counts_replace(struct counts *c, uint64_t old, uint64_t new)
{
	counts_add(c, old, (uint64_t)-1);
	counts_add(c, new, 1);
}

#endif
