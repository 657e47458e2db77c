#include "tiers.h"

#include <errno.h>

#include "assert.h"
#include "backend.h"
#include "client.h"
#include "physblock.h"

#define LOOK_BLOCKS 1024u /* of one slice */
#define MOVE_BLOCKS 32u   /* and moved */
#define GAP_MAX (UINT64_C(64) << 20)
#define PAUSE_US 1000000 /* nobody takes what is to go, or can be read */

static uint32_t
tier_of(const struct pager *p, const struct store *s)
{
	return (uint32_t)(s - p->stores.at) - p->stores.stacks[s->stack].first;
}

/* => bytes between where it begins to give things away, where it ends, and
 *    what it can have */
static uint64_t
gap_of(uint64_t capacity)
{
	uint64_t gap = capacity / 16;

	return gap < GAP_MAX ? gap : GAP_MAX;
}

/* => bytes that it has more than its capacity less so many gaps */
static bool
is_above(const struct store *s, uint32_t gaps)
{
	struct backend_stats st;

	backend_stats(s->backend, &st);
	return st.capacity_bytes != 0 &&
	       st.used_bytes >
		   st.capacity_bytes - gaps * gap_of(st.capacity_bytes);
}

static bool
is_empty(const struct store *s)
{
	struct backend_stats st;

	backend_stats(s->backend, &st);
	return st.pages == 0;
}

static bool
is_last(const struct pager *p, const struct store *s)
{
	return tier_of(p, s) + 1 == p->stores.stacks[s->stack].n;
}

/* => it has to give something away */
static bool
is_sinking(const struct pager *p, struct store *s)
{
	if (s->draining)
		return !is_empty(s);
	if (is_last(p, s))
		return false;
	s->sinking = is_above(s, s->sinking ? 2 : 1);
	return s->sinking;
}

/* => the next one down that takes something; drained: or then up; or NULL */
static struct store *
taker(struct pager *p, const struct store *s)
{
	const struct stack *st = &p->stores.stacks[s->stack];
	uint32_t tier = tier_of(p, s);

	for (uint32_t i = tier + 1; i < st->n; i++)
		if (!p->stores.at[st->first + i].draining)
			return &p->stores.at[st->first + i];
	for (uint32_t i = s->draining ? tier : 0; i > 0; i--)
		if (!p->stores.at[st->first + i - 1].draining)
			return &p->stores.at[st->first + i - 1];
	return NULL;
}

struct slice {
	struct store *from, *to;
	uint32_t moved;
	uint32_t nwaiting;
	uint32_t waiting[FILL_PAGES]; /* blocks that have to be read first */
};

static void
move_block(struct pager *p, struct slice *c, uint32_t block)
{
	uint64_t handle = where_data(physblock_where(&p->vm, block));
	struct packed packed;
	int r = backend_peek(c->from->backend, handle, &packed);

	if (r == BACKEND_WAIT) {
		c->waiting[c->nwaiting++] = block;
		return;
	}
	if (r < 0 || stores_move(p, block, &packed, c->to) < 0)
		return;
	physblock_move(&p->vm, block,
	    physblock_where(&p->vm, block) & ~WHERE_YOUNG);
	c->moved++;
	count(p, C_demoted, 1);
	c->from->demoted++;
	c->from->seen = 0;
}

/* => the block is to leave */
static bool
is_cold(struct pager *p, const struct store *s, uint32_t block)
{
	uint64_t where = physblock_where(&p->vm, block);

	if (where_kind(where) != WHERE_STORED ||
	    &p->stores.at[where_backend(where)] != s)
		return false;
	if (!(where & WHERE_YOUNG) || s->draining)
		return true;
	physblock_move(&p->vm, block, where & ~WHERE_YOUNG);
	return false;
}

/* => the hand stays before what has to be read */
static void
sweep(struct pager *p, struct slice *c)
{
	struct store *s = c->from;

	for (uint32_t n = 0; n < LOOK_BLOCKS && c->moved < MOVE_BLOCKS &&
			     c->nwaiting < FILL_PAGES && !c->to->later;
	     n++) {
		if (s->hand == 0 || s->hand >= table_high(&p->vm.blocks))
			s->hand = 1;
		if (table_high(&p->vm.blocks) == 1)
			break;
		if (is_cold(p, s, s->hand))
			move_block(p, c, s->hand);
		s->hand++;
		s->seen++;
	}
	if (c->nwaiting == 0)
		return;
	stores_want(p, c->waiting, c->nwaiting);
	s->hand = c->waiting[0];
}

/* => all was looked at twice, and nothing could go */
static bool
is_stuck(struct pager *p, const struct store *s)
{
	return s->seen > 2 * table_high(&p->vm.blocks);
}

static uint64_t
sink(struct pager *p, struct store *s)
{
	struct slice c = { .from = s, .to = taker(p, s) };

	if (now_us(p) < s->pause_us)
		return s->pause_us;
	if (c.to != NULL && !c.to->later)
		sweep(p, &c);
	if (c.to == NULL || is_stuck(p, s)) {
		s->seen = 0;
		s->pause_us = now_us(p) + PAUSE_US;
		return s->pause_us;
	}
	/* Of either the descriptor says when to go on. */
	return c.to->later || c.nwaiting > 0 ? UINT64_MAX : now_us(p);
}

uint64_t
tiers_step(struct pager *p)
{
	uint64_t at = UINT64_MAX;

	/* Whatever there is goes home. */
	if (p->stop != NULL)
		return at;
	for (uint32_t i = 0; i < p->stores.n; i++) {
		struct store *s = &p->stores.at[i];

		if (is_sinking(p, s))
			at = earlier(at, sink(p, s));
	}
	return at;
}

/* => where it is asked for fastest, if that is above */
static struct store *
above(struct pager *p, const struct store *s)
{
	struct stack *st = &p->stores.stacks[s->stack];

	for (uint32_t i = 0; i < tier_of(p, s); i++)
		if (!p->stores.at[st->first + i].draining)
			return &p->stores.at[st->first + i];
	return NULL;
}

void
tiers_loaded(struct pager *p, struct store *s, uint32_t block,
    const struct packed *packed)
{
	uint64_t where = physblock_where(&p->vm, block);
	struct store *to = above(p, s);

	if (to != NULL && !is_above(to, where & WHERE_YOUNG ? 1 : 2) &&
	    stores_move(p, block, packed, to) == 0) {
		s->promoted++;
		count(p, C_promoted, 1);
		return;
	}
	if (!(where & WHERE_YOUNG))
		physblock_move(&p->vm, block, where | WHERE_YOUNG);
}

int
tiers_drain(struct pager *p, const struct mail_drain *m)
{
	const struct stack *st;
	struct store *s;
	bool was;

	if (m->stack >= p->stores.nstacks)
		return -ENOENT;
	st = &p->stores.stacks[m->stack];
	if (m->tier >= st->n)
		return -ENOENT;
	s = &p->stores.at[st->first + m->tier];
	was = s->draining;
	s->draining = m->on;
	if (m->on && taker(p, s) == NULL) {
		s->draining = was;
		return -EBUSY;
	}
	s->seen = 0;
	s->pause_us = 0;
	return 0;
}
