#include "install.h"

#include <errno.h>
#include <string.h>

#include "assert.h"
#include "backend.h"
#include "budget.h"
#include "client.h"
#include "evict.h"
#include "planes.h"
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
install_zero(struct pager *p, struct client *c, struct region *r, uint64_t page)
{
	uint64_t addr = region_addr(r, page);
	ssize_t n = uffd_copy(c->uffd, addr, p->zeros, PAGE_BYTES, 0);

	if (n == -EEXIST)
		return install_exists(p, c, addr);
	if (n < 0)
		return (int)n;
	region_resident(&p->vm, r, page);
	budget_installed(p, c->space->group, 1);
	c->zero_fills++;
	count(p, C_zero_fills, 1);
	return 0;
}

int
install_load(struct pager *p, uint32_t block, uint8_t *to)
{
	uint64_t where = physblock_where(&p->vm, block);
	int r;

	switch (where_kind(where)) {
	case WHERE_STAGED:
		memcpy(to, evict_staged(p, where), PAGE_BYTES);
		count(p, C_take_backs, 1);
		return 0;
	case WHERE_STORED:
		r = backend_load(p->store, where_data(where), to);
		if (r < 0)
			count(p, C_store_errors, 1);
		return r;
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
    uint64_t n, bool keep)
{
	for (uint64_t i = 0; i < n; i++) {
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

int
install_fill(struct pager *p, struct client *c, struct region *r, uint64_t page,
    uint32_t want, bool keep)
{
	uint64_t addr = region_addr(r, page);
	uint32_t have;
	ssize_t n;

	ASSERT(want > 0 && want <= FILL_PAGES);
	for (have = 0; have < want; have++) {
		uint64_t slot = region_slot(&p->vm, r, page + have);

		if (install_load(p, slot_block(slot),
			p->fill + have * PAGE_BYTES) < 0)
			break;
	}
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
	filled(p, c, r, page, (uint64_t)n >> PAGE_SHIFT, keep);
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
