/*
 * host-reports.c: what the pager tells of itself has to agree with itself
 *
 * Runs are all of their region, parts are what they are parts of, and what all
 * have is what each of them has.  `check` finds nothing but what is harmless.
 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>

#include "oracle.h"
#include "report.h"
#include "runs.h"
#include "vm.h"

enum page_state {
#define STATE(name, text, help) PAGE_##name,
#include "states.h"
#undef STATE
	NSTATES
};

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
	host_ask(&t->m.m, MAIL_GROUPS, host_done_free);
}

static void
ask_spaces(void)
{
	struct spaces *t = calloc(1, sizeof(*t));

	t->m.spaces = t->info;
	t->m.max = 3;
	host_ask(&t->m.m, MAIL_SPACES, host_done_free);
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
	host_done_free(m);
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
