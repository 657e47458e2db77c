#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"
#include "event.h"
#include "evict.h"
#include "fault.h"
#include "follow.h"
#include "hold.h"
#include "outbox.h"
#include "planes.h"
#include "snapshot.h"
#include "uffd.h"

/* How often to ask whether a process without an agent lives. */
#define PROBE_MIN_US 500
#define PROBE_MAX_US 500000

#define READ_MESSAGES 64u

static void
client_init(struct pager *p, struct client *c, struct space *sp, int uffd)
{
	*c = (struct client){
		.space = sp,
		.uffd = uffd,
		.sock = -1,
		.mem = -1,
		.pagemap = -1,
		.maps = -1,
		.gauge = &p->gauges[sp->index],
		.retry_us = UINT64_MAX,
		.probe_us = UINT64_MAX,
	};
	TAILQ_INIT(&c->faults);
	atomic_store(&c->gauge->model_pages, 0);
	atomic_store(&c->gauge->foreign_pages, 0);
}

int
client_new(struct pager *p, const struct space_record *rec, int uffd,
    struct client **out)
{
	struct space *sp;
	struct client *c;
	int r;

	r = space_new(&p->vm, rec, &sp);
	if (r < 0) {
		(void)close(uffd);
		return r;
	}
	c = client_of(p, sp);
	client_init(p, c, sp, uffd);
	r = p->host.watch(p->host.ctx, uffd, sp->rec->id, PAGER_UFFD);
	if (r < 0) {
		client_free(p, c);
		return r;
	}
	*out = c;
	return 0;
}

struct client *
client_get(struct pager *p, uint64_t space)
{
	struct space *sp = space_get(&p->vm, space);
	struct client *c = sp != NULL ? client_of(p, sp) : NULL;

	/* A snapshot may have lost its holder. */
	return c != NULL && c->space == sp ? c : NULL;
}

void
clients_ask_again(struct pager *p)
{
	struct client *c;

	TAILQ_FOREACH(c, &p->busy, busy)
		if (!TAILQ_EMPTY(&c->faults))
			c->retry_us = 0;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void
client_close(struct pager *p, struct client *c)
{
	uint64_t id = c->space->rec->id;

	p->host.unwatch(p->host.ctx, c->uffd, id, PAGER_UFFD);
	if (c->sock >= 0)
		p->host.unwatch(p->host.ctx, c->sock, id, PAGER_SOCK);
	close_fd(&c->uffd);
	close_fd(&c->sock);
	close_fd(&c->mem);
	close_fd(&c->pagemap);
	close_fd(&c->maps);
}

static void
client_forget_faults(struct pager *p, struct client *c)
{
	struct fault *f;

	while ((f = TAILQ_FIRST(&c->faults)) != NULL) {
		TAILQ_REMOVE(&c->faults, f, entry);
		fault_delete(p, f);
		count(p, C_faults_gone, 1);
	}
}

/* The watch's share of the group's gauge goes with the space. */
static void
client_clear_gauge(struct pager *p, struct client *c)
{
	struct gauge *all = &budget_of(p, c->space->group)->gauge;
	int64_t foreign = atomic_exchange(&c->gauge->foreign_pages, 0);

	atomic_fetch_sub(&all->foreign_pages, foreign);
	atomic_store(&c->gauge->model_pages, 0);
}

/* => everything of it but its space is gone */
static void
client_leave(struct pager *p, struct client *c)
{
	if (c->adopt != NULL)
		planes_answer(p->planes, &c->adopt->m, -ESRCH);
	hold_end(p, c, -ESRCH);
	follow_gone(p, c);
	client_close(p, c);
	client_forget_faults(p, c);
	if (c->is_busy)
		client_set_idle(p, c);
	client_clear_gauge(p, c);
}

/*
 * Clones come from it still: what is out they go on reading from the store,
 * what only the holder had is lost.
 */
static void
client_lose_holder(struct pager *p, struct client *c)
{
	struct space *sp = c->space;

	client_leave(p, c);
	evict_abandon(p, c, sp->group);
	c->space = NULL;
	(void)snapshot_lose(&p->vm, sp);
	snapshot_drop(&p->vm, sp);
}

static void
publish_group(struct pager *p, const struct group *g)
{
	struct budget *b = budget_of(p, g);

	atomic_store_explicit(&b->gauge.model_pages,
	    (int64_t)(g->counts.resident + b->staged), memory_order_relaxed);
}

void
client_free(struct pager *p, struct client *c)
{
	struct space *sp = c->space;
	struct group *g = sp->group;

	if (space_is_snapshot(sp) && sp->nsources > 0) {
		client_lose_holder(p, c);
	} else {
		client_leave(p, c);
		outbox_space_gone(p, sp);
		space_free(&p->vm, sp);
		evict_abandon(p, c, g);
		c->space = NULL;
	}
	publish_group(p, g);
}

void
client_end(struct pager *p, struct space *sp)
{
	struct client *c = client_of(p, sp);

	if (c->space == sp) {
		client_leave(p, c);
		evict_abandon(p, c, sp->group);
		c->space = NULL;
	}
	outbox_space_gone(p, sp);
}

void
client_drop(struct pager *p, struct client *c, const char *why)
{
	struct notice *n = planes_notice(p->planes, NOTICE_CLIENT_DROPPED);

	count(p, C_clients_dropped, 1);
	if (n != NULL) {
		n->space = c->space->rec->id;
		n->group = c->space->group->index;
		(void)snprintf(n->text, sizeof(n->text), "pid %u: %s",
		    c->space->rec->pid, why);
		planes_notify(p->planes, n);
	}
	client_free(p, c);
}

void
client_lose_agent(struct pager *p, struct client *c)
{
	follow_gone(p, c);
	p->host.unwatch(p->host.ctx, c->sock, c->space->rec->id, PAGER_SOCK);
	close_fd(&c->sock);
	evict_lose_agent(p, c);
	if (c->adopt != NULL)
		planes_answer(p->planes, &c->adopt->m, -ESRCH);
	c->adopt = NULL;
	hold_end(p, c, -ESRCH);
	c->probe_us = now_us(p);
	c->probe_gap_us = 0;
	client_set_busy(p, c);
}

/* While an event waits the kernel refuses every ioctl, the harmless ones too.
 */
int
client_settled(const struct client *c)
{
	return uffd_protect(c->uffd, c->space->rec->anchor, PAGE_BYTES, false);
}

uint64_t
client_probe(struct pager *p, struct client *c)
{
	int r;

	if (now_us(p) < c->probe_us)
		return c->probe_us;
	r = client_settled(c);
	if (r == -ESRCH) {
		client_free(p, c);
		return UINT64_MAX;
	}
	c->probe_gap_us = c->probe_gap_us == 0             ? PROBE_MIN_US
			  : c->probe_gap_us < PROBE_MAX_US ? 2 * c->probe_gap_us
							   : PROBE_MAX_US;
	c->probe_us = now_us(p) + c->probe_gap_us;
	return c->probe_us;
}

bool
client_in_area(const struct client *c, uint64_t addr)
{
	const struct space_record *rec = c->space->rec;

	return addr >= rec->area_start &&
	       addr - rec->area_start < rec->area_len;
}

void
client_set_idle(struct pager *p, struct client *c)
{
	if (p->busy_next == c)
		p->busy_next = TAILQ_NEXT(c, busy);
	c->is_busy = false;
	TAILQ_REMOVE(&p->busy, c, busy);
}

void
client_set_busy(struct pager *p, struct client *c)
{
	if (c->is_busy)
		return;
	c->is_busy = true;
	TAILQ_INSERT_TAIL(&p->busy, c, busy);
}

void
client_publish(struct pager *p, struct client *c)
{
	atomic_store_explicit(&c->gauge->model_pages,
	    (int64_t)(c->space->counts.resident + c->batch.staged),
	    memory_order_relaxed);
	publish_group(p, c->space->group);
}

/*
 * A read that gives less than it could has found nothing more; what comes
 * later is reported by itself.
 *
 * => messages were left unread for want of room; or -errno
 */
static int
client_read(struct pager *p, struct client *c)
{
	struct uffd_message msgs[READ_MESSAGES];
	size_t room;
	ssize_t n;

	do {
		room = fault_room(p);
		if (room == 0)
			return 1;
		if (room > READ_MESSAGES)
			room = READ_MESSAGES;
		n = uffd_read(c->uffd, msgs, room);
		if (n < 0)
			return (int)n;
		for (ssize_t i = 0; i < n; i++)
			event_apply(p, c, &msgs[i]);
	} while ((size_t)n == room);
	return 0;
}

void
client_service(struct pager *p, struct client *c)
{
	int r;

	/* What is read now was not there when it was read last. */
	if (!c->unread)
		c->asked_ns =
		    c->read_ns > p->asked_ns ? c->read_ns : p->asked_ns;
	if (c->batch.state == BATCH_MOVING) {
		c->unread = true;
		return;
	}
	c->read_ns = now_ns(p);
	r = client_read(p, c);
	if (r < 0) {
		client_drop(p, c, "its userfaultfd cannot be read");
		return;
	}
	c->unread = r > 0;
	r = faults_resolve(p, c);
	if (r == -EPERM) {
		client_drop(p, c, "it wrote to memory that it may only read");
		return;
	}
	if (r == -ESRCH) {
		if (!client_has_agent(c))
			client_free(p, c);
		return;
	}
	client_publish(p, c);
	if (c->unread || !TAILQ_EMPTY(&c->faults))
		client_set_busy(p, c);
}
