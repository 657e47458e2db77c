/*
 * fake-model.c: what is mapped, and what requests do to it
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake-parts.h"

static bool
overlaps(const struct fake_region *r, uint64_t addr, uint64_t len)
{
	return (r->addr < addr + len && addr < r->addr + r->len);
}

static bool
is_free(const struct fake *f, uint64_t addr, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < f->nregions; i++) {
		if (overlaps(&f->regions[i], addr, len))
			return (false);
	}
	return (true);
}

static struct fake_region *
first_above(struct fake *f, uint64_t addr)
{
	struct fake_region *found = NULL, *r;
	unsigned int i;

	for (i = 0; i < f->nregions; i++) {
		r = &f->regions[i];
		if (r->addr + r->len > addr &&
		    (found == NULL || r->addr < found->addr))
			found = r;
	}
	return (found);
}

static void
add_region(struct fake *f, const struct fake_region *r)
{
	if (f->nregions == FAKE_REGIONS)
		f->failed = true;
	else
		f->regions[f->nregions++] = *r;
}

/* What is cut out of the middle is more than these tests need. */
void
fake_remove_range(struct fake *f, uint64_t addr, uint64_t len)
{
	struct fake_region *r;
	unsigned int i = 0;

	while (i < f->nregions) {
		r = &f->regions[i];
		if (!overlaps(r, addr, len)) {
			i++;
		} else if (r->addr < addr) {
			r->len = addr - r->addr;
			i++;
		} else if (r->addr + r->len > addr + len) {
			r->len -= addr + len - r->addr;
			r->addr = addr + len;
			i++;
		} else {
			*r = f->regions[--f->nregions];
		}
	}
}

unsigned int
fake_find_object(const struct fake *f, const char *name, bool snapshot)
{
	unsigned int i;

	for (i = 0; i < f->nobjects; i++) {
		if (f->objects[i].snapshot == snapshot &&
		    strcmp(f->objects[i].name, name) == 0)
			break;
	}
	return (i);
}

unsigned int
fake_new_object(struct fake *f, const char *name, bool snapshot, uint64_t len)
{
	struct fake_object *o = &f->objects[f->nobjects];

	if (f->nobjects == FAKE_OBJECTS) {
		f->failed = true;
		return (0);
	}
	memset(o, 0, sizeof(*o));
	snprintf(o->name, sizeof(o->name), "%s", name);
	o->snapshot = snapshot;
	o->fd = memfd_create(name, MFD_CLOEXEC);
	if (o->fd < 0 || ftruncate(o->fd, (off_t)len) < 0)
		f->failed = true;
	return (f->nobjects++);
}

static int
forget_name(struct fake *f, const char *name, bool snapshot)
{
	const unsigned int i = fake_find_object(f, name, snapshot);

	if (i == f->nobjects)
		return (-ENOENT);
	f->objects[i].name[0] = '\0';
	return (0);
}

static void
attach_fd(const struct fake *f, struct outgoing *out, unsigned int object)
{
	out->fds[out->nfds++] = f->objects[object].fd;
}

static int
find_shared(struct fake *f, const struct pagerd_msg_request *req,
    unsigned int *object)
{
	*object = fake_find_object(f, req->name, false);
	if (*object < f->nobjects)
		return (req->flags & PAGERD_MAP_EXCLUSIVE ? -EEXIST : 0);
	if (!(req->flags & PAGERD_MAP_CREATE))
		return (-ENOENT);
	*object = fake_new_object(f, req->name, false, req->offset + req->len);
	return (0);
}

static int
do_map(struct fake *f, const struct pagerd_msg_request *req,
    struct outgoing *out)
{
	struct fake_region r = {
		.len = req->len,
		.offset = req->offset,
		.memtype = req->op == PAGERD_OP_MAP_FILE    ? "image"
			   : req->flags & PAGERD_MAP_SHARED ? "shared"
							    : "anon",
		.readonly = req->flags & PAGERD_MAP_READONLY,
	};
	int ret;

	if (req->arena != PAGERD_ARENA_START ||
	    req->arena_len != PAGERD_ARENA_BYTES)
		return (-EDOM);
	r.addr = req->addr != 0 ? req->addr : f->next;
	if (!is_free(f, r.addr, r.len)) {
		if (req->flags & PAGERD_MAP_FIXED)
			return (-EEXIST);
		r.addr = f->next;
	}
	if (req->flags & PAGERD_MAP_SHARED) {
		ret = find_shared(f, req, &r.object);
		if (ret < 0)
			return (ret);
		attach_fd(f, out, r.object);
	}
	if (req->op == PAGERD_OP_MAP_FILE)
		out->fds[out->nfds++] = f->file_fd;
	if (r.addr == f->next)
		f->next += r.len + 16 * PAGE;
	add_region(f, &r);
	out->msg.reply.addr = r.addr;
	out->msg.reply.len = r.len;
	out->msg.reply.offset = r.offset;
	return (0);
}

static int
do_clone(struct fake *f, const struct pagerd_msg_request *req,
    struct outgoing *out)
{
	const unsigned int i = fake_find_object(f, req->name, true);
	struct fake_region *r;
	unsigned int n;

	if (i == f->nobjects)
		return (-ENOENT);
	if (req->arena != PAGERD_ARENA_START ||
	    req->arena_len != PAGERD_ARENA_BYTES)
		return (-EDOM);
	for (n = 0; n < f->objects[i].npieces; n++) {
		r = &f->objects[i].pieces[n];
		if (r->addr < req->addr)
			continue;
		if (!is_free(f, r->addr, r->len))
			return (-EEXIST);
		add_region(f, r);
		attach_fd(f, out, i);
		out->msg.reply.addr = r->addr;
		out->msg.reply.len = r->len;
		out->msg.reply.offset = r->offset;
		out->msg.reply.flags = r->readonly ? PAGERD_MAP_READONLY : 0;
		break;
	}
	return (0);
}

static int
do_extend(struct fake *f, const struct pagerd_msg_request *req,
    struct outgoing *out)
{
	struct fake_region *r = first_above(f, req->addr);
	uint64_t old;

	if (r == NULL || r->addr != req->addr)
		return (-EINVAL);
	old = r->len;
	r->len = req->len;
	if (req->len <= old)
		return (0);
	r->armed = false;
	out->msg.reply.addr = r->addr + old;
	out->msg.reply.len = req->len - old;
	out->msg.reply.offset = r->offset + old;
	if (strcmp(r->memtype, "anon") != 0)
		attach_fd(f, out, r->object);
	return (0);
}

static int
do_arm(struct fake *f, const struct pagerd_msg_request *req)
{
	struct fake_region *r = first_above(f, req->addr);

	if (r == NULL || r->addr > req->addr ||
	    r->addr + r->len != req->addr + req->len)
		return (-EINVAL);
	r->armed = true;
	return (0);
}

static int
do_query(struct fake *f, const struct pagerd_msg_request *req,
    struct pagerd_msg_reply *reply)
{
	const struct fake_region *r = first_above(f, req->addr);

	if (r == NULL)
		return (-ENOENT);
	reply->addr = r->addr;
	reply->len = r->len;
	reply->flags = r->readonly ? PAGERD_MAP_READONLY : 0;
	reply->region = 7;
	reply->users = 2;
	reply->resident = r->len;
	reply->out = PAGE;
	reply->shared = 2 * PAGE;
	snprintf(reply->memtype, sizeof(reply->memtype), "%s", r->memtype);
	return (0);
}

int
fake_serve(struct fake *f, const struct pagerd_msg_request *req,
    struct outgoing *out)
{
	switch (req->op) {
	case PAGERD_OP_OPEN:
		return (0);
	case PAGERD_OP_MAP:
	case PAGERD_OP_MAP_FILE:
		return (do_map(f, req, out));
	case PAGERD_OP_CLONE:
		return (do_clone(f, req, out));
	case PAGERD_OP_EXTEND:
		return (do_extend(f, req, out));
	case PAGERD_OP_ARM:
		return (do_arm(f, req));
	case PAGERD_OP_UNMAP:
		if (req->flags != PAGERD_UNMAP_KEEP)
			fake_remove_range(f, req->addr, req->len);
		return (0);
	case PAGERD_OP_SNAPSHOT:
		if (fake_find_object(f, req->name, true) < f->nobjects)
			return (-EEXIST);
		fake_new_object(f, req->name, true, 16 * PAGE);
		return (0);
	case PAGERD_OP_DROP:
		return (forget_name(f, req->name, true));
	case PAGERD_OP_UNLINK:
		return (forget_name(f, req->name, false));
	case PAGERD_OP_QUERY:
		return (do_query(f, req, &out->msg.reply));
	case PAGERD_OP_ADVISE:
		return (0);
	}
	f->failed = true;
	return (-ENOSYS);
}
