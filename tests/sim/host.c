/*
 * host.c: the world around the pager: descriptors, mails and clock
 *
 * A descriptor that is readable is reported, and reported again, as the kernel
 * would; one that is watched may not be closed.  A mail is answered once.
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

#include "agent_fake.h"
#include "backend.h"
#include "ctx.h"
#include "fds.h"
#include "imagefiles.h"
#include "parcel.h"

#define WATCH_MAX 512
#define PACKING_MAX 520u
#define REPEATS 5u /* reports of the same message, left unread */

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
clock_ns(void *ctx)
{
	(void)ctx;
	return sim.now_us * 1000;
}

/*
 * The thread that packs: when it reads, when it packs, and when that is known
 * is chance; parcels come back in order.
 */
static struct parcel *packing[PACKING_MAX];
static uint32_t npacking;
static bool packed; /* the first one is */

static void
pack(void *ctx, struct parcel *pc)
{
	(void)ctx;
	SIM_CHECK(npacking < PACKING_MAX && pc->state == PARCEL_PACKING);
	packing[npacking++] = pc;
}

static void
stays(void *ctx, int cpu)
{
	(void)ctx;
	SIM_CHECK(cpu == 0 || cpu == -1);
}

bool
host_pack(void)
{
	if (npacking == 0 ||
	    (host.packs_late && !sim.settling && !sim_one_in(20)))
		return false;
	host_counts.packs++;
	if (!packed) {
		if (!parcel_read(packing[0])) {
			packing[0]->work.run(&packing[0]->work);
			packed = true;
		}
		return true;
	}
	packed = false;
	pager_packed(host.pager, packing[0]);
	npacking--;
	memmove(packing, packing + 1, npacking * sizeof(packing[0]));
	host_tick();
	return true;
}

static void
open_pager(void)
{
	struct pager_host ops = {
		.watch = watch,
		.unwatch = unwatch,
		.now_ns = clock_ns,
		.pack = pack,
		.stays = stays,
	};
	const struct stack_spec stack = { host.stores, host.nstores };
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
	if (pager_new(&config, host.planes, &stack, 1, &ops, &host.pager) != 0)
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
	pager_looked(host.pager, host_counts.ticks % 2 == 0);
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

void
host_done_free(struct mail *m)
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

/* "SPEC" or "SPEC,SPEC" */
static void
open_stores(const char *specs)
{
	char text[64], err[256], *rest = text, *spec;

	snprintf(text, sizeof(text), "%s", specs);
	while ((spec = strsep(&rest, ",")) != NULL) {
		SIM_CHECK(host.nstores < SIM_TIERS);
		if (backend_open(spec, &host.stores[host.nstores++], err,
			sizeof(err)) != 0)
			sim_fail("store: %s", err);
	}
}

void
host_open(const char *store)
{
	memset(&host, 0, sizeof(host));
	memset(watches, 0, sizeof(watches));
	host.edges = sim_one_in(2);
	host.packs_late = sim_one_in(4);
	fds_closing = closing;
	if (planes_new(&host.planes) != 0)
		sim_fail("planes_new()");
	open_stores(store);
	open_pager();
	host_make_groups();
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
	while (host.nstores > 0)
		backend_close(host.stores[--host.nstores]);
}
