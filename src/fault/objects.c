#include "objects.h"

#include <errno.h>
#include <string.h>

#include "budget.h"
#include "client.h"
#include "frames.h"
#include "images.h"
#include "install.h"
#include "origin.h"
#include "peer.h"
#include "readahead.h"
#include "uffd.h"

#define HOME_PAGES 256u /* in one go */
#define HOME_READS (IMAGE_READS_OF_FILE * IMAGE_READ_PAGES)
#define GRACE_US 1000u

int
objects_fd(struct pager *p, struct object *o)
{
	int *fd = &p->frames[o->index];

	if (*fd <= 0)
		*fd = frames_create(o->rec->npages);
	return *fd;
}

void
objects_gone(struct pager *p, uint32_t object)
{
	if (p->frames[object] > 0)
		frames_close(p->frames[object]);
	p->frames[object] = 0;
}

void
objects_close(struct pager *p)
{
	for (uint32_t i = 0; p->frames != NULL && i < VM_OBJECTS; i++)
		objects_gone(p, i);
}

/* The kernel let go of it, after MADV_FREE: it reads zero, as at home. */
static int
read_missing(const struct client *c, uint64_t addr, void *buf)
{
	uint8_t flags;

	if (peer_pages(c->pagemap, addr, 1, &flags) < 0 || flags != 0)
		return -EIO;
	memset(buf, 0, PAGE_BYTES);
	return 0;
}

/* A page of a snapshot, from the process that holds it. */
static int
read_holder(struct pager *p, const struct space *sp, uint64_t addr, void *buf)
{
	const struct client *c = client_of(p, sp);
	int rc;

	if (c->space != sp || c->mem < 0)
		return -EIO;
	rc = peer_read(c->mem, addr, buf, PAGE_BYTES);
	/* Its agent may be taking this very page out. */
	if (rc == -EIO && c->batch.state == BATCH_MOVING)
		return -EAGAIN;
	if (rc == -EIO)
		return read_missing(c, addr, buf);
	return rc < 0 ? -EIO : 0;
}

/*
 * => the object's page in buf; 0, -EAGAIN, -EIO, LOAD_WAIT
 * => want: as of images_read()
 */
static int
read_page(struct pager *p, const struct object *o, uint64_t page, uint32_t want,
    uint8_t *buf)
{
	struct origin from = object_origin(&p->vm, o, page);

	switch (from.kind) {
	case ORIGIN_ZERO:
		memset(buf, 0, PAGE_BYTES);
		return 0;
	case ORIGIN_CLIENT:
		return read_holder(p, from.space, from.at, buf);
	case ORIGIN_FRAME:
		return frames_read(p->frames[from.object->index], from.at, buf);
	case ORIGIN_BLOCK:
		return install_load(p, from.block, buf);
	case ORIGIN_IMAGE:
		return images_read(p, from.object, from.at, want, buf);
	case ORIGIN_NOWHERE:
		break;
	}
	return -EIO;
}

/*
 * An agent takes its time; a hole takes none, and would be there again before
 * whoever waited for the page has run: for ever, where the group has nothing
 * else to give.
 */
static void
note_fill(struct pager *p, const struct object *o, uint64_t page)
{
	p->recent[p->next_recent++ % RECENT_FILLS] = (struct recent_fill){
		.object = o->index,
		.page = page,
		.until_us = now_us(p) + GRACE_US,
	};
}

bool
objects_recent(const struct pager *p, const struct object *o, uint64_t page)
{
	for (uint32_t i = 0; i < RECENT_FILLS; i++)
		if (p->recent[i].object == o->index &&
		    p->recent[i].page == page &&
		    now_us(p) < p->recent[i].until_us)
			return true;
	return false;
}

static void
filled(struct pager *p, struct object *o, uint64_t page, bool keep)
{
	bool out = slot_state(object_slot(&p->vm, o, page)) == SLOT_OUT;
	struct group *g = o->group;

	object_filled(&p->vm, o, page, keep);
	note_fill(p, o, page);
	count(p, out ? C_refaults : C_object_fills, 1);
	if (g == NULL)
		return;
	budget_installed(p, g, 1);
	if (out)
		budget_of(p, g)->refaults++;
}

static int
fill_page(struct pager *p, struct object *o, uint64_t page, uint32_t want,
    bool keep)
{
	int fd = objects_fd(p, o), rc;

	if (fd < 0)
		return fd == -EMFILE || fd == -ENFILE ? -ENOMEM : fd;
	rc = read_page(p, o, page, want, p->fill);
	if (rc != 0)
		return rc;
	if (frames_write(fd, page, p->fill) < 0)
		return -ENOMEM;
	filled(p, o, page, keep);
	return 0;
}

/* => how many more pages may come than the one that was asked for */
static uint32_t
more_pages(struct pager *p, const struct region *r, uint64_t page)
{
	const struct group *g = r->object->group;
	uint64_t room = g != NULL ? budget_room(p, g) : FILL_PAGES;
	uint32_t n = readahead_peek(r, page);

	return (room < n ? (uint32_t)room : n) - 1;
}

int
objects_fill(struct pager *p, struct region *r, uint64_t page, bool keep)
{
	struct object *o = r->object;
	uint64_t at = region_object_page(r, page);
	uint32_t more = more_pages(p, r, page);
	int rc = fill_page(p, o, at, more + 1, keep);

	if (rc != 0)
		return rc;
	while (more-- > 0) {
		at++;
		if (slot_state(object_slot(&p->vm, o, at)) == SLOT_RESIDENT)
			continue;
		if (fill_page(p, o, at, 0, keep) != 0)
			break;
		count(p, C_readahead, 1);
	}
	return 0;
}

/* => pages from page on for which the plan is the same */
static uint32_t
alike(struct pager *p, const struct region *r, uint64_t page, enum plan plan,
    enum access access)
{
	uint32_t n = 1, max = readahead_peek(r, page);

	while (n < max && r->memtype->plan(&p->vm, r, page + n, access) == plan)
		n++;
	return n;
}

/* => the first page was not mapped: what to make of it */
static int
not_continued(struct pager *p, struct client *c, struct region *r,
    uint64_t page, int rc)
{
	uint64_t addr = region_addr(r, page);

	if (rc == -EFAULT) /* MADV_REMOVE: the program threw it away, for all */
		object_forget(&p->vm, r->object, region_object_page(r, page));
	else if (rc == -EEXIST)
		count(p, C_faults_stale, 1);
	else
		return rc;
	return uffd_wake(c->uffd, addr, PAGE_BYTES);
}

int
objects_continue(struct pager *p, struct client *c, struct region *r,
    uint64_t page, enum plan plan, enum access access)
{
	bool writable = plan == PLAN_CONTINUE;
	unsigned int flags = writable ? 0 : UFFD_PROTECT;
	uint64_t addr = region_addr(r, page);
	uint32_t n,
	    want = access == ACCESS_READ ? alike(p, r, page, plan, access) : 1;
	ssize_t bytes = uffd_continue(c->uffd, addr, want * PAGE_BYTES, flags);

	/* A part of the region with other rights is another mapping. */
	if (bytes == -ENOENT && want > 1)
		bytes = uffd_continue(c->uffd, addr, PAGE_BYTES, flags);
	if (bytes < 0)
		return not_continued(p, c, r, page, (int)bytes);
	n = (uint32_t)((uint64_t)bytes >> PAGE_SHIFT);
	for (uint32_t i = 0; i < n; i++)
		region_continued(&p->vm, r, page + i, writable);
	readahead_took(r, page, n);
	count(p, C_continues, n);
	return 0;
}

int
objects_copy(struct pager *p, struct client *c, struct region *r, uint64_t page)
{
	uint64_t addr = region_addr(r, page);
	int rc = read_page(p, r->object, region_object_page(r, page),
	    readahead_peek(r, page), p->fill);
	ssize_t n;

	if (rc != 0)
		return rc;
	n = uffd_copy(c->uffd, addr, p->fill, PAGE_BYTES, 0);
	if (n == -EEXIST) {
		count(p, C_faults_stale, 1);
		return uffd_wake(c->uffd, addr, PAGE_BYTES);
	}
	if (n < 0)
		return (int)n;
	region_resident(&p->vm, r, page);
	readahead_took(r, page, 1);
	budget_installed(p, c->space->group, 1);
	count(p, C_object_copies, 1);
	return 0;
}

/* => 0; -EAGAIN: its mappings are changing */
static int
poison_in(struct pager *p, const struct region *r, uint64_t page)
{
	const struct client *c = client_of(p, r->space);
	uint64_t at = page - r->rec->offset;

	if (c->space != r->space || page < r->rec->offset ||
	    at >= r->rec->npages || region_slot(&p->vm, r, at) != 0)
		return 0;
	return uffd_poison(c->uffd, region_addr(r, at), PAGE_BYTES) == -EAGAIN
		   ? -EAGAIN
		   : 0;
}

/* Without us it would read zero.  => 0, -EAGAIN */
static int
poison_all(struct pager *p, const struct object *o, uint64_t page)
{
	const struct region *r;
	int rc = 0;

	LIST_FOREACH(r, &o->regions, of_object)
		if (rc == 0)
			rc = poison_in(p, r, page);
	return rc;
}

/* => the first page from there on that a region shows, or where it ends */
static uint64_t
next_seen(const struct object *o, uint64_t page)
{
	uint64_t next = o->rec->npages;
	const struct region *r;

	/* A file may be much larger than what is mapped of it. */
	if (o->rec->source != SOURCE_IMAGE)
		return page;
	LIST_FOREACH(r, &o->regions, of_object) {
		uint64_t from = r->rec->offset;

		if (page < from + r->rec->npages && from < next)
			next = from > page ? from : page;
	}
	return next;
}

#define HOME_AGAIN 1
#define HOME_READING OBJECTS_READING

/* => 0: it is there, or poisoned; HOME_AGAIN, HOME_READING; -errno */
static int
home_page(struct pager *p, struct object *o, uint64_t page, uint64_t *left,
    uint64_t *home)
{
	int rc;

	if (slot_state(object_slot(&p->vm, o, page)) == SLOT_RESIDENT ||
	    object_origin(&p->vm, o, page).kind == ORIGIN_ZERO)
		return 0;
	if (*left == 0)
		return HOME_AGAIN;
	rc = fill_page(p, o, page, IMAGE_READ_PAGES, false);
	if (rc == LOAD_WAIT)
		return HOME_READING;
	--*left;
	if (rc == -EIO)
		return poison_all(p, o, page) < 0 ? HOME_READING : 0;
	*home += rc == 0;
	return rc == -EAGAIN ? HOME_AGAIN : rc;
}

/* => 0: the object is whole; HOME_AGAIN, HOME_READING; -errno */
static int
home_object(struct pager *p, struct object *o, uint64_t *left, uint64_t *home)
{
	uint64_t *done = &p->images[o->index].home;
	uint32_t reading = 0;

	for (uint64_t page = *done; page < o->rec->npages; page++) {
		int rc;

		page = next_seen(o, page);
		if (page == o->rec->npages)
			break;
		rc = home_page(p, o, page, left, home);
		if (rc == HOME_READING && ++reading < HOME_READS)
			continue;
		if (rc != 0)
			return rc;
		if (reading == 0)
			*done = page + 1;
	}
	return reading > 0 ? HOME_READING : 0;
}

void
objects_home_begin(struct pager *p)
{
	for (uint32_t i = 1; i < table_high(&p->vm.objects); i++)
		p->images[i] = (struct image){ .file = p->images[i].file,
			.reads = p->images[i].reads,
			.progress_us = now_us(p) };
}

int
objects_home(struct pager *p, uint64_t *home, uint64_t *lost)
{
	uint64_t left = HOME_PAGES;
	int rc = 0;

	images_give_up(p);
	for (uint32_t i = 1; i < table_high(&p->vm.objects); i++) {
		struct object *o = &p->vm.object_index[i];
		int r;

		if (o->rec == NULL || LIST_EMPTY(&o->regions))
			continue;
		r = home_object(p, o, &left, home);
		if (r < 0) {
			*lost += o->counts.out;
			rc = r;
		} else if (r > 0 && rc != HOME_AGAIN && rc >= 0) {
			rc = r;
		}
	}
	return rc;
}
