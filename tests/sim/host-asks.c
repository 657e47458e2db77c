/*
 * host-asks.c: what the control plane asks of the pager to be done
 *
 * Of each answer it is known what it may be: who is refused, which group cannot
 * be closed, what a stop says of the pages.
 */
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_fake.h"
#include "fds.h"
#include "snap.h"
#include "vm.h"

#define WIPED_MAX 128u

struct attach {
	struct mail_attach m;
	struct agent *agent;
	bool bad; /* has to be refused */
	struct mail_range wiped[WIPED_MAX];
};

static void
attach_close(const struct mail_attach *m)
{
	fds_close(m->sock);
	if (m->uffd_main != -1)
		fds_close(m->uffd_main);
	fds_close(m->mem);
	fds_close(m->pagemap);
	fds_close(m->maps);
}

/* The child of a process that the daemon has forgotten may be refused. */
static bool
refusal_is_right(const struct attach *t)
{
	return t->bad || host.stopping || t->agent->closed ||
	       !t->agent->proc->running || t->agent->proc->hostile;
}

static void done_attach(struct mail *);

/* What the control plane finds in smaps. */
static void
find_wiped(struct attach *t)
{
	struct vma *v;

	t->m.wiped = t->wiped;
	t->m.looked = true;
	TAILQ_FOREACH(v, &t->agent->proc->vmas, link) {
		if (v->wipeonfork && t->m.nwiped < WIPED_MAX)
			t->wiped[t->m.nwiped++] = (struct mail_range){
				addr_of(v->start),
				addr_of(v->end),
			};
	}
}

static void
done_attach(struct mail *m)
{
	struct attach *t = (struct attach *)m;
	struct proc *p = t->agent->proc;

	host_answered(m);
	if (m->result == ATTACH_LOOK) {
		SIM_CHECK(t->m.fork && !t->m.looked);
		find_wiped(t);
		host_ask(m, MAIL_ATTACH, done_attach);
		return;
	}
	if (m->result == 0) {
		if (t->bad)
			sim_fail("a bad HELLO of %u was accepted", p->pid);
		p->space = t->m.space;
		p->group = t->m.group_out;
		SIM_CHECK(t->m.gauge != NULL);
		sim_trace("%u is space %llx", p->pid,
		    (unsigned long long)p->space);
	} else {
		host_counts.refused++;
		if (!refusal_is_right(t))
			sim_fail("%u was refused: %s", p->pid, t->m.reason);
		SIM_CHECK(t->m.reason[0] != '\0');
		t->agent->daemon_closed = true;
		attach_close(&t->m);
		if (!t->agent->closed && p->running)
			agent_refused(t->agent);
	}
	t->agent->connected = true;
	if (p->holder)
		snap_attached(p, m->result);
	free(t);
}

/* A HELLO that no agent would send, or that comes from nowhere. */
static void
spoil(struct attach *t)
{
	struct mail_attach *m = &t->m;

	t->bad = true;
	if (m->fork && sim_one_in(2))
		m->fork_token[sim_below(TOKEN_BYTES)] ^= 1;
	else if (m->fork)
		m->fork_space ^= UINT64_C(1) << 40;
	else if (sim_one_in(2))
		m->group = 13;
	else
		t->agent->main_ctx->enabled = true; /* not raw any more */
}

void
host_attach(struct agent *a, const struct pagerd_anchor *anchor)
{
	struct attach *t = calloc(1, sizeof(*t));
	struct proc *p = a->proc;
	struct mail_attach *m = &t->m;

	t->agent = a;
	if (a->state != AGENT_GONE)
		a->state = AGENT_HELLO;
	m->pid = (pid_t)p->pid;
	m->agent = m->pid + 1000000;
	m->uid = p->uid;
	m->area_start = addr_of(a->area);
	m->area_len = (uint64_t)a->area_len * PAGE_SIZE;
	m->stage_start = addr_of(a->stage);
	m->anchor_start = addr_of(p->anchor);
	m->sock = fds_open(FD_SOCK, a);
	m->mem = fds_open(FD_MEM, p);
	m->pagemap = fds_open(FD_PAGEMAP, p);
	m->maps = fds_open(FD_MAPS, p);
	m->uffd_main = -1;
	if (anchor == NULL) {
		m->uffd_main = fds_open(FD_UFFD, a->main_ctx);
		m->group = host.group[sim_below(HOST_GROUPS)];
	} else {
		m->fork = true;
		m->fork_space = anchor->space_id;
		memcpy(m->fork_token, anchor->space_token, TOKEN_BYTES);
	}
	if (sim_one_in(40) && !p->hostile && !p->marked)
		spoil(t);
	host_counts.attaches++;
	sim_trace("%u says HELLO%s%s", p->pid, m->fork ? ", forked" : "",
	    t->bad ? ", spoilt" : "");
	host_ask(&m->m, MAIL_ATTACH, done_attach);
}

struct adopt {
	struct mail_adopt m;
	struct proc *proc;
	struct mail_range ranges[8];
};

static void
done_adopt(struct mail *m)
{
	((struct adopt *)m)->proc->adopts--;
	host_done_free(m);
}

/* What a scan of smaps found; by now it may be something else. */
void
host_adopt(struct proc *p)
{
	struct adopt *t = calloc(1, sizeof(*t));
	struct mail_range *r = t->ranges;
	struct vma *v;

	TAILQ_FOREACH(v, &p->vmas, link) {
		uint32_t start = v->start, end = v->end;

		if (r == t->ranges + 8 || sim_one_in(3))
			continue;
		if (sim_one_in(4) && end - start > 2)
			start += sim_below(end - start - 1);
		if (sim_one_in(8))
			end += sim_below(20);
		r->start = addr_of(start);
		r++->end = addr_of(end);
	}
	t->m.space = p->space;
	t->m.ranges = t->ranges;
	t->m.nranges = (size_t)(r - t->ranges);
	host_counts.adopts++;
	sim_trace("adopt %zu ranges of %u", t->m.nranges, p->pid);
	t->proc = p;
	p->adopts++;
	host_ask(&t->m.m, MAIL_ADOPT, done_adopt);
}

void
host_reclaim(void)
{
	struct mail_reclaim *m = calloc(1, sizeof(*m));

	m->group = host.group[sim_below(HOST_GROUPS)];
	m->bytes = (uint64_t)(1 + sim_below(300)) * PAGE_SIZE;
	sim_trace("reclaim %llu bytes", (unsigned long long)m->bytes);
	host_ask(&m->m, MAIL_RECLAIM, host_done_free);
}

void
host_limit(void)
{
	struct mail_group_limit *m = calloc(1, sizeof(*m));

	m->id = host.group[sim_below(HOST_GROUPS)];
	m->limit_bytes =
	    LIMIT_MIN_BYTES + (uint64_t)sim_below(1024) * PAGE_SIZE;
	sim_trace("limit %llu", (unsigned long long)m->limit_bytes);
	host_ask(&m->m, MAIL_GROUP_LIMIT, host_done_free);
}

static void
done_drain(struct mail *m)
{
	const struct mail_drain *d = (struct mail_drain *)m;

	host_answered(m);
	/* The only one, or the only one that is left, stays. */
	if (m->result != (d->tier >= host.nstores ? -ENOENT : 0))
		SIM_CHECK(m->result == -EBUSY && d->on);
	free(m);
}

void
host_drain(void)
{
	struct mail_drain *m = calloc(1, sizeof(*m));

	m->tier = sim_below(host.nstores + 1);
	m->on = sim_one_in(2);
	sim_trace("drain store %u: %d", m->tier, m->on);
	host_ask(&m->m, MAIL_DRAIN, done_drain);
}

/*
 * What the model does not see takes up most of the limit, so that a few
 * hundred pages are already too many.
 */
void
host_foreign(void)
{
	struct gauge *g = host.gauge[sim_below(HOST_GROUPS)];
	int64_t pages = 1350 + (int64_t)sim_below(650);

	if (sim_one_in(10))
		pages = sim_one_in(2) ? 0 : 4000;
	if (sim_one_in(20))
		pages = -100;
	sim_trace("foreign %lld", (long long)pages);
	atomic_store(&g->foreign_pages, pages);
	atomic_store(&g->parted_pages, 0);
	host_tick();
}

static void
done_stop(struct mail *m)
{
	struct mail_stop *s = (struct mail_stop *)m;

	host_answered(m);
	sim_trace("stopped: %llu home, %llu lost",
	    (unsigned long long)s->home_pages,
	    (unsigned long long)s->lost_pages);
	host.stop_home = s->home_pages;
	host.stop_lost = s->lost_pages;
	host.stopped = true;
	free(s);
}

void
host_stop(void)
{
	struct mail_stop *m = calloc(1, sizeof(*m));

	sim_trace("stop");
	host.stopping = true;
	kernel.leaving = true;
	host_ask(&m->m, MAIL_STOP, done_stop);
}

static uint32_t group_made;

static void
done_group(struct mail *m)
{
	struct mail_group_new *g = (struct mail_group_new *)m;

	host_answered(m);
	SIM_CHECK(m->result == 0);
	host.group[group_made] = g->id;
	host.gauge[group_made] = g->gauge;
	free(g);
}

void
host_make_groups(void)
{
	for (group_made = 0; group_made < HOST_GROUPS; group_made++) {
		struct mail_group_new *g = calloc(1, sizeof(*g));

		(void)snprintf(g->name, sizeof(g->name), "g%u", group_made);
		g->uid = 1000;
		g->limit_bytes = LIMIT_MIN_BYTES;
		g->token[0] = (uint8_t)(group_made + 1);
		host_ask(&g->m, MAIL_GROUP_NEW, done_group);
		SIM_CHECK(host_receive());
		host_dispatch();
		atomic_store(&host.gauge[group_made]->foreign_pages, 1500);
	}
}

static void
done_group_close(struct mail *m)
{
	host_answered(m);
	if (m->result != 0)
		sim_fail("a group cannot be closed: %d", m->result);
	free(m);
}

void
host_close_groups(void)
{
	for (uint32_t i = 0; i < HOST_GROUPS; i++) {
		struct mail_group_close *m = calloc(1, sizeof(*m));

		m->id = host.group[i];
		host_ask(&m->m, MAIL_GROUP_CLOSE, done_group_close);
		while (host_receive())
			;
		host_dispatch();
	}
}

static void
done_busy_group(struct mail *m)
{
	host_answered(m);
	if (m->result != -EBUSY)
		sim_fail("a group with somebody in it is closed: %d",
		    m->result);
	host_counts.busy_groups++;
	free(m);
}

void
host_close_group_of(const struct proc *p)
{
	struct mail_group_close *m = calloc(1, sizeof(*m));

	m->id = p->group;
	host_ask(&m->m, MAIL_GROUP_CLOSE, done_busy_group);
	while (host_receive())
		;
}

#define NCOUNTERS (sizeof(names) / sizeof(names[0]))
static const char *const names[] = {
#define COUNTER(name, unit, help) #name,
#include "counters.h"
#undef COUNTER
};
static uint64_t totals[NCOUNTERS];

static uint64_t
counter_of(const uint64_t *counters, const char *name)
{
	for (size_t i = 0; i < NCOUNTERS; i++)
		if (strcmp(names[i], name) == 0)
			return counters[i];
	sim_fail("no counter is called %s", name);
}

/* Nobody waits any more: each fault that was read was resolved, or is gone. */
static void
check_latencies(const struct mail_stats *s)
{
	uint64_t read = counter_of(s->counters, "faults_missing") +
			counter_of(s->counters, "faults_wp");
	uint64_t gone = counter_of(s->counters, "faults_gone");
	uint64_t service = 0, wait = 0;

	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		service += s->service.buckets[i];
		wait += s->wait.buckets[i];
	}
	SIM_CHECK(service == s->service.count && wait == s->wait.count);
	SIM_CHECK(service == wait && wait + gone == read);
	SIM_CHECK(s->service.sum <= s->wait.sum);
	/* Each is cut down to microseconds before it is added there. */
	SIM_CHECK(counter_of(s->counters, "fault_us") <= s->wait.sum / 1000);
	SIM_CHECK(s->wait.max <= sim.now_us * 1000);
}

static void
done_stats(struct mail *m)
{
	struct mail_stats *s = (struct mail_stats *)m;

	host_answered(m);
	check_latencies(s);
	for (size_t i = 0; i < NCOUNTERS; i++)
		totals[i] += s->counters[i];
	free(s->counters);
	free(s);
}

void
host_stats(void)
{
	struct mail_stats *m = calloc(1, sizeof(*m));

	m->counters = calloc(NCOUNTERS, sizeof(*m->counters));
	m->ncounters = NCOUNTERS;
	host_ask(&m->m, MAIL_STATS, done_stats);
	while (host_receive())
		;
	host_dispatch();
}

uint64_t
host_counter(const char *name)
{
	return counter_of(totals, name);
}
