/*
 * watch.c: how much memory the groups use, and what of it is to be adopted
 *
 *	timer --> sample --> settle --> steer --+--> planes_kick()
 *	  ^          |                          |
 *	  |          +- statm of each space     +--> scan --> MAIL_ADOPT
 *	  +------------ pace_next() <-----------+      |
 *	  +------------------------------ done() <-----+
 *
 * usage = model + foreign: what the fault plane counts exactly, and what the
 * kernel counts besides.  A space's foreign pages are its anonymous RSS less
 * the model's pages of it.
 *
 * After a fork pages are in the RSS of two processes.  Then the smaps say
 * what each process's share is (the proportional set size); it costs a walk
 * of the page tables, so the difference is kept from one reading to the next
 * (shared_pages) and read again only when the sum nears the mark, at most a
 * tenth of the time.
 */
#include "watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub.h"
#include "log.h"
#include "pace.h"
#include "planes.h"
#include "roster.h"
#include "smaps.h"
#include "watermark.h"

#define PAGE UINT64_C(4096)
#define PSS_MIN_MS 10u
#define PSS_COST_FACTOR 10u
#define SAMPLE_COST_FACTOR 20u
#define LOOK_US 500 /* a rate over less is noise */
#define FORGET_US 100000
#define FORESEE_US 15000 /* to see, to adopt, to evict */
#define STILL_PAGES 32   /* less is noise of the kernel's own counters */

/* One look at the smaps of a space. */
struct scan {
	struct mail_adopt mail; /* first: a mail is a scan */
	struct hub *hub;
	uint64_t area_start, area_end, anchor_start; /* not these */
	struct mail_range *ranges;                   /* owned */
	size_t n, size;
	bool adopt;  /* ranges are wanted, not only the share */
	bool failed; /* no memory: what was found stands */
	uint64_t pss_pages;
};

static void on_timer(uv_timer_t *);

static int64_t
max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* => anonymous pages by statm; 0 when the process is going or not known */
static int64_t
read_anon(int fd)
{
	long resident, shared;
	char buf[128];
	ssize_t n;

	if (fd < 0)
		return 0;
	n = pread(fd, buf, sizeof(buf) - 1, 0);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	if (sscanf(buf, "%*u %ld %ld", &resident, &shared) != 2)
		return 0;
	return max64(resident - shared, 0);
}

static void
sample_space(struct roster_space *s)
{
	int64_t model;

	/* One right after the other: pages move between the two counts. */
	model = atomic_load(&s->gauge->model_pages);
	s->anon_pages = read_anon(s->statm);
	s->foreign_pages = s->anon_pages == 0 ? 0 : s->anon_pages - model;
	if (s->scanned_pages > s->foreign_pages)
		s->scanned_pages = s->foreign_pages;
	atomic_store(&s->gauge->foreign_pages, s->foreign_pages);
}

/* => the group's foreign pages, also put into its gauge */
static int64_t
sum_up(struct roster_group *g)
{
	struct roster_space *s;
	int64_t foreign = 0, shared = 0;

	TAILQ_FOREACH(s, &g->spaces, entry) {
		foreign += s->foreign_pages;
		shared += s->shared_pages;
	}
	g->shared_pages = shared;
	atomic_store(&g->gauge->foreign_pages, foreign - shared);
	return foreign - shared;
}

/* => false: there is nobody to watch */
static bool
sample_group(struct roster_group *g)
{
	struct roster_space *s;
	bool any = false;

	TAILQ_FOREACH(s, &g->spaces, entry) {
		if (s->statm >= 0) {
			sample_space(s);
			any = true;
		}
	}
	sum_up(g);
	return any;
}

static int64_t
usage_of(const struct roster_group *g)
{
	return atomic_load(&g->gauge->model_pages) +
	       atomic_load(&g->gauge->foreign_pages) +
	       atomic_load(&g->gauge->parted_pages);
}

static void
add_range(struct scan *k, uint64_t start, uint64_t end)
{
	struct mail_range *ranges;
	size_t size;

	if (end < start + SMAPS_ADOPT_MIN_BYTES)
		return;
	if (k->n == k->size) {
		size = k->size == 0 ? 64 : 2 * k->size;
		ranges = reallocarray(k->ranges, size, sizeof(*ranges));
		if (ranges == NULL) {
			k->failed = true;
			return;
		}
		k->ranges = ranges;
		k->size = size;
	}
	k->ranges[k->n++] = (struct mail_range){ start, end };
}

/*
 * The kernel merges neighbours: a mapping may hold the agent's area or its
 * anchor in the middle.  What is on both sides of [from, to) is kept.
 */
static void
add_around(struct scan *k, uint64_t start, uint64_t end, int hole)
{
	uint64_t from, to;

	if (hole == 2) {
		add_range(k, start, end);
		return;
	}
	from = hole == 0 ? k->area_start : k->anchor_start;
	to = hole == 0 ? k->area_end : k->anchor_start + PAGE;
	if (to <= start || from >= end) {
		add_around(k, start, end, hole + 1);
		return;
	}
	if (from > start)
		add_around(k, start, from, hole + 1);
	if (to < end)
		add_around(k, to, end, hole + 1);
}

static void
take_vma(const struct smaps_vma *v, void *ctx)
{
	struct scan *k = ctx;

	k->pss_pages += smaps_pss_anon(v) / PAGE;
	if (k->adopt && smaps_adoptable(v))
		add_around(k, v->start, v->end, 0);
}

static void
scan_free(struct scan *k)
{
	free(k->ranges);
	free(k);
}

static void
adopted(struct mail *m)
{
	struct scan *k = (struct scan *)m;
	struct roster_space *s;

	hub_answered(k->hub);
	s = roster_space_by_id(&k->hub->roster, k->mail.space);
	if (m->result < 0 && m->result != -ESRCH)
		log_warning("space %" PRIu64 ": cannot adopt memory: %s",
		    k->mail.space, strerror(-m->result));
	else
		log_debug("space %" PRIu64 ": adopted %zu of %zu ranges, "
			  "%" PRIu64 " pages",
		    k->mail.space, k->mail.nadopted, k->n,
		    k->mail.adopted_pages);
	scan_free(k);
	if (s == NULL)
		return;
	s->scanning = false;
	if (s->scan_again)
		watch_scan(s);
	/* Pages have moved from foreign to model: count again at once. */
	watch_group(s->group);
}

static struct scan *
scan_new(struct roster_space *s, bool adopt)
{
	struct scan *k;

	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	k->hub = s->group->hub;
	k->area_start = s->area_start;
	k->area_end = s->area_end;
	k->anchor_start = s->anchor_start;
	k->adopt = adopt;
	k->mail.m.op = MAIL_ADOPT;
	k->mail.m.done = adopted;
	k->mail.space = s->id;
	return k;
}

/* Reads the smaps; on the way its share of forked pages becomes known. */
static int
scan_read(struct scan *k, struct roster_space *s)
{
	int r;

	r = smaps_read(s->smaps, take_vma, k);
	if (r < 0)
		return r;
	if (k->failed)
		log_warning("space %" PRIu64 ": out of memory: adopting %zu "
			    "mappings only",
		    s->id, k->n);
	s->shared_pages = 0;
	if (s->group->forked)
		s->shared_pages =
		    max64(s->anon_pages - (int64_t)k->pss_pages, 0);
	return 0;
}

void
watch_scan(struct roster_space *s)
{
	struct scan *k;

	if (s->smaps < 0)
		return;
	/* Seen, also if the scan under way must be done again for it. */
	s->scanned_pages = s->foreign_pages;
	s->scan_again = s->scanning;
	if (s->scanning)
		return;
	k = scan_new(s, true);
	if (k == NULL)
		return;
	if (scan_read(k, s) == 0) {
		k->mail.ranges = k->ranges;
		k->mail.nranges = k->n;
		if (hub_ask(k->hub, &k->mail.m) == 0) {
			s->scanning = true;
			return;
		}
	}
	scan_free(k);
}

/* => foreign pages that no scan has seen yet */
static int64_t
growth_of(const struct roster_space *s)
{
	return s->smaps < 0 ? 0 : s->foreign_pages - s->scanned_pages;
}

static struct roster_space *
most_grown(struct roster_group *g, int64_t *total)
{
	struct roster_space *s, *best = NULL;

	*total = 0;
	TAILQ_FOREACH(s, &g->spaces, entry) {
		*total += growth_of(s);
		if (best == NULL || growth_of(s) > growth_of(best))
			best = s;
	}
	return best;
}

/* Scans where memory has grown, most first, until little is left unseen. */
static void
scan_grown(struct roster_group *g, uint64_t rescan)
{
	struct roster_space *s;
	int64_t total;

	while ((s = most_grown(g, &total)) != NULL && growth_of(s) > 0 &&
	       total >= (int64_t)rescan)
		watch_scan(s); /* growth_of(s) is 0 now */
}

static void
adopt_group(struct roster_group *g)
{
	g->adopted = true;
	log_debug("group %s: nears its limit, adopting its memory", g->name);
	/* Whose mappings change all the time takes long to read, and waits. */
	scan_grown(g, 1);
}

/* Reads the smaps of all spaces for their shares; moved: they changed. */
static void
read_shares(struct roster_group *g)
{
	int64_t before = g->shared_pages;
	int64_t parted = atomic_load(&g->gauge->parted_pages);
	struct roster_space *s;
	struct scan *k;
	uint64_t cost, due, start = uv_hrtime();

	TAILQ_FOREACH(s, &g->spaces, entry) {
		if (s->smaps < 0 || (k = scan_new(s, false)) == NULL)
			continue;
		scan_read(k, s);
		scan_free(k);
	}
	sum_up(g);
	atomic_fetch_sub(&g->gauge->parted_pages, parted);
	cost = (uv_hrtime() - start) / 1000000;
	due = cost * PSS_COST_FACTOR;
	due = due < PSS_MIN_MS ? PSS_MIN_MS : due;
	if (llabs(g->shared_pages - before) >= STILL_PAGES ||
	    g->pss_backoff == 0)
		g->pss_backoff = 1;
	else if (due * g->pss_backoff < PACE_MAX_MS)
		g->pss_backoff *= 2;
	uv_update_time(&g->hub->loop);
	g->pss_due_ms = uv_now(&g->hub->loop) + due * g->pss_backoff;
}

/* Forked pages are counted twice by statm: near the mark, look closer. */
static void
settle_shares(struct roster_group *g, const struct watermarks *w)
{
	if (!g->forked)
		return;
	if (usage_of(g) + g->shared_pages < (int64_t)w->adopt)
		return;
	if (uv_now(&g->hub->loop) >= g->pss_due_ms)
		read_shares(g);
}

/* Acts on what was sampled; => may the watch look away for longer? */
static bool
steer(struct roster_group *g, const struct watermarks *w)
{
	int64_t grown, usage = usage_of(g);

	if (usage + atomic_load(&g->gauge->growth_pages) > (int64_t)w->high)
		planes_kick(g->hub->setup->planes);
	if (!g->adopted && usage >= (int64_t)w->adopt)
		adopt_group(g);
	else if (g->adopted)
		scan_grown(g, w->rescan);
	most_grown(g, &grown);
	return usage < (int64_t)w->adopt || grown < (int64_t)w->rescan / 4;
}

/*
 * Foreign memory is not held back by faults: the fault plane must keep free
 * what it will grow by until the next look, and until what is found then has
 * been adopted.  The greatest rate of late counts, and is forgotten slowly.
 */
static void
foresee(struct roster_group *g)
{
	int64_t foreign = atomic_load(&g->gauge->foreign_pages);
	uint64_t now = uv_hrtime() / 1000, us = now - g->seen_us;
	double rate = (double)(foreign - g->seen_foreign) / (double)(us + 1);

	if (g->seen_us == 0 || us > FORGET_US)
		g->rate = 0;
	else
		g->rate -= g->rate * (double)us / FORGET_US;
	if (g->seen_us != 0 && us >= LOOK_US && rate > g->rate)
		g->rate = rate;
	if (us >= LOOK_US || foreign < g->seen_foreign) {
		g->seen_us = now;
		g->seen_foreign = foreign;
	}
	atomic_store(&g->gauge->growth_pages, (int64_t)(g->rate * FORESEE_US));
}

static bool
has_moved(struct roster_group *g)
{
	int64_t last, now;

	/* The fault plane sees the model grow; foreign memory only we. */
	now = usage_of(g);
	if (g->adopted)
		now -= atomic_load(&g->gauge->model_pages);
	last = g->last_pages;
	g->last_pages = now;
	return llabs(now - last) >= STILL_PAGES;
}

/*
 * => pages that may be touched before the watch must have looked again: up to
 *    where memory is adopted; beyond, half of what is left, for what it finds
 *    then takes as long again to be adopted
 */
static int64_t
leeway(struct roster_group *g, const struct watermarks *w)
{
	int64_t usage = usage_of(g);

	if (usage < (int64_t)w->adopt)
		return (int64_t)w->adopt - usage;
	return ((int64_t)w->high - usage) / 2;
}

static void
sample(struct roster_group *g)
{
	struct watermarks w = watermarks_of(g->limit_bytes);
	uint64_t cost, ms, start = uv_hrtime();
	bool calm, moved;

	uv_timer_stop(&g->timer);
	if (!sample_group(g))
		return; /* until somebody attaches */
	/* Many spaces: at most a twentieth of the time goes into this. */
	cost = (uv_hrtime() - start) / 1000 * SAMPLE_COST_FACTOR / 1000;
	settle_shares(g, &w);
	foresee(g);
	calm = steer(g, &w);
	moved = has_moved(g);
	/* What a program begins with is filled fast, and not by faults. */
	ms = pace_next(&g->pace, leeway(g, &w), moved, !calm || !g->adopted);
	ms = cost < PACE_MAX_MS && cost > ms ? cost : ms;
	uv_update_time(&g->hub->loop);
	uv_timer_start(&g->timer, on_timer, ms, 0);
}

static void
on_timer(uv_timer_t *t)
{
	sample(t->data);
}

void
watch_group(struct roster_group *g)
{
	enum hub_state state = g->hub->state;

	if (g->gauge == NULL || state == HUB_STOP || state == HUB_END)
		return;
	if (g->limit_bytes == 0) {
		uv_timer_stop(&g->timer);
		return;
	}
	g->pace.backoff = 0;
	g->pss_due_ms = 0;
	g->pss_backoff = 0;
	uv_timer_start(&g->timer, on_timer, 0, 0);
}

void
watch_refresh(struct roster_group *g)
{
	if (g->gauge != NULL)
		sample_group(g);
}

void
watch_forget(struct roster_space *s)
{
	struct roster_group *g = s->group;
	struct roster_space *other;

	/* Its gauge may belong to another space already: not touched. */
	if (g->nspaces == 2) {
		/* Whoever remains shares with nobody in the group. */
		g->forked = false;
		TAILQ_FOREACH(other, &g->spaces, entry)
			other->shared_pages = 0;
	}
	s->foreign_pages = s->shared_pages = 0;
	sum_up(g);
	watch_group(g);
}

void
watch_stop(struct hub *hub)
{
	struct roster_group *g;

	TAILQ_FOREACH(g, &hub->roster.groups, entry)
		uv_timer_stop(&g->timer);
}
