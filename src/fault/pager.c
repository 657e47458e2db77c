#include "pager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "agent.h"
#include "assert.h"
#include "attach.h"
#include "budget.h"
#include "client.h"
#include "dedup.h"
#include "evict.h"
#include "hold.h"
#include "home.h"
#include "install.h"
#include "library.h"
#include "loose.h"
#include "objects.h"
#include "outbox.h"
#include "planes.h"
#include "report.h"
#include "reserve.h"
#include "runs.h"
#include "tiers.h"
#include "verify.h"

#define PROTECT_RETRY_US 50 /* a fork is not over yet */

void
pager_config_default(struct pager_config *c)
{
	uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES);
	uint64_t blocks = 16 * ram;

	*c = (struct pager_config){
		.max_groups = 4096,
		.max_spaces = 65536,
		.max_regions = 1u << 24,
		.max_blocks =
		    blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks,
		.max_slots = UINT64_C(1) << 36,
		.max_faults = 65536,
	};
}

static void
release_block(void *ctx, uint32_t block, uint64_t where)
{
	struct pager *p = ctx;

	switch (where_kind(where)) {
	case WHERE_STAGED:
		parcel_unstage(p, where);
		break;
	case WHERE_STORED:
		dedup_forget(p, block);
		stores_release(p, where);
		break;
	case WHERE_LOST:
	case WHERE_NOWHERE:
		break;
	}
}

static void
object_gone(void *ctx, uint32_t object)
{
	objects_gone(ctx, object);
	images_gone(ctx, object);
}

static void
snapshot_gone(void *ctx, struct space *sp)
{
	client_end(ctx, sp);
}

static int
pager_reserve(struct pager *p, const struct pager_config *c)
{
	const struct {
		void *at;
		size_t bytes;
	} all[] = {
		{ &p->clients, c->max_spaces * sizeof(*p->clients) },
		{ &p->gauges, c->max_spaces * sizeof(*p->gauges) },
		{ &p->budgets, c->max_groups * sizeof(*p->budgets) },
		{ &p->fault_memory, c->max_faults * sizeof(*p->fault_memory) },
		{ &p->outbox.items, OUTBOX_SIZE * sizeof(*p->outbox.items) },
		{ &p->fill, FILL_PAGES * PAGE_BYTES },
		{ &p->zeros, FILL_PAGES * PAGE_BYTES },
		{ &p->frames, VM_OBJECTS * sizeof(*p->frames) },
		{ &p->images, VM_OBJECTS * sizeof(*p->images) },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (reserve_private(all[i].bytes, all[i].at) < 0)
			return -ENOMEM;
	if (images_open(p) < 0 ||
	    parcels_open(p, c->max_spaces + PARCELS_MOVING) < 0)
		return -ENOMEM;
	return 0;
}

int
pager_new(const struct pager_config *c, struct planes *planes,
    const struct stack_spec *stacks, uint32_t nstacks,
    const struct pager_host *host, struct pager **out)
{
	const struct vm_config vm = {
		.max_groups = c->max_groups,
		.max_spaces = c->max_spaces,
		.max_regions = c->max_regions,
		.max_blocks = c->max_blocks,
		.max_slots = c->max_slots,
		.object_gone = object_gone,
		.snapshot_gone = snapshot_gone,
	};
	struct pager *p = calloc(1, sizeof(*p));
	int r;

	if (p == NULL)
		return -ENOMEM;
	p->config = *c;
	p->planes = planes;
	p->host = *host;
	stores_open(p, stacks, nstacks);
	p->looked_ns = now_ns(p);
	p->asked_ns = p->looked_ns;
	TAILQ_INIT(&p->busy);
	TAILQ_INIT(&p->together.clients);
	TAILQ_INIT(&p->fault_pool);
	r = vm_open(&p->vm, &vm, release_block, p);
	if (r == 0)
		r = pager_reserve(p, c);
	if (r == 0 && c->dedup)
		r = contents_open(&p->contents, c->max_blocks, c->dedup_key);
	if (r < 0) {
		pager_delete(p);
		return r;
	}
	*out = p;
	return 0;
}

void
pager_delete(struct pager *p)
{
	const struct pager_config *c;

	if (p == NULL)
		return;
	c = &p->config;
	reserve_release(p->clients, c->max_spaces * sizeof(*p->clients));
	reserve_release(p->gauges, c->max_spaces * sizeof(*p->gauges));
	reserve_release(p->budgets, c->max_groups * sizeof(*p->budgets));
	reserve_release(p->fault_memory,
	    c->max_faults * sizeof(*p->fault_memory));
	reserve_release(p->outbox.items,
	    OUTBOX_SIZE * sizeof(*p->outbox.items));
	reserve_release(p->fill, FILL_PAGES * PAGE_BYTES);
	reserve_release(p->zeros, FILL_PAGES * PAGE_BYTES);
	objects_close(p);
	reserve_release(p->frames, VM_OBJECTS * sizeof(*p->frames));
	reserve_release(p->images, VM_OBJECTS * sizeof(*p->images));
	images_close(p);
	parcels_close(p);
	contents_close(&p->contents);
	vm_close(&p->vm);
	free(p);
}

struct vm *
pager_vm(struct pager *p)
{
	return &p->vm;
}

void
pager_packed(struct pager *p, struct parcel *pc)
{
	parcel_packed(p, pc);
}

void
pager_read_done(struct pager *p, uint32_t cookie, int result)
{
	images_read_done(p, cookie, result);
}

void
pager_store_ready(struct pager *p, uint32_t number)
{
	stores_ready(p, number);
}

void
pager_worked(struct pager *p, struct work *w)
{
	stores_worked(p, w);
}

static void
agent_readable(struct pager *p, struct client *c)
{
	uint64_t packet[sizeof(struct pagerd_msg_moved) / 8 + 8];
	uint64_t id = c->space->rec->id;
	ssize_t n;

	while ((c = client_get(p, id)) != NULL && c->sock >= 0) {
		n = agent_receive(c->sock, packet, sizeof(packet));
		if (n == -EAGAIN)
			return;
		if (n == 0 || n == -ECONNRESET || n == -EPIPE) {
			client_lose_agent(p, c);
			return;
		}
		if (n < 0 || evict_reply(p, c, packet, (size_t)n) == -EPROTO) {
			client_drop(p, c, "its agent broke the protocol");
			return;
		}
		if (c->batch.state != BATCH_MOVING)
			client_service(p, c);
	}
}

void
pager_looked(struct pager *p, bool late)
{
	uint64_t now = now_ns(p);

	p->asked_ns = late ? p->looked_ns : now;
	p->looked_ns = now;
}

void
pager_readable(struct pager *p, uint64_t space, enum pager_source source)
{
	struct client *c = client_get(p, space);

	if (c == NULL)
		return;
	if (source == PAGER_UFFD)
		client_service(p, c);
	else if (source == PAGER_SOCK && c->sock >= 0)
		agent_readable(p, c);
}

static int
new_group(struct pager *p, struct mail_group_new *m)
{
	struct group_record rec = {
		.limit_bytes = m->limit_bytes,
		.uid = m->uid,
		.stack = m->stack,
	};
	struct group *g;
	int r;

	ASSERT(m->stack < p->stores.nstacks);
	memcpy(rec.token, m->token, sizeof(rec.token));
	memcpy(rec.name, m->name, sizeof(rec.name));
	r = group_new(&p->vm, &rec, &g);
	if (r < 0)
		return r;
	memset(budget_of(p, g), 0, sizeof(struct budget));
	m->id = g->index;
	m->gauge = &budget_of(p, g)->gauge;
	return 0;
}

static int
limit_group(struct pager *p, const struct mail_group_limit *m)
{
	struct group *g = group_get(&p->vm, m->id);

	if (g == NULL)
		return -ENOENT;
	group_set_limit(g, m->limit_bytes);
	budget_of(p, g)->stuck_us = 0;
	return 0;
}

static int
close_group(struct pager *p, const struct mail_group_close *m)
{
	struct group *g = group_get(&p->vm, m->id);

	if (g == NULL)
		return -ENOENT;
	if (g->nspaces > 0)
		return -EBUSY;
	if (budget_of(p, g)->reclaim != NULL)
		planes_answer(p->planes, &budget_of(p, g)->reclaim->m, -ENOENT);
	parcels_forget_group(p, g);
	group_free(&p->vm, g);
	return 0;
}

static void
reclaim(struct pager *p, struct mail_reclaim *m)
{
	struct group *g = group_get(&p->vm, m->group);
	struct budget *b;

	if (g == NULL || budget_of(p, g)->reclaim != NULL) {
		planes_answer(p->planes, &m->m, g == NULL ? -ENOENT : -EBUSY);
		return;
	}
	b = budget_of(p, g);
	b->reclaim = m;
	b->reclaim_goal = b->evicted + (m->bytes >> PAGE_SHIFT);
	b->stuck_us = 0;
}

static void
adopt(struct pager *p, struct mail_adopt *m)
{
	struct client *c = client_get(p, m->space);

	if (c == NULL || !client_has_agent(c))
		planes_answer(p->planes, &m->m, -ESRCH);
	else
		adopt_begin(p, c, m);
}

void
pager_mail(struct pager *p, struct mail *m)
{
	int r = 0;

	switch (m->op) {
	case MAIL_GROUP_NEW:
		r = new_group(p, (struct mail_group_new *)m);
		break;
	case MAIL_GROUP_LIMIT:
		r = limit_group(p, (struct mail_group_limit *)m);
		break;
	case MAIL_GROUP_CLOSE:
		r = close_group(p, (struct mail_group_close *)m);
		break;
	case MAIL_ATTACH:
		r = attach(p, (struct mail_attach *)m);
		break;
	case MAIL_GROUPS:
		report_groups(p, (struct mail_groups *)m);
		break;
	case MAIL_SPACES:
		report_spaces(p, (struct mail_spaces *)m);
		break;
	case MAIL_OBJECTS:
		report_objects(p, (struct mail_objects *)m);
		break;
	case MAIL_REGIONS:
		r = report_regions(p, (struct mail_regions *)m);
		break;
	case MAIL_USAGE:
		r = report_usage(p, (struct mail_usage *)m);
		break;
	case MAIL_MAP:
		r = runs_report(p, (struct mail_map *)m);
		break;
	case MAIL_STATS:
		report_stats(p, (struct mail_stats *)m);
		break;
	case MAIL_STORES:
		report_stores(p, (struct mail_stores *)m);
		break;
	case MAIL_DRAIN:
		r = tiers_drain(p, (struct mail_drain *)m);
		break;
	case MAIL_ADOPT:
		adopt(p, (struct mail_adopt *)m);
		return;
	case MAIL_HOLD:
		hold_begin(p, (struct mail_hold *)m);
		return;
	case MAIL_LIBRARY:
	case MAIL_SNAPSHOT:
		library_begin(p, m);
		return;
	case MAIL_FORGET:
		r = library_forget(p, (struct mail_snapshot *)m);
		break;
	case MAIL_UNLINK:
		r = library_unlink(p, (struct mail_unlink *)m);
		break;
	case MAIL_RECLAIM:
		reclaim(p, (struct mail_reclaim *)m);
		return;
	case MAIL_CHECK:
		verify_begin(p, (struct mail_check *)m);
		return;
	case MAIL_STOP:
		home_begin(p, (struct mail_stop *)m);
		return;
	}
	planes_answer(p->planes, m, r);
}

static bool
must_protect(const struct client *c)
{
	return c->protect || c->loose.bare.to != 0;
}

static void
protect(struct pager *p, struct client *c)
{
	if (c->protect)
		install_protect(p, c);
	if (c->loose.bare.to != 0)
		loose_protect(p, c);
}

/* => returns when to look at the client again; it may be gone */
static uint64_t
tick_client(struct pager *p, struct client *c)
{
	uint64_t id = c->space->rec->id, at;

	if (c->unread || c->retry_us <= now_us(p))
		client_service(p, c);
	c = client_get(p, id);
	if (c == NULL)
		return UINT64_MAX;
	if (must_protect(c) && c->batch.state != BATCH_MOVING)
		protect(p, c);
	at = earlier(c->retry_us, evict_step(p, c));
	if (must_protect(c))
		at = earlier(at, now_us(p) + PROTECT_RETRY_US);
	at = earlier(at, adopt_step(p, c));
	if (c->batch.state == BATCH_MOVING)
		at = UINT64_MAX;
	at = earlier(at, hold_step(p, c));
	if (!client_has_agent(c))
		return earlier(at, client_probe(p, c));
	if (c->batch.state == BATCH_IDLE && c->batch.staged == 0 &&
	    c->batch.again_us <= now_us(p) && c->adopt == NULL &&
	    c->hold == NULL && !c->unread && !must_protect(c) &&
	    TAILQ_EMPTY(&c->faults)) {
		client_set_idle(p, c);
	}
	return at;
}

static uint64_t
balance(struct pager *p)
{
	uint64_t at = UINT64_MAX;

	for (uint32_t i = 1; i < table_high(&p->vm.groups); i++) {
		struct group *g = group_get(&p->vm, i);

		if (g != NULL)
			at = earlier(at, budget_balance(p, g));
	}
	return at;
}

uint64_t
pager_tick(struct pager *p)
{
	uint64_t at = balance(p);
	struct client *c;

	for (c = TAILQ_FIRST(&p->busy); c != NULL; c = p->busy_next) {
		p->busy_next = TAILQ_NEXT(c, busy);
		at = earlier(at, tick_client(p, c));
	}
	at = earlier(at, stores_step(p));
	at = earlier(at, parcels_step(p));
	at = earlier(at, library_step(p));
	at = earlier(at, verify_step(p));
	outbox_flush(p);
	return earlier(at, home_step(p));
}
