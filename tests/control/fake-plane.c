/*
 * fake-plane.c: a fault plane that only keeps lists
 *
 * It stands behind the real main() and control plane in blackbox.py.  It takes
 * clients over, notices when they leave, and answers every mail.  A client
 * steers it by sending DONE with one of enum wish as its result; a group
 * called "refuse" lets nobody in, one called "lossy" cannot be brought home,
 * and in one called "checkered" every other page is unknown.
 *
 * In groups whose name begins with "holding" snapshots can be taken: it forks
 * itself, and the child says and does what a holder would.  In "holding-full"
 * there is no room for them, in "holding-mortal" a holder is lost as soon as
 * it is a snapshot.
 *
 * What is mapped with CREATE gets a name that stays until it is unlinked.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"
#include "backend.h"
#include "pagerd/protocol.h"
#include "plane.h"
#include "planes.h"

#define MAX 512
#define SLICE 1000 /* pages that are told of at once */
#define HELD 1     /* the answer comes later */

enum wish {             /* what a client may ask for */
	WISH_CHILD = 1, /* a forked child, which has no agent yet */
	WISH_SCAN = 2,
	WISH_OVER = 3,   /* a hundred notices */
	WISH_MODEL = 4,  /* all that was adopted is the model's now */
	WISH_ANSWER = 5, /* ADVISE is answered */
};

struct fake_group {
	uint32_t id; /* 0: free */
	uid_t uid;
	uint64_t limit;
	char name[GROUP_NAME_MAX];
	struct gauge gauge;
	uint32_t nspaces;
};

struct fake_space {
	uint64_t id; /* 0: free */
	struct fake_group *group;
	pid_t pid;
	uid_t uid;
	int fds[6], nfds; /* fds[0] is the socket */
	struct gauge gauge;
	struct mail_range ranges[MAX];
	size_t nranges;
	int64_t adopted_pages;
	struct mail_library *held; /* an ADVISE; NULL: none */
	uint64_t origin;           /* it is a clone of that space; 0: none */
	pid_t holder;              /* a child of ours; 0: it is none */
	bool snapshot, forgotten;
};

struct fake_object {
	uid_t uid;
	char name[PAGERD_NAME_BYTES]; /* empty: free */
	uint64_t bytes;
};

struct plane {
	struct planes *planes;
	pthread_t thread;
	struct fake_group groups[MAX];
	struct fake_space spaces[MAX];
	struct fake_object objects[MAX];
	uint32_t last_group;
	uint64_t last_space, kicks;
	struct mail_stop *stop; /* asked for */
};

struct backend {
	int unused;
};

int
backend_open(const char *spec, struct backend **bp, char *err, size_t errlen)
{
	static struct backend backend;

	if (strcmp(spec, "ram") != 0) {
		snprintf(err, errlen, "no store is called \"%s\"", spec);
		return -EINVAL;
	}
	*bp = &backend;
	return 0;
}

void
backend_close(struct backend *b)
{
	(void)b;
}

static struct fake_group *
group_find(struct plane *p, uint32_t id)
{
	size_t i;

	for (i = 0; i < MAX; i++) {
		if (p->groups[i].id == id)
			return &p->groups[i];
	}
	return NULL;
}

static struct fake_space *
space_find(struct plane *p, uint64_t id)
{
	size_t i;

	for (i = 0; i < MAX; i++) {
		if (p->spaces[i].id == id)
			return &p->spaces[i];
	}
	return NULL;
}

static void
tell(struct plane *p, enum notice_kind kind, struct fake_space *s)
{
	struct notice *n = planes_notice(p->planes, kind);

	if (n == NULL)
		return;
	n->group = s->group->id;
	n->space = s->id;
	n->gauge = &s->gauge;
	snprintf(n->text, sizeof(n->text), "as the test wished");
	planes_notify(p->planes, n);
}

static int
group_new(struct plane *p, struct mail_group_new *m)
{
	struct fake_group *g = group_find(p, 0);

	if (g == NULL)
		return -ENOSPC;
	memset(g, 0, sizeof(*g));
	g->id = ++p->last_group;
	g->uid = m->uid;
	g->limit = m->limit_bytes;
	memcpy(g->name, m->name, sizeof(g->name));
	m->id = g->id;
	m->gauge = &g->gauge;
	return 0;
}

static int
group_limit(struct plane *p, struct mail_group_limit *m)
{
	struct fake_group *g = group_find(p, m->id);

	if (g == NULL)
		return -ENOENT;
	g->limit = m->limit_bytes;
	return 0;
}

static int
group_close(struct plane *p, struct mail_group_close *m)
{
	struct fake_group *g = group_find(p, m->id);

	if (g == NULL)
		return -ENOENT;
	if (g->nspaces > 0)
		return -EBUSY;
	g->id = 0;
	return 0;
}

static struct fake_space *
space_new(struct plane *p, struct fake_group *g)
{
	struct fake_space *s = space_find(p, 0);

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->id = ++p->last_space;
	s->group = g;
	g->nspaces++;
	return s;
}

static void
take(struct fake_space *s, const struct mail_attach *m)
{
	s->pid = m->pid;
	s->uid = m->uid;
	s->fds[s->nfds++] = m->sock;
	s->fds[s->nfds++] = m->uffd_stage;
	s->fds[s->nfds++] = m->mem;
	s->fds[s->nfds++] = m->pagemap;
	s->fds[s->nfds++] = m->maps;
	if (!m->fork)
		s->fds[s->nfds++] = m->uffd_main;
}

static int
attach(struct plane *p, struct mail_attach *m)
{
	struct pagerd_msg_ready ready = {
		.hdr = { PAGERD_PROTOCOL_VERSION, PAGERD_MSG_READY,
		    sizeof(ready) },
	};
	struct fake_space *s = NULL;
	struct fake_group *g;

	if (m->fork) {
		s = m->fork_space != 0 ? space_find(p, m->fork_space) : NULL;
		if (s == NULL || s->nfds > 0) {
			snprintf(m->reason, sizeof(m->reason), "no child");
			return -ENOENT;
		}
	} else {
		g = group_find(p, m->group);
		if (g == NULL || strcmp(g->name, "refuse") == 0) {
			snprintf(m->reason, sizeof(m->reason), "no entry");
			return -EPERM;
		}
		s = space_new(p, g);
		if (s == NULL)
			return -ENOSPC;
	}
	take(s, m);
	ready.space_id = m->space = s->id;
	m->group_out = s->group->id;
	m->gauge = &s->gauge;
	send(m->sock, &ready, sizeof(ready), MSG_NOSIGNAL);
	return 0;
}

static int
adopt(struct plane *p, struct mail_adopt *m)
{
	struct fake_space *s = space_find(p, m->space);
	size_t i;

	if (s == NULL)
		return -ESRCH;
	m->nadopted = m->adopted_pages = s->nranges = 0;
	for (i = 0; i < m->nranges && i < MAX; i++) {
		s->ranges[s->nranges++] = m->ranges[i];
		m->adopted_pages +=
		    (m->ranges[i].end - m->ranges[i].start) / 4096;
	}
	m->nadopted = s->nranges;
	s->adopted_pages = (int64_t)m->adopted_pages;
	return 0;
}

static int
list_groups(struct plane *p, struct mail_groups *m)
{
	struct group_info *i;
	struct fake_group *g;

	m->n = 0;
	m->more = false;
	for (g = p->groups; g < p->groups + MAX; g++) {
		if (g->id == 0)
			continue;
		if (m->n == m->max) {
			m->more = true;
			return 0;
		}
		i = &m->groups[m->n++];
		memset(i, 0, sizeof(*i));
		i->id = g->id;
		i->uid = g->uid;
		memcpy(i->name, g->name, sizeof(i->name));
		i->limit_bytes = g->limit;
		i->usage_bytes =
		    (uint64_t)(atomic_load(&g->gauge.model_pages) +
			       atomic_load(&g->gauge.foreign_pages)) *
		    4096;
		i->put_pages = 11;
		i->put_bytes = 22;
		i->nspaces = g->nspaces;
	}
	return 0;
}

static int
list_spaces(struct plane *p, struct mail_spaces *m)
{
	struct space_info *i;
	struct fake_space *s;

	m->n = 0;
	m->more = false;
	for (s = p->spaces; s < p->spaces + MAX; s++) {
		if (s->id == 0)
			continue;
		if (m->n == m->max) {
			m->more = true;
			return 0;
		}
		i = &m->spaces[m->n++];
		memset(i, 0, sizeof(*i));
		i->id = s->id;
		i->group = s->group->id;
		i->pid = s->pid;
		i->uid = s->uid;
		i->agent = s->nfds > 0;
		i->nregions = (uint32_t)s->nranges;
		i->foreign_bytes = atomic_load(&s->gauge.foreign_pages) * 4096;
	}
	return 0;
}

/*
 * Pages from *from on, at most SLICE of them: all are out, and two have one
 * block, which takes a quarter of a page for each.
 *
 * => the range that they are of, or NULL: there is none
 */
static const struct mail_range *
usage_slice(const struct fake_space *s, uint64_t *from, struct usage_info *u)
{
	const struct mail_range *r = s->ranges, *end = r + s->nranges;
	uint64_t bytes;

	while (r < end && r->end <= *from)
		r++;
	if (r == end)
		return NULL;
	if (*from < r->start)
		*from = r->start;
	bytes = r->end - *from < SLICE * MAP_PAGE_BYTES
		    ? r->end - *from
		    : SLICE * MAP_PAGE_BYTES;
	*from += bytes;
	u->out_bytes += bytes;
	u->total_bytes += bytes;
	u->common_bytes += bytes;
	u->proportional_bytes += bytes / 2;
	u->stored_bytes += bytes / 4;
	return r;
}

static int
list_regions(struct plane *p, struct mail_regions *m)
{
	struct fake_space *s = space_find(p, m->space);
	const struct mail_range *range;
	struct region_info r = { .memtype = "anon" };

	if (s == NULL)
		return -ESRCH;
	r.from = m->from;
	range = usage_slice(s, &m->from, &r.usage);
	m->more = range != NULL;
	m->n = m->more;
	if (!m->more)
		return 0;
	r.id = (uint64_t)(range - s->ranges) + 1;
	r.start = range->start;
	r.end = range->end;
	if (r.from < r.start)
		r.from = r.start;
	m->regions[0] = r;
	return 0;
}

/* Of all: one after the other, those that are not there too. */
static int
count_usage(struct plane *p, struct mail_usage *m)
{
	struct fake_space *s = space_find(p, m->space);

	if (m->space == 0)
		s = &p->spaces[m->at];
	else if (s == NULL)
		return -ESRCH;
	m->more = s->id != 0 && usage_slice(s, &m->from, &m->usage) != NULL;
	if (m->space != 0 || m->more)
		return 0;
	m->from = 0;
	m->more = ++m->at < MAX;
	return 0;
}

/* Compressed at first, then resident; or every other page of it. */
static void
add_page(struct mail_map *m, uint64_t page, bool checkered)
{
	unsigned int state = page == 0 ? 5 : checkered ? page & 1 : 1;
	struct page_run *last = &m->runs[m->nruns];

	if (m->regions->nruns > 0 && last[-1].state == state) {
		last[-1].npages++;
		return;
	}
	*last = (struct page_run){ 1, state };
	m->regions->nruns = ++m->nruns;
}

/* At most SLICE pages at a time; and a last slice of nothing. */
static int
map_space(struct plane *p, struct mail_map *m)
{
	struct fake_space *s = space_find(p, m->space);
	bool checkered;
	size_t i, n;

	if (s == NULL)
		return -ESRCH;
	checkered = strcmp(s->group->name, "checkered") == 0;
	m->nregions = m->nruns = 0;
	for (i = 0; i < s->nranges && s->ranges[i].end <= m->from; i++)
		;
	m->more = i < s->nranges;
	if (!m->more)
		return 0;
	if (m->from < s->ranges[i].start)
		m->from = s->ranges[i].start;
	m->nregions = 1;
	m->regions[0] = (struct region_runs){
		.id = i + 1,
		.start = s->ranges[i].start,
		.end = s->ranges[i].end,
		.memtype = "anon",
		.from = m->from,
	};
	for (n = 0; n < SLICE && m->from < s->ranges[i].end; n++) {
		add_page(m, (m->from - s->ranges[i].start) / MAP_PAGE_BYTES,
		    checkered);
		m->from += MAP_PAGE_BYTES;
	}
	return 0;
}

/* As a holder would: says HELLO, and ends with its connection. */
static void
be_holder(const struct mail_hold *m, uint64_t space)
{
	struct pagerd_msg_hello hello = {
		.hdr = { PAGERD_PROTOCOL_VERSION, PAGERD_MSG_HELLO,
		    sizeof(hello) },
		.kind = PAGERD_HELLO_HOLD,
		.space_id = space,
		.area_start = 0x10000000,
		.area_len = 0x200000,
		.stage_start = 0x10100000,
		.anchor_start = 0x20000000,
	};
	union {
		struct cmsghdr c;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .c = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { &hello, sizeof(hello) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	int uffd = ioctl(m->device, USERFAULTFD_IOC_NEW, O_CLOEXEC);

	/* Nothing of the daemon's may live on in it. */
	if (dup2(m->sock, 0) != 0 || dup2(uffd, 1) != 1 ||
	    close_range(2, ~0u, 0) != 0)
		_exit(1);
	*(int *)CMSG_DATA(&control.c) = 1;
	if (sendmsg(0, &msg, 0) != sizeof(hello))
		_exit(1);
	close(1);
	while (recv(0, &hello, sizeof(hello), 0) > 0)
		continue;
	_exit(0);
}

static int
hold(struct plane *p, struct mail_hold *m)
{
	struct fake_space *s = space_find(p, m->space), *child;

	if (s == NULL)
		return -ESRCH;
	if (strncmp(s->group->name, "holding", 7) != 0)
		return -EOPNOTSUPP;
	child = space_new(p, s->group);
	if (child == NULL)
		return -EAGAIN;
	tell(p, NOTICE_SPACE_NEW, child);
	child->holder = fork();
	if (child->holder == 0)
		be_holder(m, child->id);
	return 0;
}

static void
space_drop(struct plane *p, struct fake_space *s)
{
	int i;

	if (s->held != NULL)
		planes_answer(p->planes, &s->held->m, -ESRCH);
	for (i = 0; i < s->nfds; i++)
		close(s->fds[i]);
	/* It ends with its connection. */
	if (s->holder > 0)
		waitpid(s->holder, NULL, 0);
	s->group->nspaces--;
	s->id = 0;
}

/* => a snapshot that was forgotten goes with its last clone */
static void
let_go(struct plane *p, struct fake_space *s)
{
	size_t i;

	if (s == NULL || !s->forgotten)
		return;
	for (i = 0; i < MAX; i++) {
		if (p->spaces[i].id != 0 && p->spaces[i].origin == s->id)
			return;
	}
	tell(p, NOTICE_SPACE_GONE, s);
	space_drop(p, s);
}

static void
space_gone(struct plane *p, struct fake_space *s)
{
	uint64_t origin = s->origin;

	tell(p, NOTICE_SPACE_GONE, s);
	space_drop(p, s);
	if (origin != 0)
		let_go(p, space_find(p, origin));
}

static int
snapshot(struct plane *p, struct mail_snapshot *m)
{
	struct fake_space *s = space_find(p, m->space);

	if (s == NULL || s->snapshot)
		return -ESRCH;
	if (strcmp(s->group->name, "holding-full") == 0)
		return -ENOSPC;
	s->snapshot = true;
	if (strcmp(s->group->name, "holding-mortal") == 0)
		space_gone(p, s);
	return 0;
}

static int
forget(struct plane *p, struct mail_snapshot *m)
{
	struct fake_space *s = space_find(p, m->space);

	if (s == NULL || !s->snapshot || s->forgotten)
		return -ESRCH;
	s->forgotten = true;
	let_go(p, s);
	return 0;
}

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

static int
list_objects(struct plane *p, struct mail_objects *m)
{
	struct fake_object *o;

	m->n = 0;
	m->more = false;
	for (o = p->objects; o < p->objects + MAX; o++) {
		if (o->name[0] == '\0')
			continue;
		if (m->n == m->max) {
			m->more = true;
			return 0;
		}
		m->objects[m->n] = (struct object_info){
			.id = (uint64_t)(o - p->objects) + 1,
			.uid = o->uid,
			.bytes = o->bytes,
			.resident_bytes = 4096,
			.out_bytes = 8192,
			.users = 3,
		};
		memcpy(m->objects[m->n++].name, o->name, sizeof(o->name));
	}
	return 0;
}

static int
unlink_object(struct plane *p, const struct mail_unlink *m)
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
	struct fake_space *s = space_find(p, m->space);

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
static int
library(struct plane *p, struct mail_library *m)
{
	int r = library_request(p, m);

	if (m->file.fd >= 0)
		close(m->file.fd);
	m->file.fd = -1;
	return r;
}

static int
stats(struct plane *p, struct mail_stats *m)
{
	size_t i;

	for (i = 0; i < m->ncounters; i++)
		m->counters[i] = i;
	m->counters[0] = p->kicks;
	strcpy(m->store.name, "ram");
	m->store.saved_pages = 21;
	return 0;
}

static int
check(struct plane *p, struct mail_check *m)
{
	if (m->space != 0 && space_find(p, m->space) == NULL)
		return -ESRCH;
	m->nspaces = 1;
	m->nproblems = 1;
	strcpy(m->problems[0], "a problem");
	return 0;
}

static int
answer(struct plane *p, struct mail *m)
{
	switch (m->op) {
	case MAIL_GROUP_NEW:
		return group_new(p, (struct mail_group_new *)m);
	case MAIL_GROUP_LIMIT:
		return group_limit(p, (struct mail_group_limit *)m);
	case MAIL_GROUP_CLOSE:
		return group_close(p, (struct mail_group_close *)m);
	case MAIL_ATTACH:
		return attach(p, (struct mail_attach *)m);
	case MAIL_ADOPT:
		return adopt(p, (struct mail_adopt *)m);
	case MAIL_HOLD:
		return hold(p, (struct mail_hold *)m);
	case MAIL_LIBRARY:
		return library(p, (struct mail_library *)m);
	case MAIL_SNAPSHOT:
		return snapshot(p, (struct mail_snapshot *)m);
	case MAIL_FORGET:
		return forget(p, (struct mail_snapshot *)m);
	case MAIL_UNLINK:
		return unlink_object(p, (struct mail_unlink *)m);
	case MAIL_RECLAIM:
		((struct mail_reclaim *)m)->bytes_out = 4096;
		return 0;
	case MAIL_GROUPS:
		return list_groups(p, (struct mail_groups *)m);
	case MAIL_SPACES:
		return list_spaces(p, (struct mail_spaces *)m);
	case MAIL_OBJECTS:
		return list_objects(p, (struct mail_objects *)m);
	case MAIL_REGIONS:
		return list_regions(p, (struct mail_regions *)m);
	case MAIL_USAGE:
		return count_usage(p, (struct mail_usage *)m);
	case MAIL_MAP:
		return map_space(p, (struct mail_map *)m);
	case MAIL_STATS:
		return stats(p, (struct mail_stats *)m);
	case MAIL_CHECK:
		return check(p, (struct mail_check *)m);
	case MAIL_STOP:
		break;
	}
	return -ENOSYS;
}

static void
make_child(struct plane *p, struct fake_space *parent)
{
	struct pagerd_msg_ready ready = {
		.hdr = { PAGERD_PROTOCOL_VERSION, PAGERD_MSG_READY,
		    sizeof(ready) },
	};
	struct fake_space *s = space_new(p, parent->group);

	if (s == NULL)
		return;
	ready.space_id = s->id;
	tell(p, NOTICE_SPACE_NEW, s);
	send(parent->fds[0], &ready, sizeof(ready), MSG_NOSIGNAL);
}

static void
grant(struct plane *p, struct fake_space *s, int wish)
{
	int i;

	switch ((enum wish)wish) {
	case WISH_CHILD:
		make_child(p, s);
		break;
	case WISH_SCAN:
		tell(p, NOTICE_SCAN, s);
		break;
	case WISH_OVER:
		for (i = 0; i < 100; i++)
			tell(p, NOTICE_OVER, s);
		break;
	case WISH_MODEL:
		atomic_store(&s->gauge.model_pages, s->adopted_pages);
		atomic_store(&s->group->gauge.model_pages, s->adopted_pages);
		break;
	case WISH_ANSWER:
		if (s->held != NULL)
			planes_answer(p->planes, &s->held->m, 0);
		s->held = NULL;
		break;
	}
}

static void
client_readable(struct plane *p, struct fake_space *s)
{
	struct pagerd_msg_done done;
	ssize_t n;

	n = recv(s->fds[0], &done, sizeof(done), MSG_DONTWAIT);
	if (n == sizeof(done)) {
		grant(p, s, done.result);
	} else if (n == 0 || errno != EAGAIN) {
		space_gone(p, s);
	}
}

static void
mails(struct plane *p)
{
	struct mail *m;
	bool any = false;
	int r;

	planes_fault_ack(p->planes);
	while ((m = planes_fault_receive(p->planes)) != NULL) {
		any = true;
		if (m->op == MAIL_STOP)
			p->stop = (struct mail_stop *)m;
		else if ((r = answer(p, m)) != HELD)
			planes_answer(p->planes, m, r);
	}
	if (!any)
		p->kicks++;
}

static void
finish(struct plane *p)
{
	size_t i;
	int r = 0;

	for (i = 0; i < MAX; i++) {
		if (p->groups[i].id != 0 &&
		    strcmp(p->groups[i].name, "lossy") == 0)
			r = -ENOMEM;
		if (p->spaces[i].id != 0)
			space_drop(p, &p->spaces[i]);
	}
	p->stop->home_pages = 42;
	p->stop->lost_pages = r < 0 ? 7 : 0;
	p->stop->nlost_spaces = r < 0 ? 1 : 0;
	planes_answer(p->planes, &p->stop->m, r);
}

/* => a file that must go before the stop is answered: the test's lever */
static bool
held(void)
{
	const char *path = getenv("FAKE_HOLD");

	return path != NULL && access(path, F_OK) == 0;
}

static void *
loop(void *arg)
{
	struct plane *p = arg;
	struct fake_space *of[MAX + 1];
	struct pollfd fds[MAX + 1];
	nfds_t i, n;

	while (p->stop == NULL || held()) {
		fds[0] =
		    (struct pollfd){ planes_fault_fd(p->planes), POLLIN, 0 };
		n = 1;
		for (i = 0; i < MAX; i++) {
			if (p->spaces[i].id == 0 || p->spaces[i].nfds == 0)
				continue;
			of[n] = &p->spaces[i];
			fds[n] = (struct pollfd){ of[n]->fds[0], POLLIN, 0 };
			n++;
		}
		if (poll(fds, n, p->stop == NULL ? -1 : 10) <= 0)
			continue;
		for (i = 1; i < n; i++) {
			if (fds[i].revents != 0)
				client_readable(p, of[i]);
		}
		if (fds[0].revents != 0)
			mails(p);
	}
	finish(p);
	return NULL;
}

int
plane_start(struct planes *planes, struct backend *store, bool dedup,
    struct plane **pp)
{
	struct plane *p = calloc(1, sizeof(*p));

	(void)store;
	(void)dedup;
	if (p == NULL)
		return -ENOMEM;
	p->planes = planes;
	if (pthread_create(&p->thread, NULL, loop, p) != 0) {
		free(p);
		return -EAGAIN;
	}
	*pp = p;
	return 0;
}

void
plane_join(struct plane *p)
{
	pthread_join(p->thread, NULL);
	free(p);
}
