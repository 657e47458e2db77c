/*
 * home.c: a clean stop
 *
 * Objects first: every page comes into their memfds, which clients go on with.
 * For each client: let its batch come to an end, fill every page that is out,
 * unregister its ranges (which lifts write protection and wakes whoever
 * waits), tell its agent to leave, close.  A page for which there is no memory
 * keeps its client from being let go: better a process that waits than one
 * that reads zeros.
 */
#include "home.h"

#include <errno.h>

#include "agent.h"
#include "client.h"
#include "evict.h"
#include "install.h"
#include "objects.h"
#include "planes.h"
#include "uffd.h"

#define SLICE_PAGES 256
#define RETRY_US 200
#define RETRY_READING_US 10000 /* whoever reads says when it is done */
#define PATIENCE_US 500000     /* with an agent that does not answer */

void
home_begin(struct pager *p, struct mail_stop *m)
{
	m->home_pages = 0;
	m->lost_pages = 0;
	m->nlost_spaces = 0;
	p->stop = m;
	p->homing = true;
	objects_home_begin(p);
}

/* => pages from this one on that are out, and may be filled by one call */
static uint32_t
out_run(struct pager *p, const struct region *r, uint64_t page)
{
	uint32_t n = 1;

	while (n < FILL_PAGES && page + n < r->rec->npages &&
	       slot_state(region_slot(&p->vm, r, page + n)) == SLOT_OUT)
		n++;
	return n;
}

/*
 * => pages brought home of r, some more than max; -EINPROGRESS: a store is
 *    being read; or another -errno
 */
static int64_t
home_region(struct pager *p, struct client *c, struct region *r, uint64_t max)
{
	uint64_t page = 0, n = r->rec->npages, home = 0;

	while (home < max && (page = region_next(&p->vm, r, page, n)) < n) {
		uint64_t before = r->counts.out;
		int rc;

		if (slot_state(region_slot(&p->vm, r, page)) != SLOT_OUT) {
			page++;
			continue;
		}
		rc = install_fill(p, c, r, page, out_run(p, r, page), false);
		if (rc == LOAD_WAIT)
			return home > 0 ? (int64_t)home : -EINPROGRESS;
		if (rc < 0 && rc != -ENOENT)
			return rc;
		/* Unmapped, or poisoned: there is nothing to wait for. */
		if (slot_state(region_slot(&p->vm, r, page)) == SLOT_OUT)
			region_forget(&p->vm, r, page);
		home += before - r->counts.out;
		page++;
	}
	return (int64_t)home;
}

/*
 * What was dropped while its process forked is there in the child or not, and
 * clean (drop.c): without us it would be the object's.
 *
 * => 0; -EINPROGRESS: a store is being read; or another -errno
 */
static int
home_clean(struct pager *p, struct client *c)
{
	struct region *r;
	int rc = 0;

	RB_FOREACH(r, region_tree, &c->space->regions) {
		uint64_t page = 0, n = r->rec->npages;

		if (r->memtype->way != WAY_DROP || r->counts.clean == 0)
			continue;
		for (; (page = region_next(&p->vm, r, page, n)) < n; page++) {
			if (slot_clean(region_slot(&p->vm, r, page)))
				rc = install_fill(p, c, r, page, 1, false);
			if (rc == LOAD_WAIT)
				return -EINPROGRESS;
			if (rc < 0 && rc != -ENOENT)
				return rc;
		}
	}
	return 0;
}

static void
let_go(struct pager *p, struct client *c)
{
	struct pagerd_msg_release m = {
		.hdr = { .version = PAGERD_PROTOCOL_VERSION,
		    .type = PAGERD_MSG_RELEASE,
		    .size = sizeof(m) },
	};
	struct region *r;

	RB_FOREACH(r, region_tree, &c->space->regions)
		(void)uffd_unregister(c->uffd, r->rec->start,
		    region_end(r) - r->rec->start);
	(void)uffd_unregister(c->uffd, c->space->rec->anchor, PAGE_BYTES);
	if (client_has_agent(c))
		(void)agent_send(c->sock, &m, sizeof(m), -1);
	client_free(p, c);
}

static int
close_staging(const struct client *c)
{
	return uffd_unregister(c->uffd, c->space->rec->stage_start,
	    PAGERD_STAGE_PAGES * PAGE_BYTES);
}

/*
 * The agent does not answer, its process is stopped perhaps, and what it was
 * asked may wait in its socket.  Without a registered staging area it cannot
 * move anything any more, nor does it register that again when it finds more
 * than one thing in its socket; what it has moved is in there.  Its answer, if
 * it goes on before it is let go, means nothing any more.
 *
 * What it was asked to drop it may drop at any time yet, and who writes to such
 * a page loses it: that has to be waited for.
 */
static void
give_up_agent(struct pager *p, struct client *c)
{
	const struct pagerd_msg_depend late = {
		.hdr = { .version = PAGERD_PROTOCOL_VERSION,
		    .type = PAGERD_MSG_DEPEND,
		    .size = sizeof(late) },
	};

	if (c->batch.state == BATCH_KEEPING ||
	    c->batch.state == BATCH_DROPPING || c->batch.given_up ||
	    now_us(p) < c->batch.sent_us + PATIENCE_US)
		return;
	if (close_staging(c) != 0 ||
	    agent_send(c->sock, &late, sizeof(late), -1) == -EAGAIN ||
	    close_staging(c) != 0)
		return;
	c->batch.given_up = true;
	evict_lose_agent(p, c);
}

/*
 * An agent that was given up may go on and fork (hold.c).  Only it could close
 * the last userfaultfd then, and it would wait for its event to be read.
 */
static bool
is_forking(const struct client *c)
{
	return c->batch.given_up && client_settled(c) == -EAGAIN;
}

/* => 0: the client was let go; 1: more to do; -errno: not now */
static int
home_client(struct pager *p, struct client *c)
{
	struct region *r;
	uint64_t left = SLICE_PAGES;
	int rc;

	if (c->batch.state != BATCH_IDLE) {
		give_up_agent(p, c);
		return -EAGAIN;
	}
	RB_FOREACH(r, region_tree, &c->space->regions) {
		int64_t n;

		if (r->counts.out == 0)
			continue;
		n = home_region(p, c, r, left);
		if (n < 0)
			return (int)n;
		p->stop->home_pages += (uint64_t)n;
		if ((uint64_t)n >= left)
			return 1;
		left -= (uint64_t)n;
	}
	if (c->space->counts.out > 0)
		return 1;
	if (is_forking(c))
		return -EAGAIN;
	rc = home_clean(p, c);
	if (rc < 0)
		return rc;
	let_go(p, c);
	return 0;
}

static void
home_end(struct pager *p)
{
	struct mail_stop *m = p->stop;

	p->stop = NULL;
	planes_answer(p->planes, &m->m, m->nlost_spaces > 0 ? -ENOMEM : 0);
}

/* => it maps objects, or they come from what it holds */
static bool
has_objects(const struct client *c)
{
	struct region *r;

	if (c->space->nsources > 0)
		return true;
	RB_FOREACH(r, region_tree, &c->space->regions)
		if (r->object != NULL)
			return true;
	return false;
}

static uint64_t
pause_after(int r)
{
	if (r == -EINPROGRESS)
		return RETRY_READING_US;
	return r == 1 ? 0 : RETRY_US;
}

uint64_t
home_step(struct pager *p)
{
	uint64_t at = UINT64_MAX;
	uint32_t waiting = 0;
	int objects;

	if (p->stop == NULL)
		return UINT64_MAX;
	p->stop->nlost_spaces = 0;
	p->stop->lost_pages = 0;
	objects = objects_home(p, &p->stop->home_pages, &p->stop->lost_pages);
	if (objects == 1)
		return 0;
	if (objects == OBJECTS_READING)
		return now_us(p) + RETRY_READING_US;
	for (uint32_t i = 1; i < table_high(&p->vm.spaces); i++) {
		struct client *c = &p->clients[i];
		int r;

		if (c->space == NULL)
			continue;
		r = objects < 0 && has_objects(c) ? -ENOMEM : home_client(p, c);
		if (r == -ESRCH && !client_has_agent(c))
			client_free(p, c);
		if (r == -ENOMEM) {
			p->stop->nlost_spaces++;
			p->stop->lost_pages += c->space->counts.out;
		} else if (r != 0) {
			waiting++;
			at = earlier(at, now_us(p) + pause_after(r));
		}
	}
	if (waiting == 0) {
		home_end(p);
		return UINT64_MAX;
	}
	return at;
}
