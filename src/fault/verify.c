/*
 * verify.c: what MINIX's map_sanitycheck and its page-table verification do
 *
 * The clients run on meanwhile.  A difference counts only if it is still
 * there after the client's messages have been read and no change of its
 * mappings is under way.
 */
#include "verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "peer.h"
#include "planes.h"

#define CHUNK 256
#define TRIES 3
#define PATIENCE_US 100000 /* with a stopped agent */

static void __attribute__((format(printf, 2, 3)))
problem(struct mail_check *m, const char *fmt, ...)
{
	size_t max = sizeof(m->problems) / sizeof(m->problems[0]);
	va_list ap;

	if (m->nproblems < max) {
		va_start(ap, fmt);
		(void)vsnprintf(m->problems[m->nproblems],
		    sizeof(m->problems[0]), fmt, ap);
		va_end(ap);
	}
	m->nproblems++;
}

static void
report(void *ctx, const char *line)
{
	problem(ctx, "%s", line);
}

/*
 * In a mapping of a memfd a page that is not there can be write-protected
 * nevertheless, and looks like one that is swapped.
 */
static bool
is_unclear(const struct region *r, uint8_t flags)
{
	return r->object != NULL && !(flags & PEER_PRESENT) &&
	       flags & PEER_SWAPPED && flags & PEER_PROTECTED;
}

/* => what is wrong with a page of r, or NULL */
static const char *
difference(const struct region *r, uint64_t slot, uint8_t flags)
{
	bool there = flags & (PEER_PRESENT | PEER_SWAPPED);
	bool wp = flags & PEER_PROTECTED;

	if (is_unclear(r, flags))
		return NULL;
	switch (slot_state(slot)) {
	case SLOT_UNKNOWN:
		return NULL;
	case SLOT_RESIDENT:
		if (!there)
			return "resident in the model, missing in the client";
		if (wp != slot_protected(slot))
			return wp ? "write-protected, but not in the model"
				  : "protected in the model, writable in the "
				    "client";
		return NULL;
	case SLOT_OUT:
		return there ? "out in the model, present in the client" : NULL;
	}
	return "in no state";
}

/*
 * The kernel lets go of pages without a word after madvise(2): also of one that
 * was filled between the event and the deed.  Such a page reads zero, which is
 * what the model says of pages that it does not know.  And what is being
 * dropped, or was when its process forked, is as good as out (drop.c).
 */
static bool
let_go(struct pager *p, struct region *r, uint64_t addr, uint8_t flags)
{
	uint64_t page = region_page(r, addr);
	uint64_t slot = region_slot(&p->vm, r, page);

	if (slot_state(slot) != SLOT_RESIDENT ||
	    flags & (PEER_PRESENT | PEER_SWAPPED))
		return false;
	if (slot_block(slot) == 0)
		region_forget(&p->vm, r, page);
	else if (r->memtype->way == WAY_DROP)
		region_out(&p->vm, r, page, 0);
	else
		return false;
	return true;
}

/* => 0; -EAGAIN: it cannot be said now; -ESRCH: the client is gone */
static int
look_again(struct pager *p, uint64_t space, uint64_t addr, const char **what)
{
	struct client *c = client_get(p, space);
	struct region *r;
	uint8_t flags;
	int rc;

	if (c == NULL)
		return -ESRCH;
	client_service(p, c);
	c = client_get(p, space);
	if (c == NULL)
		return -ESRCH;
	/* What was seen is true if no change has begun before it was. */
	rc = peer_pages(c->pagemap, addr, 1, &flags);
	if (rc == 0)
		rc = client_settled(c);
	if (rc < 0)
		return rc;
	r = space_find(c->space, addr);
	*what = NULL;
	if (r != NULL && !let_go(p, r, addr, flags))
		*what = difference(r,
		    region_slot(&p->vm, r, region_page(r, addr)), flags);
	return 0;
}

static void
suspect(struct pager *p, uint64_t space, uint64_t addr, struct mail_check *m)
{
	const char *what = NULL;
	struct client *c;
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = look_again(p, space, addr, &what);
	if (r < 0 || what == NULL)
		return;
	c = client_get(p, space);
	problem(m, "pid %u page %#llx: %s", c->space->rec->pid,
	    (unsigned long long)addr, what);
}

/*
 * One stretch of a region, from addr on.
 *
 * => the address to go on from; suspects may have changed everything
 */
static uint64_t
verify_chunk(struct pager *p, struct client *c, struct region *r, uint64_t addr,
    struct mail_check *m)
{
	uint8_t flags[CHUNK];
	uint64_t slots[CHUNK], space = c->space->rec->id;
	uint64_t page = region_page(r, addr), left = r->rec->npages - page;
	size_t n = left < CHUNK ? left : CHUNK;

	if (peer_pages(c->pagemap, addr, n, flags) < 0)
		return UINT64_MAX;
	for (size_t i = 0; i < n; i++)
		slots[i] = region_slot(&p->vm, r, page + i);
	for (size_t i = 0; i < n; i++)
		if (difference(r, slots[i], flags[i]) != NULL)
			suspect(p, space, addr + i * PAGE_BYTES, m);
	m->npages += n;
	return addr + n * PAGE_BYTES;
}

static void
verify_client(struct pager *p, uint64_t space, struct mail_check *m)
{
	uint64_t addr = 0;
	struct client *c;

	while (addr != UINT64_MAX && (c = client_get(p, space)) != NULL) {
		struct region *r = space_find_from(c->space, addr);
		uint64_t page, n;

		if (r == NULL)
			break;
		if (addr < r->rec->start)
			addr = r->rec->start;
		n = r->rec->npages;
		page = region_next(&p->vm, r, region_page(r, addr), n);
		addr = region_addr(r, page);
		if (page < n)
			addr = verify_chunk(p, c, r, addr, m);
	}
}

void
verify_begin(struct pager *p, struct mail_check *m)
{
	m->nspaces = m->npages = m->nproblems = 0;
	mail_queue(&p->checks, &m->m);
}

/* => asks for all that it is to look at; they do not evict until it has */
static void
start_check(struct pager *p, const struct mail_check *m)
{
	for (uint32_t i = 1; i < table_high(&p->vm.spaces); i++) {
		struct client *c = &p->clients[i];

		c->unverified =
		    c->space != NULL && c->pagemap >= 0 &&
		    (m->space == 0 || m->space == c->space->rec->id);
	}
	p->check_until_us = now_us(p) + PATIENCE_US;
}

/*
 * An agent at work has taken pages that the model does not know of yet; one
 * that is stopped in the middle of it is passed over.
 *
 * => clients that have to be waited for
 */
static uint32_t
look_at_clients(struct pager *p, struct mail_check *m)
{
	uint32_t waiting = 0;

	for (uint32_t i = 1; i < table_high(&p->vm.spaces); i++) {
		struct client *c = &p->clients[i];
		bool moving = c->batch.state == BATCH_MOVING;

		if (c->space == NULL || !c->unverified)
			continue;
		if (moving && now_us(p) < p->check_until_us) {
			waiting++;
			continue;
		}
		c->unverified = false;
		m->nspaces += !moving;
		if (!moving)
			verify_client(p, c->space->rec->id, m);
	}
	return waiting;
}

uint64_t
verify_step(struct pager *p)
{
	struct mail_check *m = (struct mail_check *)p->checks;
	uint32_t before;

	if (m == NULL)
		return UINT64_MAX;
	if (p->check_until_us == 0)
		start_check(p, m);
	before = m->nspaces;
	if (look_at_clients(p, m) > 0)
		return m->nspaces > before ? 0 : p->check_until_us;
	(void)vm_check(&p->vm, report, m);
	p->check_until_us = 0;
	p->checks = m->m.next;
	planes_answer(p->planes, &m->m, 0);
	return 0;
}
