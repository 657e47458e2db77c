#include "install.h"

#include <errno.h>
#include <string.h>

#include "assert.h"
#include "budget.h"
#include "client.h"
#include "evict.h"
#include "planes.h"
#include "readahead.h"
#include "uffd.h"

/*
 * The page is there: an old message, or somebody was faster.  Its waiter
 * sleeps all the same.
 */
static int
install_exists(struct pager *p, struct client *c, uint64_t addr)
{
	count(p, C_faults_stale, 1);
	return uffd_wake(c->uffd, addr, PAGE_BYTES);
}

int
install_zero(struct pager *p, struct client *c, struct region *r, uint64_t page,
    uint32_t want)
{
	uint64_t addr = region_addr(r, page);
	ssize_t n = uffd_copy(c->uffd, addr, p->zeros, want * PAGE_BYTES, 0);

	/* A part of the region with other rights is another mapping. */
	if (n == -ENOENT && want > 1)
		n = uffd_copy(c->uffd, addr, p->zeros, PAGE_BYTES, 0);
	if (n == -EEXIST)
		return install_exists(p, c, addr);
	if (n < 0)
		return (int)n;
	n >>= PAGE_SHIFT;
	for (ssize_t i = 0; i < n; i++)
		region_resident(&p->vm, r, page + (uint64_t)i);
	budget_installed(p, c->space->group, (uint64_t)n);
	c->zero_fills += (uint64_t)n;
	count(p, C_zero_fills, (uint64_t)n);
	return 0;
}

int
install_load(struct pager *p, uint32_t block, uint8_t *to)
{
	uint64_t where = physblock_where(&p->vm, block);

	switch (where_kind(where)) {
	case WHERE_STAGED:
		count(p, C_take_backs, 1);
		return parcel_load(p, where, to);
	case WHERE_STORED:
		return stores_load(p, block, to);
	case WHERE_LOST:
		return -EIO;
	case WHERE_NOWHERE:
		break;
	}
	ASSERT(!"a block in use is somewhere");
}

/*
 * Its user alone gets SIGBUS: never zeros, never an old version.  The mark is
 * in its page table; the model goes on to say where the page should be, for
 * clones of it must not read zeros either.
 */
int
install_poison(struct pager *p, struct client *c, const struct region *r,
    uint64_t page)
{
	uint64_t addr = region_addr(r, page);
	struct notice *n;
	int rc = uffd_poison(c->uffd, addr, PAGE_BYTES);

	if (rc < 0)
		return rc == -EEXIST ? install_exists(p, c, addr) : rc;
	count(p, C_poisoned, 1);
	n = planes_notice(p->planes, NOTICE_UNREADABLE);
	if (n != NULL) {
		n->space = c->space->rec->id;
		n->group = c->space->group->index;
		n->addr = addr;
		planes_notify(p->planes, n);
	}
	return 0;
}

static void
filled(struct pager *p, struct client *c, struct region *r, uint64_t page,
    uint32_t n, bool keep)
{
	readahead_filled(r, page, n);
	for (uint32_t i = 0; i < n; i++) {
		if (keep)
			region_clean(&p->vm, r, page + i);
		else
			region_resident(&p->vm, r, page + i);
	}
	budget_installed(p, c->space->group, n);
	c->refaults += n;
	budget_of(p, c->space->group)->refaults += n;
	count(p, C_refaults, 1);
	count(p, C_readahead, n - 1);
}

/* Those that are in a store are going to be asked for, the first one now. */
static void
want_run(struct pager *p, const struct region *r, uint64_t page, uint32_t n)
{
	uint32_t blocks[FILL_PAGES], nblocks = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t block = slot_block(region_slot(&p->vm, r, page + i));

		if (where_kind(physblock_where(&p->vm, block)) == WHERE_STORED)
			blocks[nblocks++] = block;
	}
	stores_want(p, blocks, nblocks);
}

int
install_fill(struct pager *p, struct client *c, struct region *r, uint64_t page,
    uint32_t want, bool keep)
{
	uint64_t addr = region_addr(r, page);
	uint32_t have;
	ssize_t n;
	int rc = 0;

	ASSERT(want > 0 && want <= FILL_PAGES);
	for (have = 0; have < want; have++) {
		uint64_t slot = region_slot(&p->vm, r, page + have);

		rc = install_load(p, slot_block(slot),
		    p->fill + have * PAGE_BYTES);
		if (rc != 0)
			break;
	}
	if (rc == LOAD_WAIT)
		want_run(p, r, page + have, want - have);
	if (have == 0 && rc == LOAD_WAIT)
		return LOAD_WAIT;
	if (have == 0)
		return install_poison(p, c, r, page);
	n = uffd_copy(c->uffd, addr, p->fill, have * PAGE_BYTES,
	    keep ? UFFD_PROTECT : 0);
	/* A part of the region with other rights is another mapping. */
	if (n == -ENOENT && have > 1)
		n = uffd_copy(c->uffd, addr, p->fill, PAGE_BYTES,
		    keep ? UFFD_PROTECT : 0);
	if (n == -EEXIST)
		return install_exists(p, c, addr);
	if (n < 0)
		return (int)n;
	filled(p, c, r, page, (uint32_t)(n >> PAGE_SHIFT), keep);
	return 0;
}

int
install_unprotect(struct pager *p, struct client *c, struct region *r,
    uint64_t page)
{
	uint64_t slot = region_slot(&p->vm, r, page);
	int rc = uffd_protect(c->uffd, region_addr(r, page), PAGE_BYTES, false);

	if (rc < 0)
		return rc;
	if (slot_clean(slot) && r->memtype->own_pages)
		habit_written(&r->habit);
	if (slot_forked(slot))
		atomic_fetch_add(&budget_of(p, c->space->group)
				      ->gauge.parted_pages,
		    1);
	/* Of what the model does not know, it was the kernel's zero page. */
	if (slot_state(slot) == SLOT_UNKNOWN && r->memtype->own_pages)
		budget_installed(p, c->space->group, 1);
	if (!r->memtype->own_pages)
		region_written(&p->vm, r, page);
	else if (slot_state(slot) != SLOT_OUT)
		region_resident(&p->vm, r, page);
	count(p, C_unprotects, 1);
	return 0;
}

void
install_protect(struct pager *p, struct client *c)
{
	struct region *r;
	int rc;

	RB_FOREACH(r, region_tree, &c->space->regions) {
		if (r->counts.resident == 0)
			continue;
		rc = uffd_protect(c->uffd, r->rec->start,
		    region_end(r) - r->rec->start, true);
		if (rc == -EAGAIN)
			return;
		if (rc == 0)
			region_protect(&p->vm, r);
	}
	c->protect = false;
}

int
install_anchor(struct pager *p, struct client *c)
{
	uint64_t addr = c->space->rec->anchor;
	struct pagerd_anchor *anchor = (struct pagerd_anchor *)p->fill;
	ssize_t n;

	memset(p->fill, 0, PAGE_BYTES);
	anchor->magic = PAGERD_ANCHOR_MAGIC;
	anchor->space_id = c->space->rec->id;
	memcpy(anchor->space_token, c->space->rec->token,
	    sizeof(anchor->space_token));
	n = uffd_copy(c->uffd, addr, p->fill, PAGE_BYTES, 0);
	if (n == -EEXIST)
		return install_exists(p, c, addr);
	return n < 0 ? (int)n : 0;
}
