/*
 * watch.c: how much memory the groups use, and what of it is to be adopted
 *
 *	timer --> sample --> settle --> steer --+--> planes_kick()
 *	alarm       |                           |
 *	  ^         +- statm of each space      +--> scan --> MAIL_ADOPT
 *	  |         +- its CPU time             |      |
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

#include "alarm.h"
#include "assert.h"
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
#define UNSEEN_MAX 3u /* looks in a row that did not count */
#define SAMPLE_TRIES 3u
#define LOOK_US 500 /* a rate over less is noise */
#define FORGET_US 100000
#define FORESEE_US 15000 /* to see, to adopt, to evict */
#define STILL_PAGES 32   /* less is noise of the kernel's own counters */

/* One look at the smaps of a space, for what is to be adopted. */
struct scan {
	struct mail_adopt mail; /* first: a mail is a scan */
	struct hub *hub;
	uint64_t area_start, area_end, anchor_start; /* not these */
	struct mail_range *ranges;                   /* owned */
	size_t n, size;
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

/*
 * Staging is emptied by the agent, and taken from the model's pages by the
 * fault thread, not quite at the same time: a batch would look like memory that
 * has just grown.
 *
 * => what was seen last stands, less what was adopted, but not for long
 */
static bool
is_emptied(struct roster_space *s, uint32_t before)
{
	bool now =
	    before % 2 == 1 || before != atomic_load(&s->gauge->emptying);

	s->unseen = now && s->unseen < UNSEEN_MAX ? s->unseen + 1 : 0;
	return s->unseen > 0;
}

static void
sample_space(struct roster_space *s)
{
	uint32_t before = atomic_load(&s->gauge->emptying);
	int64_t model, anon;

	/* One right after the other: pages move between the two counts. */
	model = atomic_load(&s->gauge->model_pages);
	anon = read_anon(s->statm);
	if (anon != 0 && is_emptied(s, before)) {
		s->foreign_pages = atomic_load(&s->gauge->foreign_pages);
		return;
	}
	s->anon_pages = anon;
	s->foreign_pages = s->anon_pages == 0 ? 0 : s->anon_pages - model;
}

static void
publish_space(struct roster_space *s)
{
	if (s->scanned_pages > s->foreign_pages)
		s->scanned_pages = s->foreign_pages;
	atomic_store(&s->gauge->foreign_pages, s->foreign_pages);
}

/*
 * sum_up: the group's foreign pages, put into its gauge
 *
 * => false: pages were adopted since g->seen_gauge was read.  Then the fault
 *    plane has taken them off what stands there, which is more than we know.
 */
static bool
sum_up(struct roster_group *g)
{
	struct roster_space *s;
	int64_t foreign = 0, shared = 0, was = g->seen_gauge;

	TAILQ_FOREACH(s, &g->spaces, entry) {
		foreign += s->foreign_pages;
		shared += s->shared_pages;
	}
	g->shared_pages = shared;
	if (!atomic_compare_exchange_strong(&g->gauge->foreign_pages, &was,
		foreign - shared))
		return false;
	g->seen_gauge = foreign - shared;
	return true;
}

/* => false: pages were adopted meanwhile: they may have been counted twice */
static bool
sample_spaces(struct roster_group *g, bool *any)
{
	uint32_t seen = atomic_load(&g->gauge->adoptions);
	struct roster_space *s;

	g->seen_gauge = atomic_load(&g->gauge->foreign_pages);
	*any = false;
	TAILQ_FOREACH(s, &g->spaces, entry) {
		if (s->statm < 0)
			continue;
		sample_space(s);
		publish_space(s);
		*any = true;
	}
	return seen % 2 == 0 && seen == atomic_load(&g->gauge->adoptions);
}

/* => false: there is nobody to watch */
static bool
sample_group(struct roster_group *g)
{
	unsigned int tries = SAMPLE_TRIES;
	bool any;

	while ((!sample_spaces(g, &any) || !sum_up(g)) && --tries > 0)
		continue;
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
	if (smaps_adoptable(v))
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
scan_new(struct roster_space *s)
{
	struct scan *k;

	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	k->hub = s->group->hub;
	k->area_start = s->area_start;
	k->area_end = s->area_end;
	k->anchor_start = s->anchor_start;
	k->mail.m.op = MAIL_ADOPT;
	k->mail.m.done = adopted;
	k->mail.space = s->id;
	return k;
}

static void
set_share(struct roster_space *s, uint64_t pss_pages)
{
	s->shared_pages = max64(s->anon_pages - (int64_t)pss_pages, 0);
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
	if (s->group->forked)
		set_share(s, k->pss_pages);
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
	k = scan_new(s);
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

/* Asks for the shares of all spaces. */
static void
read_shares(struct roster_group *g)
{
	int64_t before = g->shared_pages;
	int64_t parted = atomic_load(&g->gauge->parted_pages);
	struct roster_space *s;
	uint64_t pss, cost, due, start = uv_hrtime();

	TAILQ_FOREACH(s, &g->spaces, entry) {
		if (s->rollup >= 0 && smaps_rollup_read(s->rollup, &pss) == 0)
			set_share(s, pss / PAGE);
	}
	(void)sum_up(g);
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

static bool
is_scanning(const struct roster_group *g)
{
	const struct roster_space *s;

	TAILQ_FOREACH(s, &g->spaces, entry) {
		if (s->scanning)
			return true;
	}
	return false;
}

static void
foresee_growth(struct roster_group *g)
{
	/* Below 0: it had grown before it was adopted, which nobody saw. */
	int64_t foreign = max64(atomic_load(&g->gauge->foreign_pages), 0);
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

/*
 * Foreign memory is not held back by faults: the fault plane must keep free
 * what it will grow by until the next look, and until what is found then has
 * been adopted.  The greatest rate of late counts, and is forgotten slowly.
 *
 * Until a group's memory is first adopted all that it touches is foreign, and
 * the rate says how fast it fills its memory; from then on nearly all of that
 * is held back by faults.  To foresee more of it would have memory evicted for
 * nobody: the rate counts from then on.
 */
static void
foresee(struct roster_group *g)
{
	if (!g->settled) {
		g->settled = g->adopted && !is_scanning(g);
		g->seen_us = 0;
	}
	foresee_growth(g);
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

/* => CPU time of all of them since the last look, or PACE_UNKNOWN */
static uint64_t
used_by(struct roster_group *g, uint32_t *nspaces)
{
	struct roster_space *s;
	uint64_t ns, sum = 0;

	*nspaces = 0;
	if (g->hub->alarms < 0)
		return PACE_UNKNOWN;
	TAILQ_FOREACH(s, &g->spaces, entry) {
		if (s->statm < 0)
			continue; /* it is not watched either */
		ns = alarm_used(&s->alarm, s->pid, s->id);
		sum = ns == PACE_UNKNOWN || sum == PACE_UNKNOWN ? PACE_UNKNOWN
								: sum + ns;
		(*nspaces)++;
	}
	return sum;
}

static void
set_alarms(struct roster_group *g, uint64_t ns)
{
	struct roster_space *s;

	TAILQ_FOREACH(s, &g->spaces, entry) {
		if (ns == PACE_UNKNOWN)
			alarm_clear(&s->alarm);
		else
			alarm_set(&s->alarm, ns);
	}
}

static void
on_alarm(uv_poll_t *poll, int status, int events)
{
	struct hub *hub = poll->data;
	struct roster_space *s;
	uint64_t id;

	(void)status;
	(void)events;
	while ((id = alarms_next(hub->alarms)) != 0) {
		s = roster_space_by_id(&hub->roster, id);
		if (s == NULL)
			continue;
		alarm_rang(&s->alarm);
		if (s->group->gauge != NULL && s->group->limit_bytes != 0 &&
		    hub->state < HUB_STOP)
			uv_timer_start(&s->group->timer, on_timer, 0, 0);
	}
}

static void
sample(struct roster_group *g)
{
	struct watermarks w = watermarks_of(g->limit_bytes);
	struct pace_look look = { .late_ns = g->hub->alarm_late_ns };
	uint64_t cost, start = uv_hrtime();
	struct pace_plan plan;
	bool calm;

	uv_timer_stop(&g->timer);
	/* First: what is used while we look is found the next time. */
	look.used_ns = used_by(g, &look.nalarms);
	if (!sample_group(g))
		return; /* until somebody attaches */
	/* Many spaces: at most a twentieth of the time goes into this. */
	cost = (uv_hrtime() - start) / 1000 * SAMPLE_COST_FACTOR / 1000;
	settle_shares(g, &w);
	foresee(g);
	calm = steer(g, &w);
	look.pages = leeway(g, &w);
	look.moved = has_moved(g);
	/* What a program begins with is filled fast, and not by faults. */
	look.close = !calm || !g->adopted;
	uv_update_time(&g->hub->loop);
	look.now_ms = uv_now(&g->hub->loop);
	plan = pace_next(&g->pace, &look);
	set_alarms(g, plan.alarm_ns);
	if (cost < PACE_MAX_MS && cost > plan.ms)
		plan.ms = cost;
	uv_timer_start(&g->timer, on_timer, plan.ms, 0);
}

static void
on_timer(uv_timer_t *t)
{
	sample(t->data);
}

/* => there are samples to be taken; what was put off is not any more */
static bool
restart(struct roster_group *g)
{
	enum hub_state state = g->hub->state;

	if (g->gauge == NULL || state == HUB_STOP || state == HUB_END)
		return false;
	g->pace.backoff = 0;
	g->pss_due_ms = 0;
	g->pss_backoff = 0;
	if (g->limit_bytes != 0)
		return true;
	uv_timer_stop(&g->timer);
	set_alarms(g, PACE_UNKNOWN);
	return false;
}

void
watch_group(struct roster_group *g)
{
	if (restart(g))
		uv_timer_start(&g->timer, on_timer, 0, 0);
}

/*
 * Programs that come and go by the thousand do not each have all of their
 * group sampled.
 */
void
watch_joined(struct roster_group *g)
{
	struct watermarks w = watermarks_of(g->limit_bytes);
	uint64_t ms;

	if (!restart(g))
		return;
	ms = pace_soon(leeway(g, &w));
	uv_update_time(&g->hub->loop);
	if (!uv_is_active((uv_handle_t *)&g->timer) ||
	    uv_timer_get_due_in(&g->timer) > ms)
		uv_timer_start(&g->timer, on_timer, ms, 0);
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
	g->seen_gauge = atomic_load(&g->gauge->foreign_pages);
	(void)sum_up(g);
	watch_joined(g);
}

void
watch_start(struct hub *hub)
{
	int r = alarms_open();

	hub->alarms = -1;
	hub->alarm_late_ns = alarm_late_ns();
	if (r >= 0 && uv_poll_init(&hub->loop, &hub->alarm_poll, r) == 0) {
		hub->alarms = r;
		hub->alarm_poll.data = hub;
		r = uv_poll_start(&hub->alarm_poll, UV_READABLE, on_alarm);
		ASSERT(r == 0);
	} else if (r >= 0) {
		close(r);
	}
}

void
watch_end(struct hub *hub)
{
	if (hub->alarms < 0)
		return;
	uv_close((uv_handle_t *)&hub->alarm_poll, NULL);
	close(hub->alarms);
	hub->alarms = -1;
}

void
watch_stop(struct hub *hub)
{
	struct roster_group *g;

	TAILQ_FOREACH(g, &hub->roster.groups, entry)
		uv_timer_stop(&g->timer);
}
