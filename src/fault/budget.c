#include "budget.h"

#include "client.h"
#include "evict.h"
#include "planes.h"
#include "punch.h"
#include "reclaim.h"

/* Nothing could be evicted: look again after that, then after twice that. */
#define STUCK_MIN_US 5000
#define STUCK_MAX_US 20000
#define STUCK_PAGES 64    /* or after so many pages have come */
#define STALLED_US 100000 /* an agent that is stopped: do not wait for it */

uint64_t
budget_usage(struct pager *p, const struct group *g)
{
	struct budget *b = budget_of(p, g);
	int64_t usage =
	    (int64_t)(g->counts.resident + b->staged) +
	    atomic_load_explicit(&b->gauge.foreign_pages,
		memory_order_relaxed) +
	    atomic_load_explicit(&b->gauge.parted_pages, memory_order_relaxed);

	if (usage < (int64_t)b->staged)
		usage = (int64_t)b->staged;
	if ((uint64_t)usage > b->peak)
		b->peak = (uint64_t)usage;
	return (uint64_t)usage;
}

/* What is used, or will be before one can look again. */
static uint64_t
expected(struct pager *p, const struct group *g)
{
	int64_t growth =
	    atomic_load_explicit(&budget_of(p, g)->gauge.growth_pages,
		memory_order_relaxed);
	int64_t most = (int64_t)g->marks.limit / 4;

	return budget_usage(p, g) + (uint64_t)(growth < most ? growth : most);
}

bool
budget_is_near(struct pager *p, const struct group *g)
{
	return g->counts.resident > 0 && expected(p, g) > g->marks.adopt;
}

uint64_t
budget_room(struct pager *p, const struct group *g)
{
	uint64_t usage = expected(p, g);

	return usage + 1 < g->marks.high ? g->marks.high - usage : 1;
}

static bool
stalled(struct pager *p, const struct batch *b)
{
	return b->sent_us + STALLED_US < now_us(p);
}

static bool
is_taking(const struct batch *b)
{
	return b->state == BATCH_MOVING || b->state == BATCH_UNSHARING ||
	       b->state == BATCH_KEEPING || b->state == BATCH_DROPPING;
}

/* => pages that agents are taking out now, not counting stopped ones */
static uint64_t
in_flight(struct pager *p, const struct group *g)
{
	struct space *sp;
	uint64_t n = 0;

	TAILQ_FOREACH(sp, &g->spaces, entry) {
		const struct batch *b = &client_of(p, sp)->batch;

		if (is_taking(b) && !stalled(p, b))
			n += b->npages;
	}
	return n;
}

/* => waiting makes sense: something that is under way will free memory */
static bool
working(struct pager *p, const struct group *g)
{
	struct space *sp;

	if (parcels_moving(p, g) || stores_later(p, g->rec->stack))
		return true;
	TAILQ_FOREACH(sp, &g->spaces, entry) {
		const struct client *c = client_of(p, sp);
		const struct batch *b = &c->batch;

		switch (b->state) {
		case BATCH_IDLE:
			if (c->waited_for || b->again_us > now_us(p) ||
			    (b->staged > 0 && client_has_agent(c)))
				return true;
			break;
		case BATCH_KEEPING:
			break;
		default:
			if (!stalled(p, b))
				return true;
		}
	}
	return false;
}

/* => pages sent for */
static uint64_t
start_spaces(struct pager *p, struct group *g, uint64_t need)
{
	struct space *sp;
	uint64_t started = 0;

	TAILQ_FOREACH(sp, &g->spaces, entry) {
		struct client *c = client_of(p, sp);
		uint64_t want = need - started;

		if (want > BATCH_PAGES)
			want = BATCH_PAGES;
		started += evict_start(p, c, (uint32_t)want);
		if (started >= need)
			break;
	}
	/* Another space goes first the next time. */
	sp = TAILQ_FIRST(&g->spaces);
	if (sp != NULL) {
		TAILQ_REMOVE(&g->spaces, sp, entry);
		TAILQ_INSERT_TAIL(&g->spaces, sp, entry);
	}
	return started;
}

/* => frames that have left: those need nobody's help */
static uint64_t
start_objects(struct pager *p, struct group *g, uint64_t need)
{
	return punch_evict(p, g,
	    need < BATCH_PAGES ? (uint32_t)need : BATCH_PAGES);
}

/* => pages sent for, or gone; spaces and objects take turns */
static uint64_t
start_round(struct pager *p, struct group *g, uint64_t need)
{
	struct budget *b = budget_of(p, g);
	bool first = b->objects_first;
	uint64_t started;

	b->objects_first = !first;
	started = first ? start_objects(p, g, need) : start_spaces(p, g, need);
	if (started < need)
		started += first ? start_spaces(p, g, need - started)
				 : start_objects(p, g, need - started);
	return started;
}

static void
reclaim_answer(struct pager *p, struct budget *b)
{
	struct mail_reclaim *m = b->reclaim;

	if (m == NULL)
		return;
	m->bytes_out = m->bytes;
	if (b->evicted < b->reclaim_goal)
		m->bytes_out -= (b->reclaim_goal - b->evicted) << PAGE_SHIFT;
	b->reclaim = NULL;
	planes_answer(p->planes, &m->m, 0);
}

static void
budget_stuck(struct pager *p, struct group *g)
{
	struct budget *b = budget_of(p, g);
	struct notice *n;
	bool over = budget_usage(p, g) > g->marks.limit;

	b->stuck_gap_us = b->stuck_gap_us == 0             ? STUCK_MIN_US
			  : b->stuck_gap_us < STUCK_MAX_US ? 2 * b->stuck_gap_us
							   : STUCK_MAX_US;
	b->stuck_us = now_us(p) + b->stuck_gap_us;
	b->stuck_installs = 0;
	reclaim_answer(p, b);
	if (over && !b->over) {
		b->over_events++;
		n = planes_notice(p->planes, NOTICE_OVER);
		if (n != NULL) {
			n->group = g->index;
			planes_notify(p->planes, n);
		}
	}
	b->over = over;
}

void
budget_futile(struct pager *p, struct group *g, uint64_t n)
{
	struct budget *b = budget_of(p, g);

	b->futile += n;
	if (b->futile <= g->counts.resident)
		return;
	b->futile = 0;
	budget_stuck(p, g);
}

void
budget_installed(struct pager *p, struct group *g, uint64_t n)
{
	struct budget *b = budget_of(p, g);

	reclaim_installed(g, n);
	b->stuck_installs += n;
	if (b->stuck_installs >= STUCK_PAGES)
		b->stuck_us = 0;
}

void
budget_put(struct pager *p, const struct group *g, uint64_t before)
{
	struct budget *b = budget_of(p, g);

	b->put_pages++;
	b->put_bytes += stores_bytes(p) - before;
}

static uint64_t
budget_need(struct pager *p, struct group *g, struct budget *b)
{
	uint64_t usage = expected(p, g) - b->staged, need = 0;

	if (usage > g->marks.high)
		b->evicting = true;
	if (usage <= g->marks.low + in_flight(p, g))
		b->evicting = false;
	if (b->evicting)
		need = usage - g->marks.low;
	if (b->reclaim != NULL && b->reclaim_goal > b->evicted + need)
		need = b->reclaim_goal - b->evicted;
	return need;
}

uint64_t
budget_balance(struct pager *p, struct group *g)
{
	struct budget *b = budget_of(p, g);
	uint64_t need = budget_need(p, g, b), flying;

	if (need == 0) {
		b->over = false;
		reclaim_answer(p, b);
		return UINT64_MAX;
	}
	if (p->stop != NULL) {
		reclaim_answer(p, b);
		return UINT64_MAX;
	}
	if (now_us(p) < b->stuck_us)
		return b->stuck_us;
	flying = in_flight(p, g);
	while (flying < need) {
		uint64_t n = start_round(p, g, need - flying);

		flying += n;
		if (n == 0 &&
		    (flying > 0 || working(p, g) || !reclaim_lower(g)))
			break;
	}
	if (flying > 0 || working(p, g))
		return now_us(p) + STALLED_US;
	budget_stuck(p, g);
	return b->stuck_us;
}

bool
budget_admit(struct pager *p, struct group *g)
{
	struct budget *b = budget_of(p, g);

	if (expected(p, g) < g->marks.limit)
		return true;
	if (p->stop != NULL || now_us(p) < b->stuck_us)
		return true;
	(void)budget_balance(p, g);
	return now_us(p) < b->stuck_us || !working(p, g);
}
