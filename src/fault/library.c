/*
 * library.c: regions that a client asks for (protocol.h, REQUEST)
 *
 *	MAP, MAP_FILE,
 *	CLONE, EXTEND       --> in the model, UNKNOWN; the client maps it
 *	ARM                 --> registered: its faults come to us
 *	UNMAP               --> neither, any longer
 *
 * What the client says of its own memory is believed as far as it can harm
 * nobody else: the kernel checks what is registered, and frames are shared only
 * through descriptors that we give out.
 */
#include "library.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "arena.h"
#include "client.h"
#include "evict.h"
#include "frames.h"
#include "images.h"
#include "loose.h"
#include "objects.h"
#include "planes.h"
#include "snapshot.h"
#include "uffd.h"
#include "usage.h"

#define RETRY_US 200
#define SNAPSHOT_NAME 24

/* => what to map of a region, as the client may: a descriptor for it */
static int
descriptor(struct pager *p, const struct region *r)
{
	int fd = objects_fd(p, r->object), copy;

	if (fd < 0)
		return fd;
	/* Who writes to a page of its own must not reach that of all. */
	if (r->memtype->own_pages || r->rec->flags & REGION_READONLY)
		return frames_readonly(fd);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return copy < 0 ? -errno : copy;
}

/* => the reply says where and what to map: [start, end) of r */
static int
answer_region(struct pager *p, struct mail_library *m, const struct region *r,
    uint64_t start, uint64_t end)
{
	struct pagerd_msg_reply *a = &m->reply;

	a->addr = start;
	a->len = end - start;
	a->flags =
	    r->rec->flags & REGION_READONLY ? (uint32_t)PAGERD_MAP_READONLY : 0;
	if (r->object == NULL)
		return 0;
	a->offset = (r->rec->offset + region_page(r, start)) << PAGE_SHIFT;
	m->fd = descriptor(p, r);
	return m->fd < 0 ? m->fd : 0;
}

static bool
range_ok(const struct pagerd_msg_request *q)
{
	return q->len > 0 && q->addr + q->len > q->addr &&
	       space_range_ok(q->addr, q->addr + q->len);
}

/* => the shared memory that a MAP names, perhaps made for it */
static int
shared_object(struct pager *p, struct client *c,
    const struct pagerd_msg_request *q, struct object **o, bool *made)
{
	struct object_spec spec = { .memtype = MEMTYPE_SHARED,
		.source = SOURCE_ZERO,
		.uid = c->space->rec->uid,
		.name = q->name };

	*made = false;
	*o = object_find(&p->vm, spec.uid, q->name);
	if (*o != NULL) {
		/* Its group may have ended without it. */
		object_charge(*o, c->space->group);
		return q->flags & PAGERD_MAP_EXCLUSIVE ? -EEXIST : 0;
	}
	if (!(q->flags & PAGERD_MAP_CREATE))
		return -ENOENT;
	if (q->offset + q->len < q->len)
		return -EINVAL;
	*made = true;
	spec.npages = (q->offset + q->len) >> PAGE_SHIFT;
	return object_new(&p->vm, c->space->group, &spec, o);
}

static uint32_t
arena_flags(const struct pagerd_msg_request *q)
{
	return (q->flags & PAGERD_MAP_READONLY ? ARENA_READONLY : 0u) |
	       (q->flags & PAGERD_MAP_FIXED ? ARENA_FIXED : 0u);
}

static int
map_object(struct pager *p, struct client *c, struct mail_library *m,
    struct object *o)
{
	const struct pagerd_msg_request *q = &m->request;
	const struct arena_request want = { .min = q->arena,
		.max = q->arena + q->arena_len,
		.hint = q->addr,
		.npages = q->len >> PAGE_SHIFT,
		.flags = arena_flags(q),
		.object = o,
		.offset = o != NULL ? q->offset >> PAGE_SHIFT : 0 };
	struct region *r;
	uint64_t addr;
	int rc = arena_map(&p->vm, c->space, &want, &addr);

	if (rc < 0)
		return rc;
	r = space_find(c->space, addr);
	rc = answer_region(p, m, r, addr, region_end(r));
	if (rc < 0)
		(void)space_unmap(&p->vm, c->space, addr, addr + q->len);
	return rc;
}

static int
op_map(struct pager *p, struct client *c, struct mail_library *m)
{
	const struct pagerd_msg_request *q = &m->request;
	struct object *o = NULL;
	bool made = false;
	int rc = 0;

	if (q->flags & ~(uint32_t)PAGERD_MAP_ALL || q->len % PAGE_BYTES != 0 ||
	    q->offset % PAGE_BYTES != 0)
		return -EINVAL;
	if (q->flags & PAGERD_MAP_SHARED)
		rc = shared_object(p, c, q, &o, &made);
	if (rc < 0)
		return rc;
	rc = map_object(p, c, m, o);
	if (rc < 0 && made)
		object_drop(&p->vm, o);
	return rc;
}

/*
 * The object has all of the file: regions of any part of it share frames.  Its
 * regions are what keeps it.
 */
static int
op_map_file(struct pager *p, struct client *c, struct mail_library *m)
{
	const uint32_t flags = PAGERD_MAP_READONLY | PAGERD_MAP_FIXED;
	const struct pagerd_msg_request *q = &m->request;
	struct object *o;
	uint64_t npages;
	bool made;
	int rc;

	if (q->flags & ~flags || q->len % PAGE_BYTES != 0 || q->len == 0 ||
	    q->offset % PAGE_BYTES != 0 || m->file.fd < 0 || m->file.size == 0)
		return -EINVAL;
	npages = ((m->file.size - 1) >> PAGE_SHIFT) + 1;
	if (q->offset >> PAGE_SHIFT >= npages ||
	    q->len >> PAGE_SHIFT > npages - (q->offset >> PAGE_SHIFT))
		return -EINVAL;
	rc = images_object(p, c, &m->file, &o, &made);
	if (rc < 0)
		return rc;
	rc = map_object(p, c, m, o);
	if (made)
		object_drop(&p->vm, o);
	return rc;
}

/*
 * The next region of the snapshot in the arena, as a clone of it; holders have
 * regions in the arena only where their origin had them by MAP or CLONE.
 */
static int
op_clone(struct pager *p, struct client *c, struct mail_library *m)
{
	const struct pagerd_msg_request *q = &m->request;
	struct space *from = space_get(&p->vm, m->snapshot);
	uint64_t end = q->arena + q->arena_len, start;
	struct region *r;
	int rc;

	if (from == NULL || !space_is_snapshot(from))
		return -ENOENT;
	r = space_find_from(from, q->addr > q->arena ? q->addr : q->arena);
	if (r == NULL || region_end(r) > end)
		return 0; /* len 0: there is none */
	start = r->rec->start;
	end = region_end(r);
	rc = snapshot_clone(&p->vm, from, c->space, start, end);
	if (rc < 0)
		return rc;
	r = space_find(c->space, start);
	rc = answer_region(p, m, r, start, end);
	if (rc < 0)
		(void)space_unmap(&p->vm, c->space, start, end);
	return rc;
}

static int
op_extend(struct pager *p, struct client *c, struct mail_library *m)
{
	const struct pagerd_msg_request *q = &m->request;
	struct region *r = space_find(c->space, q->addr);
	uint64_t end;
	int rc;

	if (!range_ok(q) || r == NULL || r->rec->start != q->addr)
		return -EINVAL;
	end = region_end(r);
	rc = space_extend(&p->vm, c->space, q->addr, q->addr + q->len);
	if (rc < 0 || region_end(r) <= end)
		return rc;
	rc = answer_region(p, m, r, end, region_end(r));
	if (rc < 0)
		(void)space_extend(&p->vm, c->space, q->addr, end);
	return rc;
}

static int
arm_region(struct client *c, const struct region *r, uint64_t start,
    uint64_t end)
{
	return uffd_register(c->uffd, start, end - start,
	    r->object != NULL ? UFFD_MODE_WP | UFFD_MODE_MINOR : UFFD_MODE_WP);
}

/*
 * Without us an object's pages that are not in its memfd would read zero, and
 * no MOVE has told its agent so.
 */
static int
say_depend(struct client *c)
{
	struct pagerd_msg_depend m = {
		.hdr = { .version = PAGERD_PROTOCOL_VERSION,
		    .type = PAGERD_MSG_DEPEND,
		    .size = sizeof(m) },
	};

	if (c->depends)
		return 0;
	if (agent_send(c->sock, &m, sizeof(m), -1) < 0)
		return -ESRCH;
	c->depends = true;
	return 0;
}

static int
op_arm(struct pager *p, struct client *c, struct mail_library *m)
{
	const struct pagerd_msg_request *q = &m->request;
	uint64_t at = q->addr, end = q->addr + q->len;
	struct region *r;
	int rc = range_ok(q) ? 0 : -EINVAL;

	(void)p;
	while (rc == 0 && at < end) {
		uint64_t to;

		r = space_find(c->space, at);
		if (r == NULL)
			return -ENOMEM;
		to = region_end(r) < end ? region_end(r) : end;
		if (r->object != NULL)
			rc = say_depend(c);
		if (rc == 0)
			rc = arm_region(c, r, at, to);
		at = to;
	}
	return rc;
}

/* => is a page of it out?  Unregistered it would read zero. */
static bool
is_out(struct pager *p, struct client *c, uint64_t start, uint64_t end)
{
	struct region *r = space_find_from(c->space, start);

	for (; r != NULL && r->rec->start < end;
	     r = RB_NEXT(region_tree, &c->space->regions, r)) {
		uint64_t from = r->rec->start > start ? r->rec->start : start;
		uint64_t to = region_end(r) < end ? region_end(r) : end;
		uint64_t page = region_page(r, from), n = region_page(r, to);

		while ((page = region_next(&p->vm, r, page, n)) < n)
			if (slot_state(region_slot(&p->vm, r, page++)) ==
			    SLOT_OUT)
				return true;
	}
	return false;
}

/* Nothing protects these pages from writes any more: stored copies are void. */
static void
unprotected(struct pager *p, struct client *c, uint64_t start, uint64_t end)
{
	struct region *r = space_find_from(c->space, start);

	for (; r != NULL && r->rec->start < end;
	     r = RB_NEXT(region_tree, &c->space->regions, r)) {
		uint64_t page = 0, n = r->rec->npages;

		for (; (page = region_next(&p->vm, r, page, n)) < n; page++)
			region_resident(&p->vm, r, page);
	}
}

static int
op_unmap(struct pager *p, struct client *c, struct mail_library *m)
{
	const struct pagerd_msg_request *q = &m->request;
	uint64_t end = q->addr + q->len;
	int rc = 0;

	if (!range_ok(q) || q->flags & ~PAGERD_UNMAP_KEEP)
		return -EINVAL;
	if (is_out(p, c, q->addr, end))
		return -EAGAIN;
	if (q->flags == PAGERD_UNMAP_KEEP)
		rc = space_set_flags(&p->vm, c->space, q->addr, end,
		    REGION_EXCLUDED, 0);
	if (rc < 0)
		return rc;
	(void)uffd_unregister(c->uffd, q->addr, q->len);
	if (q->flags != PAGERD_UNMAP_KEEP)
		return space_unmap(&p->vm, c->space, q->addr, end);
	unprotected(p, c, q->addr, end);
	return 0;
}

/* => o may be NULL: nothing has the name */
static int
unlink_object(struct pager *p, struct object *o)
{
	if (o == NULL)
		return -ENOENT;
	object_drop(&p->vm, o);
	return 0;
}

static int
op_unlink(struct pager *p, struct client *c, struct mail_library *m)
{
	return unlink_object(p,
	    object_find(&p->vm, c->space->rec->uid, m->request.name));
}

static int
op_query(struct pager *p, struct client *c, struct mail_library *m)
{
	const struct region *r = space_find_from(c->space, m->request.addr);
	struct pagerd_msg_reply *a = &m->reply;
	struct usage u = { 0 };

	if (r == NULL || r->rec->start >= c->arena_end)
		return -ENOENT;
	if (r->rec->start < c->arena_start)
		r = space_find_from(c->space, c->arena_start);
	if (r == NULL || r->rec->start >= c->arena_end)
		return -ENOENT;
	usage_region(&p->vm, r, &u);
	a->addr = r->rec->start;
	a->len = r->rec->npages << PAGE_SHIFT;
	a->region = r->object != NULL ? r->object->rec->id : r->rec->id;
	a->users = r->object != NULL ? object_users(&p->vm, r->object) : 1;
	a->flags =
	    r->rec->flags & REGION_READONLY ? (uint32_t)PAGERD_MAP_READONLY : 0;
	a->resident = u.resident << PAGE_SHIFT;
	a->out = u.out << PAGE_SHIFT;
	a->shared = u.common << PAGE_SHIFT;
	(void)snprintf(a->memtype, sizeof(a->memtype), "%s", r->memtype->name);
	return 0;
}

static void
age_object(struct vm *vm, struct object *o, uint64_t page, uint64_t end)
{
	while ((page = object_next(vm, o, page, end)) < end)
		object_age(vm, o, page++);
}

static void
age_region(struct vm *vm, struct region *r, uint64_t page, uint64_t end)
{
	if (r->object != NULL)
		age_object(vm, r->object, region_object_page(r, page),
		    region_object_page(r, end));
	while ((page = region_next(vm, r, page, end)) < end)
		region_age(vm, r, page++);
}

/* => what is said of whole regions: how they will be read, or left */
static int
advise_regions(struct pager *p, struct client *c,
    const struct pagerd_msg_request *q)
{
	uint64_t at = q->addr, end = q->addr + q->len;

	while (at < end) {
		struct region *r = space_find(c->space, at);
		uint64_t to;

		if (r == NULL)
			return -ENOMEM;
		to = region_end(r) < end ? region_end(r) : end;
		if (q->flags == PAGERD_ADVISE_COLD)
			age_region(&p->vm, r, region_page(r, at),
			    region_page(r, to));
		else
			r->readahead.sequential =
			    q->flags == PAGERD_ADVISE_SEQUENTIAL;
		at = to;
	}
	return 0;
}

static int
op_advise(struct pager *p, struct client *c, struct mail_library *m)
{
	const struct pagerd_msg_request *q = &m->request;

	if (!range_ok(q))
		return -EINVAL;
	switch (q->flags) {
	case PAGERD_ADVISE_COLD:
	case PAGERD_ADVISE_SEQUENTIAL:
	case PAGERD_ADVISE_NORMAL:
		return advise_regions(p, c, q);
	case PAGERD_ADVISE_PIN:
		return space_set_flags(&p->vm, c->space, q->addr,
		    q->addr + q->len, REGION_PINNED, 0);
	case PAGERD_ADVISE_UNPIN:
		return space_set_flags(&p->vm, c->space, q->addr,
		    q->addr + q->len, 0, REGION_PINNED);
	}
	return -EINVAL;
}

/* => the arena that requests are about, from now on */
static int
set_arena(struct client *c, const struct pagerd_msg_request *q)
{
	uint64_t end = q->arena + q->arena_len;

	if (!space_range_ok(q->arena, end) || q->arena == 0)
		return -EINVAL;
	if (c->arena_end != 0 &&
	    (c->arena_start != q->arena || c->arena_end != end))
		return -EEXIST;
	c->arena_start = q->arena;
	c->arena_end = end;
	return 0;
}

static int
in_arena(const struct client *c, const struct pagerd_msg_request *q)
{
	return q->arena == c->arena_start && c->arena_end != 0 &&
		       q->arena + q->arena_len == c->arena_end &&
		       (q->addr == 0 || (q->addr >= c->arena_start &&
					    q->addr <= c->arena_end &&
					    q->len <= c->arena_end - q->addr))
		   ? 0
		   : -EINVAL;
}

static int
dispatch(struct pager *p, struct client *c, struct mail_library *m)
{
	static int (*const ops[])(struct pager *, struct client *,
	    struct mail_library *) = {
		[PAGERD_OP_MAP] = op_map,
		[PAGERD_OP_MAP_FILE] = op_map_file,
		[PAGERD_OP_CLONE] = op_clone,
		[PAGERD_OP_EXTEND] = op_extend,
		[PAGERD_OP_ARM] = op_arm,
		[PAGERD_OP_UNMAP] = op_unmap,
		[PAGERD_OP_UNLINK] = op_unlink,
		[PAGERD_OP_QUERY] = op_query,
		[PAGERD_OP_ADVISE] = op_advise,
	};
	uint32_t op = m->request.op;
	int rc;

	if (op == PAGERD_OP_OPEN)
		return set_arena(c, &m->request);
	if (op >= sizeof(ops) / sizeof(ops[0]) || ops[op] == NULL)
		return -EINVAL;
	rc = in_arena(c, &m->request);
	return rc < 0 ? rc : ops[op](p, c, m);
}

void
library_begin(struct pager *p, struct mail *m)
{
	mail_queue(&p->requests, m);
}

/* => false: not now */
static bool
serve(struct pager *p, struct mail_library *m)
{
	struct client *c = client_get(p, m->space);
	int rc;

	m->reply = (struct pagerd_msg_reply){ 0 };
	m->fd = -1;
	if (c != NULL && c->hold_sent)
		return false;
	if (c != NULL)
		c->waited_for = client_is_taken_from(c);
	if (c != NULL && c->waited_for)
		return false;
	if (p->stop != NULL)
		rc = -ESHUTDOWN;
	else if (c == NULL || !client_has_agent(c))
		rc = -ESRCH;
	else
		rc = dispatch(p, c, m);
	if (rc < 0 && m->fd >= 0) {
		frames_close(m->fd);
		m->fd = -1;
	}
	/* Nobody keeps it. */
	if (m->file.fd >= 0)
		p->host.close(p->host.ctx, m->file.fd);
	m->file.fd = -1;
	m->reply.result = rc;
	planes_answer(p->planes, &m->m, rc);
	return true;
}

/*
 * Pages that the program let go of and used again are in the holder, and not
 * in the model: clones would read zeros.
 */
static int
find_all(struct pager *p, struct client *c)
{
	uint64_t npages = 0;
	int rc = 1;

	while (rc > 0)
		rc = loose_find(p, c, &npages);
	client_publish(p, c);
	count(p, C_adopted, npages);
	return rc;
}

static int
become_snapshot(struct pager *p, const struct mail_snapshot *m)
{
	struct client *c = client_get(p, m->space);
	char name[SNAPSHOT_NAME];
	int rc;

	if (c == NULL || !client_has_agent(c))
		return -ESRCH;
	rc = find_all(p, c);
	if (rc < 0)
		return rc;
	/* People's names are the control plane's; one that is free will do. */
	(void)snprintf(name, sizeof(name), "%" PRIu64, m->space);
	return snapshot_become(&p->vm, c->space, name);
}

/* => false: not now, its mappings are changing */
static bool
serve_snapshot(struct pager *p, struct mail_snapshot *m)
{
	int rc = p->stop != NULL ? -ESHUTDOWN : become_snapshot(p, m);

	if (rc == -EAGAIN)
		return false;
	planes_answer(p->planes, &m->m, rc);
	return true;
}

uint64_t
library_step(struct pager *p)
{
	struct mail **at = &p->requests;

	while (*at != NULL) {
		struct mail *m = *at, *next = m->next;

		if (m->op == MAIL_SNAPSHOT
			? serve_snapshot(p, (struct mail_snapshot *)m)
			: serve(p, (struct mail_library *)m))
			*at = next;
		else
			at = &m->next;
	}
	return p->requests != NULL ? now_us(p) + RETRY_US : UINT64_MAX;
}

int
library_forget(struct pager *p, struct mail_snapshot *m)
{
	struct space *sp = space_get(&p->vm, m->space);

	if (sp == NULL || !space_is_snapshot(sp))
		return -ESRCH;
	snapshot_drop(&p->vm, sp);
	return 0;
}

static struct object *
find_anybodys(struct pager *p, const char *name)
{
	struct object *o;

	TAILQ_FOREACH(o, &p->vm.named, named)
		if (strcmp(o->rec->name, name) == 0)
			break;
	return o;
}

int
library_unlink(struct pager *p, const struct mail_unlink *m)
{
	struct object *o = object_find(&p->vm, m->uid, m->name);

	if (o == NULL && m->any)
		o = find_anybodys(p, m->name);
	return unlink_object(p, o);
}
