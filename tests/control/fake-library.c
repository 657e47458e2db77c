/*
 * fake-library.c: memory that programs ask the fake fault plane for
 *
 * Nothing is mapped.  What is asked for with CREATE gets a name that stays
 * until it is unlinked; the reply repeats what the control plane has found out,
 * with a descriptor that has something to read in it.
 */
#include "fake-plane.h"

#include <sys/mman.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"

/* => any: of another user, if this one has none */
static struct fake_object *
object_find(struct plane *p, uid_t uid, const char *name, bool any)
{
	struct fake_object *o, *other = NULL;

	for (o = p->objects; o < p->objects + MAX; o++) {
		if (strcmp(o->name, name) != 0)
			continue;
		if (o->uid == uid)
			return o;
		other = o;
	}
	return any ? other : NULL;
}

static int
object_make(struct plane *p, uid_t uid, const struct pagerd_msg_request *q)
{
	struct fake_object *o;

	if (object_find(p, uid, q->name, false) != NULL)
		return 0;
	o = object_find(p, 0, "", true);
	if (o == NULL)
		return -ENOSPC;
	o->uid = uid;
	o->bytes = q->offset + q->len;
	memcpy(o->name, q->name, sizeof(o->name));
	return 0;
}

int
fake_unlink_object(struct plane *p, const struct mail_unlink *m)
{
	struct fake_object *o = object_find(p, m->uid, m->name, m->any);

	if (m->name[0] == '\0' || o == NULL)
		return -ENOENT;
	o->name[0] = '\0';
	return 0;
}

/* => a descriptor with something to read in it */
static int
some_memory(const char *text)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);

	ASSERT(fd >= 0);
	ASSERT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

/* What is FIXED is taken, and comes with a descriptor all the same. */
static int
library_map(struct plane *p, uid_t uid, struct mail_library *m)
{
	const struct pagerd_msg_request *q = &m->request;
	int r;

	if (q->len == 0 || q->arena_len < q->len)
		return -EINVAL;
	m->reply.addr = q->arena;
	m->reply.len = q->len;
	m->reply.offset = q->offset;
	if ((q->flags & PAGERD_MAP_CREATE) != 0) {
		r = object_make(p, uid, q);
		if (r < 0)
			return r;
	}
	if (q->name[0] != '\0')
		m->fd = some_memory(q->name);
	return (q->flags & PAGERD_MAP_FIXED) != 0 ? -EEXIST : 0;
}

/* => says what it was told of the file, and gives it back */
static int
library_map_file(struct mail_library *m)
{
	const struct mail_file *f = &m->file;

	if ((m->request.flags & PAGERD_MAP_FIXED) != 0)
		return -EEXIST;
	m->reply.addr = f->ino;
	m->reply.len = f->size;
	m->reply.offset = (uint64_t)f->mtime_ns;
	m->reply.flags = f->settled;
	m->fd = f->fd;
	m->file.fd = -1;
	return 0;
}

static int
library_request(struct plane *p, struct mail_library *m)
{
	struct fake_space *s = fake_space_find(p, m->space);

	if (s == NULL)
		return -ESRCH;
	if (m->request.op == PAGERD_OP_OPEN)
		return 0;
	if (s->held != NULL) /* one session asks for one thing at a time */
		return -EBUSY;
	m->reply.region = s->id;
	switch (m->request.op) {
	case PAGERD_OP_MAP:
		return library_map(p, s->uid, m);
	case PAGERD_OP_MAP_FILE:
		return library_map_file(m);
	case PAGERD_OP_CLONE:
		s->origin = m->reply.region = m->snapshot;
		return 0;
	case PAGERD_OP_QUERY:
		m->reply.users = 1;
		return 0;
	case PAGERD_OP_ADVISE:
		m->fd = some_memory("held");
		s->held = m;
		return HELD;
	default:
		return -EOPNOTSUPP;
	}
}

/* => a file that nobody keeps is closed */
int
fake_library(struct plane *p, struct mail_library *m)
{
	int r = library_request(p, m);

	if (m->file.fd >= 0)
		close(m->file.fd);
	m->file.fd = -1;
	return r;
}
