/*
 * host.c: the world around the pager
 */
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_fake.h"
#include "backend.h"
#include "ctx.h"
#include "extent.h"
#include "fds.h"
#include "imagefiles.h"
#include "oracle.h"
#include "report.h"
#include "runs.h"
#include "snap.h"
#include "store.h"
#include "vm.h"

#define WATCH_MAX 512
#define WIPED_MAX 128u
#define REPEATS 5u /* reports of the same message, left unread */

enum page_state {
#define STATE(name, text, help) PAGE_##name,
#include "states.h"
#undef STATE
	NSTATES
};

struct host host;
struct host_counts host_counts;

static struct watch {
	int fd; /* 0: free */
	uint64_t space;
	enum pager_source source;
	uint64_t seen;    /* arrivals reported so far */
	uint32_t repeats; /* since then */
} watches[WATCH_MAX];

static enum fd_kind
kind_of(enum pager_source source)
{
	return source == PAGER_SOCK ? FD_SOCK : FD_UFFD;
}

static int
watch(void *ctx, int fd, uint64_t space, enum pager_source source)
{
	struct watch *free_one = NULL;

	(void)ctx;
	SIM_CHECK(space != 0 && fds_kind(fd) == kind_of(source));
	for (uint32_t i = 0; i < WATCH_MAX; i++) {
		if (watches[i].fd == 0)
			free_one = &watches[i];
		else if (watches[i].fd == fd)
			sim_fail("descriptor %d is watched twice", fd);
	}
	SIM_CHECK(free_one != NULL);
	*free_one = (struct watch){ fd, space, source, 0, 0 };
	return 0;
}

static void
unwatch(void *ctx, int fd, uint64_t space, enum pager_source source)
{
	(void)ctx;
	for (uint32_t i = 0; i < WATCH_MAX; i++) {
		if (watches[i].fd != fd)
			continue;
		SIM_CHECK(watches[i].space == space &&
			  watches[i].source == source);
		watches[i].fd = 0;
		return;
	}
	sim_fail("unwatch(%d): not watched", fd);
}

static void
closing(int fd)
{
	for (uint32_t i = 0; i < WATCH_MAX; i++)
		if (watches[i].fd == fd)
			sim_fail("close(%d) while it is watched", fd);
}

static uint64_t
clock_us(void *ctx)
{
	(void)ctx;
	return sim.now_us;
}

static void
open_pager(void)
{
	struct pager_host ops = {
		.watch = watch,
		.unwatch = unwatch,
		.now_us = clock_us,
	};
	struct pager_config config = {
		.max_groups = 16,
		.max_spaces = 512,
		.max_regions = 16384,
		.max_blocks = 65536,
		.max_slots = 1 << 20,
		.max_faults = sim.opt.faults,
		.dedup = true,
	};

	images_host(&ops);
	sim_bytes(config.dedup_key, sizeof(config.dedup_key));
	if (pager_new(&config, host.planes, host.store, &ops, &host.pager) != 0)
		sim_fail("pager_new()");
}

static bool
readable(const struct watch *w, uint64_t *arrivals)
{
	if (w->source != PAGER_SOCK) {
		const struct ctx *c = fds_get(w->fd, FD_UFFD);

		*arrivals = c->arrivals;
		return ctx_readable(c);
	} else {
		const struct agent *a = fds_get(w->fd, FD_SOCK);

		*arrivals = a->arrivals;
		return agent_socket_readable(a);
	}
}

static void
report(struct watch *w)
{
	pager_readable(host.pager, w->space, w->source);
	host_tick();
}

bool
host_deliver(void)
{
	uint32_t start = sim_below(WATCH_MAX);

	for (uint32_t n = 0; n < WATCH_MAX; n++) {
		struct watch *w = &watches[(start + n) % WATCH_MAX];
		uint64_t arrivals;

		if (w->fd == 0 || !readable(w, &arrivals))
			continue;
		if (arrivals != w->seen)
			w->repeats = 0;
		else if (host.edges || ++w->repeats > REPEATS)
			continue;
		w->seen = arrivals;
		host_counts.deliveries++;
		report(w);
		return true;
	}
	return false;
}

void
host_deliver_spurious(void)
{
	uint32_t start = sim_below(WATCH_MAX);

	for (uint32_t n = 0; n < WATCH_MAX; n++) {
		struct watch *w = &watches[(start + n) % WATCH_MAX];

		if (w->fd == 0)
			continue;
		host_counts.spurious++;
		report(w);
		return;
	}
}

bool
host_due(void)
{
	return host.due_us <= sim.now_us;
}

void
host_tick(void)
{
	host_counts.ticks++;
	host.due_us = pager_tick(host.pager);
}

void
host_ask(struct mail *m, enum mail_op op, void (*done)(struct mail *))
{
	m->op = op;
	m->done = done;
	if (planes_ask(host.planes, m) != 0)
		sim_fail("planes_ask()");
	host.waiting++;
	host.asked++;
	host.asked_of[op]++;
	host_counts.mails++;
}

bool
host_receive(void)
{
	struct mail *m = planes_fault_receive(host.planes);

	if (m == NULL)
		return false;
	planes_fault_ack(host.planes);
	host.waiting--;
	sim_trace("mail %d", (int)m->op);
	pager_mail(host.pager, m);
	host_tick();
	return true;
}

static struct proc *
proc_of_space(uint64_t space)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++)
		if (kernel.procs[i]->space == space)
			return kernel.procs[i];
	return NULL;
}

static void
noticed(const struct notice *n, void *ctx)
{
	struct proc *p = proc_of_space(n->space);

	(void)ctx;
	sim_trace("notice %d space %llx %s", (int)n->kind,
	    (unsigned long long)n->space, n->text);
	if (n->kind != NOTICE_CLIENT_DROPPED)
		return;
	host.dropped++;
	if (p == NULL || !p->hostile)
		sim_fail("a good client was dropped: %s", n->text);
}

void
host_dispatch(void)
{
	planes_control_dispatch(host.planes, noticed, NULL);
}

/* What every answer does first. */
void
host_answered(const struct mail *m)
{
	SIM_CHECK(host.asked > 0);
	host.asked--;
	host.asked_of[m->op]--;
	sim_trace("answer %d: %d", (int)m->op, m->result);
}

static void
done_free(struct mail *m)
{
	host_answered(m);
	free(m);
}

/* Adopting waits for the agent, and a silent one only hurts itself. */
static uint32_t
excused(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < kernel.nprocs; i++)
		if (kernel.procs[i]->hostile && kernel.procs[i]->running)
			n += kernel.procs[i]->adopts;
	return n;
}

void
host_check_answered(void)
{
	for (int op = 0; op <= MAIL_STOP; op++) {
		uint32_t n = op == MAIL_ADOPT ? excused() : 0;

		if (host.asked_of[op] > n)
			sim_fail("%u mails %d are not answered",
			    host.asked_of[op], op);
	}
}

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
	fds_close(m->uffd_stage);
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

static void
done_attach(struct mail *m)
{
	struct attach *t = (struct attach *)m;
	struct proc *p = t->agent->proc;

	host_answered(m);
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

/* What the control plane finds in smaps. */
static void
find_wiped(struct attach *t)
{
	struct vma *v;

	t->m.wiped = t->wiped;
	TAILQ_FOREACH(v, &t->agent->proc->vmas, link) {
		if (v->wipeonfork && t->m.nwiped < WIPED_MAX)
			t->wiped[t->m.nwiped++] = (struct mail_range){
				addr_of(v->start),
				addr_of(v->end),
			};
	}
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
	m->uid = p->uid;
	m->area_start = addr_of(a->area);
	m->area_len = (uint64_t)a->area_len * PAGE_SIZE;
	m->stage_start = addr_of(a->stage);
	m->anchor_start = addr_of(p->anchor);
	m->sock = fds_open(FD_SOCK, a);
	m->uffd_stage = fds_open(FD_UFFD, a->stage_ctx);
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
		find_wiped(t);
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
	done_free(m);
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
	host_ask(&m->m, MAIL_RECLAIM, done_free);
}

void
host_limit(void)
{
	struct mail_group_limit *m = calloc(1, sizeof(*m));

	m->id = host.group[sim_below(HOST_GROUPS)];
	m->limit_bytes =
	    LIMIT_MIN_BYTES + (uint64_t)sim_below(1024) * PAGE_SIZE;
	sim_trace("limit %llu", (unsigned long long)m->limit_bytes);
	host_ask(&m->m, MAIL_GROUP_LIMIT, done_free);
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

struct groups {
	struct mail_groups m;
	struct group_info info[1];
};

struct spaces {
	struct mail_spaces m;
	struct space_info info[3];
};

struct regions {
	struct mail_regions m;
	struct region_info info[2];
};

static void
ask_groups(void)
{
	struct groups *t = calloc(1, sizeof(*t));

	t->m.groups = t->info;
	t->m.max = 1;
	host_ask(&t->m.m, MAIL_GROUPS, done_free);
}

static void
ask_spaces(void)
{
	struct spaces *t = calloc(1, sizeof(*t));

	t->m.spaces = t->info;
	t->m.max = 3;
	host_ask(&t->m.m, MAIL_SPACES, done_free);
}

/* What a region was said to be made of, in pages. */
struct tally {
	uint64_t in, clean, out, all;
};

static void
add_runs(struct tally *t, const struct page_run *runs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		SIM_CHECK(runs[i].npages > 0 && runs[i].state < NSTATES);
		SIM_CHECK(i == 0 || runs[i].state != runs[i - 1].state);
		t->all += runs[i].npages;
		t->clean += runs[i].state == PAGE_CLEAN ? runs[i].npages : 0;
		if (runs[i].state >= PAGE_STANDBY)
			t->out += runs[i].npages;
		else if (runs[i].state != PAGE_UNKNOWN)
			t->in += runs[i].npages;
	}
}

/*
 * The runs of a region, slice by slice, are all of it and what it counts.
 *
 * => asked without a mail, as if it had come with another
 */
static void
check_map(const struct region_info *region, uint64_t space)
{
	const struct usage_info *u = &region->usage;
	struct region_runs part[2];
	struct page_run runs[7];
	struct mail_map m = { .space = space,
		.from = region->from,
		.regions = part,
		.max_regions = 2,
		.runs = runs,
		.max_runs = 7 };
	struct tally t = { 0 };

	while (m.from < region->end) {
		uint64_t from = m.from;

		SIM_CHECK(runs_report(host.pager, &m) == 0);
		SIM_CHECK(m.nregions > 0 && m.nruns > 0 && m.from > from);
		SIM_CHECK(part[0].id == region->id && part[0].from == from);
		add_runs(&t, runs, part[0].nruns);
	}
	SIM_CHECK(t.all == (region->end - region->from) / PAGE_SIZE);
	SIM_CHECK(t.in == u->resident_bytes / PAGE_SIZE);
	SIM_CHECK(t.clean == u->clean_bytes / PAGE_SIZE);
	SIM_CHECK(t.out == u->out_bytes / PAGE_SIZE);
}

bool
host_knows(uint64_t space, uint64_t addr)
{
	const struct vm *vm = pager_vm(host.pager);
	struct region *r;

	for (uint32_t i = 1; i < table_high(&vm->spaces); i++) {
		struct space *sp = &vm->space_index[i];

		if (sp->rec == NULL || sp->rec->id != space)
			continue;
		r = space_find(sp, addr);
		return r == NULL || slot_state(region_slot(vm, r,
					region_page(r, addr))) != SLOT_UNKNOWN;
	}
	return true;
}

/* => a page of a space that nothing but its process has */
bool
host_is_only_copy(uint64_t space, uint64_t addr)
{
	struct vm *vm = pager_vm(host.pager);
	struct space *sp = space_get(vm, space);
	struct region *r = sp != NULL ? space_find(sp, addr) : NULL;
	uint64_t slot;

	if (r == NULL)
		return false;
	slot = region_slot(vm, r, region_page(r, addr));
	return slot_state(slot) == SLOT_RESIDENT && !slot_clean(slot);
}

static void
check_usage(const struct usage_info *u)
{
	SIM_CHECK(u->total_bytes == u->resident_bytes + u->out_bytes);
	SIM_CHECK(u->clean_bytes <= u->resident_bytes);
	SIM_CHECK(u->shared_bytes <= u->common_bytes);
	SIM_CHECK(u->common_bytes <= u->total_bytes);
	if (pager_vm(host.pager)->objects.used > 0)
		return; /* frames may have sharers, too */
	SIM_CHECK(u->common_bytes <= u->clean_bytes + u->out_bytes);
	SIM_CHECK(u->proportional_bytes >= u->resident_bytes);
	SIM_CHECK(u->proportional_bytes <= u->total_bytes);
}

static bool
has_client(uint64_t space)
{
	struct mail_usage m = { .space = space };

	return report_usage(host.pager, &m) == 0;
}

/* => all that is in memory: of processes and of objects */
static uint64_t
all_resident(const struct vm *vm)
{
	uint64_t n = 0;

	for (uint32_t i = 1; i < table_high(&vm->groups); i++) {
		const struct group *g = &vm->group_index[i];

		n += g->rec != NULL ? g->counts.resident : 0;
	}
	return n * PAGE_SIZE;
}

/* What is not its own comes from objects. */
static void
check_space_usage(const struct vm *vm, const struct space *sp,
    const struct usage_info *u)
{
	uint64_t own = (sp->counts.resident + sp->counts.out) * PAGE_SIZE;

	check_usage(u);
	SIM_CHECK(u->total_bytes >= own);
	SIM_CHECK(u->total_bytes == own || vm->objects.used > 0);
}

/* What all have is what each of them has, and no more than is stored. */
static void
check_all_usage(void)
{
	const struct vm *vm = pager_vm(host.pager);
	struct mail_usage all = { 0 }, one;
	uint64_t sum = 0, weight, blocks = vm->blocks.used * PAGE_SIZE;

	SIM_CHECK(report_usage(host.pager, &all) == 0 && !all.more);
	check_usage(&all.usage);
	for (uint32_t i = 1; i < table_high(&vm->spaces); i++) {
		const struct space *sp = &vm->space_index[i];

		/* A snapshot that has lost its holder is not told of. */
		if (sp->rec == NULL || !has_client(sp->rec->id))
			continue;
		one = (struct mail_usage){ .space = sp->rec->id };
		SIM_CHECK(report_usage(host.pager, &one) == 0 && !one.more);
		check_space_usage(vm, sp, &one.usage);
		sum += one.usage.total_bytes;
	}
	SIM_CHECK(sum == all.usage.total_bytes);
	SIM_CHECK(all.usage.proportional_bytes <= all_resident(vm) + blocks);
	if (vm->objects.used > 0)
		return;
	weight = all.usage.proportional_bytes - all.usage.resident_bytes;
	SIM_CHECK(weight <= blocks);
	SIM_CHECK(weight + all.usage.clean_bytes >= blocks);
}

static void
done_regions(struct mail *m)
{
	struct regions *t = (struct regions *)m;
	struct mail_regions now = t->m;

	/* The answer is older than what the model is now. */
	if (m->result == 0 && report_regions(host.pager, &now) == 0) {
		for (size_t i = 0; i < now.n; i++) {
			check_usage(&t->info[i].usage);
			check_map(&t->info[i], now.space);
		}
		check_all_usage();
	}
	done_free(m);
}

static void
ask_regions(void)
{
	struct regions *t = calloc(1, sizeof(*t));

	t->m.regions = t->info;
	t->m.max = 2;
	t->m.space = kernel.procs[sim_below(kernel.nprocs)]->space;
	t->m.from = addr_of(sim_below(SIM_PAGES));
	host_ask(&t->m.m, MAIL_REGIONS, done_regions);
}

void
host_ask_something(void)
{
	switch (sim_below(3)) {
	case 0:
		ask_groups();
		break;
	case 1:
		ask_spaces();
		break;
	default:
		ask_regions();
		break;
	}
}

/*
 * A page filled after REMOVE was read and before the pages went, or let go by
 * the kernel after MADV_FREE, is missing though the model holds it resident.
 * That is harmless if, and only if, it reads zero.
 */
static bool
is_harmless(const char *problem)
{
	static const uint8_t zeros[PAGE_SIZE];
	unsigned long long addr;
	unsigned int pid;
	struct proc *p;

	if (sscanf(problem, "pid %u page %llx: resident in the model, missing",
		&pid, &addr) != 2 ||
	    pid == 0 || pid > kernel.nprocs)
		return false;
	p = kernel.procs[pid - 1];
	return p->hostile || !p->mm || oracle_allows(p, page_of(addr), zeros);
}

static void
done_check(struct mail *m)
{
	struct mail_check *c = (struct mail_check *)m;

	host_answered(m);
	for (uint64_t i = 0; i < c->nproblems && i < 8; i++) {
		sim_trace("check: %s", c->problems[i]);
		if (!is_harmless(c->problems[i]))
			sim_fail("check: %s", c->problems[i]);
		host_counts.harmless++;
	}
	host_counts.checks++;
	free(c);
}

void
host_check(void)
{
	struct mail_check *m = calloc(1, sizeof(*m));

	host_ask(&m->m, MAIL_CHECK, done_check);
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

static void
make_groups(void)
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

void
host_open(const char *store)
{
	char err[256];

	memset(&host, 0, sizeof(host));
	memset(watches, 0, sizeof(watches));
	host.edges = sim_one_in(2);
	fds_closing = closing;
	if (planes_new(&host.planes) != 0)
		sim_fail("planes_new()");
	if (backend_open(store, &host.store, err, sizeof(err)) != 0)
		sim_fail("store: %s", err);
	open_pager();
	make_groups();
}

void
host_close(void)
{
	host_check_answered();
	for (uint32_t i = 0; i < WATCH_MAX; i++)
		SIM_CHECK(watches[i].fd == 0);
	if (fds_used() != 0) {
		fds_list();
		sim_fail("%u descriptors were not closed", fds_used());
	}
	pager_delete(host.pager);
	planes_delete(host.planes);
	backend_close(host.store);
}

static void
model_problem(void *ctx, const char *line)
{
	(void)ctx;
	sim_trace("model: %s", line);
}

static void
check_users_of(const struct vm *vm, const struct region *r, uint32_t *uid_of)
{
	uint64_t n = r->rec->npages, page;

	for (page = 0; (page = region_next(vm, r, page, n)) < n; page++) {
		uint32_t block = slot_block(region_slot(vm, r, page));
		uint32_t uid = r->space->rec->uid;

		if (block == 0)
			continue;
		if (uid_of[block] != 0 && uid_of[block] != uid)
			sim_fail("block %u belongs to two users", block);
		uid_of[block] = uid;
	}
}

/* Nobody shares a block with another user. */
static void
check_users(const struct vm *vm)
{
	uint32_t *uid_of = calloc(table_high(&vm->blocks), sizeof(*uid_of));

	for (uint32_t i = 1; i < table_high(&vm->regions); i++)
		if (vm->region_index[i].rec != NULL)
			check_users_of(vm, &vm->region_index[i], uid_of);
	free(uid_of);
}

void
host_check_model(void)
{
	struct vm *vm = pager_vm(host.pager);
	int n = vm_check(vm, model_problem, NULL);

	if (n != 0)
		sim_fail("%d problems in the model", n);
	check_users(vm);
}

void
host_check_empty(void)
{
	struct vm *vm = pager_vm(host.pager);
	struct backend_stats st;
	struct object *o;

	while ((o = TAILQ_FIRST(&vm->named)) != NULL)
		object_drop(vm, o);
	if (vm->objects.used > 0)
		sim_fail("left: %u objects", vm->objects.used);
	backend_stats(host.store, &st);
	if (vm->blocks.used + vm->regions.used + vm->spaces.used > 0 ||
	    extents_used(vm->slots.extents) > 0 || st.pages > 0)
		sim_fail("left: %u blocks, %u regions, %u spaces, %llu slots, "
			 "%llu stored pages",
		    vm->blocks.used, vm->regions.used, vm->spaces.used,
		    (unsigned long long)extents_used(vm->slots.extents),
		    (unsigned long long)st.pages);
	SIM_CHECK(store_handles() == 0);
}

#define NCOUNTERS (sizeof(names) / sizeof(names[0]))
static const char *const names[] = {
#define COUNTER(name, unit, help) #name,
#include "counters.h"
#undef COUNTER
};
static uint64_t totals[NCOUNTERS];

static void
done_stats(struct mail *m)
{
	struct mail_stats *s = (struct mail_stats *)m;

	host_answered(m);
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
	for (size_t i = 0; i < NCOUNTERS; i++)
		if (strcmp(names[i], name) == 0)
			return totals[i];
	sim_fail("no counter is called %s", name);
}
