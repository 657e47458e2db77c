/*
 * session.c: libpagerd in the simulated programs
 */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_fake.h"
#include "fds.h"
#include "host.h"
#include "imagefiles.h"
#include "oracle.h"
#include "planes.h"
#include "snap.h"
#include "task.h"

#define NAMES 3u
#define USERS 2u

struct call {
	struct mail_library mail; /* first: a mail is a call */
	struct task *task;        /* NULL: it has ended */
	struct proc *proc;
	struct snap *snap; /* CLONE */
	struct vma kind;   /* what is mapped is like that */
	bool answered;
	bool making;    /* there is, or will be, a range that is not armed */
	bool mapped;    /* it is */
	uint32_t start; /* it; pages */
	uint32_t end;
};

struct session_counts session_counts;
bool session_often;

/* What a name means to a user: the same memory for all. */
static struct memfile *linked[USERS][NAMES];

void
session_reset(void)
{
	memset(linked, 0, sizeof(linked));
	session_often = sim_one_in(2);
}

static struct memfile **
link_of(const struct call *c)
{
	uint32_t i = (uint32_t)(c->mail.request.name[0] - 'a');

	SIM_CHECK(i < NAMES);
	return &linked[c->proc->uid % USERS][i];
}

bool
session_unarmed(const struct proc *p)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		const struct task *t = &p->tasks[i];

		if (t->op == OP_LIBRARY && t->call->making)
			return true;
	}
	return false;
}

/* The name means what it meant before, until it is unlinked. */
static void
note_name(const struct call *c, struct memfile *f)
{
	const struct pagerd_msg_request *q = &c->mail.request;
	struct memfile **l;

	if (c->mail.m.result < 0)
		return;
	if (q->op == PAGERD_OP_UNLINK) {
		*link_of(c) = NULL;
	} else if (q->op == PAGERD_OP_MAP && q->flags & PAGERD_MAP_SHARED) {
		l = link_of(c);
		SIM_CHECK(f != NULL);
		if (*l != NULL && (q->flags & PAGERD_MAP_EXCLUSIVE || *l != f))
			sim_fail("name %s means two things", q->name);
		if (*l == NULL && !(q->flags & PAGERD_MAP_CREATE))
			sim_fail("name %s was not there", q->name);
		session_counts.joined += *l != NULL;
		*l = f;
	}
}

/* The descriptor is the client's now; what it is for stays in mind. */
static struct memfile *
take_descriptor(struct call *c)
{
	struct memfile *f;
	enum fd_kind kind;
	bool own;

	if (c->mail.fd < 0)
		return NULL;
	kind = fds_kind(c->mail.fd);
	own = !c->kind.shared || c->mail.reply.flags & PAGERD_MAP_READONLY;
	SIM_CHECK(c->mail.m.result == 0);
	SIM_CHECK(kind == (own ? FD_FRAMES_READ : FD_FRAMES));
	f = fds_get(c->mail.fd, kind);
	fds_close(c->mail.fd);
	c->mail.fd = -1;
	return f;
}

static void
answered(struct mail *m)
{
	struct call *c = (struct call *)m;

	host_answered(m);
	SIM_CHECK(c->mail.reply.result == m->result);
	c->kind.memfile = take_descriptor(c);
	note_name(c, c->kind.memfile);
	c->answered = true;
	if (c->task == NULL) {
		session_counts.orphaned++;
		free(c);
	}
}

static struct pagerd_msg_request *
request(struct call *c, enum pagerd_op op)
{
	struct pagerd_msg_request *q = &c->mail.request;

	*q = (struct pagerd_msg_request){
		.op = op,
		.arena = addr_of(ARENA_START),
		.arena_len = (uint64_t)ARENA_PAGES * PAGE_SIZE,
	};
	return q;
}

static void
ask(struct call *c)
{
	const struct pagerd_msg_request *q = &c->mail.request;

	c->answered = false;
	c->mail.space = c->proc->space;
	sim_trace("task %u.%u asks %u: %u +%u, flags %x %s", c->proc->pid,
	    c->task->index, q->op, page_of(q->addr),
	    (uint32_t)(q->len / PAGE_SIZE), q->flags, q->name);
	host_ask(&c->mail.m, MAIL_LIBRARY, answered);
}

static void
set_range(struct call *c, uint32_t start, uint32_t end)
{
	c->start = c->task->own = start;
	c->end = c->task->own_end = end;
}

static void
end(struct call *c)
{
	struct task *t = c->task;

	t->call = NULL;
	free(c);
	task_finish(t);
}

bool
session_ready(const struct task *t)
{
	return t->call->answered;
}

void
session_cancel(struct task *t)
{
	struct call *c = t->call;

	t->call = NULL;
	c->task = NULL;
	if (c->answered)
		free(c);
}

/* Errors that come from what happens to the daemon, or to the agent. */
static bool
is_excused(const struct call *c, int result)
{
	const struct agent *a = c->proc->agent;

	if (result == -ESHUTDOWN)
		return host.stopping;
	return result == -ESRCH && (a->closed || a->daemon_closed ||
				       a->state == AGENT_GONE || host.stopping);
}

static bool
may_fail(const struct call *c, int result)
{
	const struct pagerd_msg_request *q = &c->mail.request;

	switch ((enum pagerd_op)q->op) {
	case PAGERD_OP_MAP:
	case PAGERD_OP_MAP_FILE:
		if (result == -EEXIST)
			return q->flags &
			       (PAGERD_MAP_FIXED | PAGERD_MAP_EXCLUSIVE);
		if (result == -EINVAL || result == -ENOENT)
			return q->flags & PAGERD_MAP_SHARED;
		return result == -ENOMEM;
	case PAGERD_OP_CLONE:
		return result == -ENOENT || result == -EEXIST ||
		       result == -ENOMEM;
	case PAGERD_OP_EXTEND:
		return result == -EINVAL || result == -ENOMEM;
	case PAGERD_OP_UNLINK:
	case PAGERD_OP_QUERY:
		return result == -ENOENT;
	case PAGERD_OP_ADVISE:
		return result == -ENOMEM;
	default:
		return false;
	}
}

static void
check_result(const struct call *c)
{
	int r = c->mail.m.result;

	if (r == 0)
		return;
	session_counts.refused++;
	if (r > 0 || !(is_excused(c, r) || may_fail(c, r)))
		sim_fail("request %u of %u ends with %d", c->mail.request.op,
		    c->proc->pid, r);
}

/* It was not given to the program yet: nobody has to be told. */
static void
take_back(struct call *c)
{
	struct pagerd_msg_request *q;
	struct vma *v = vma_find(c->proc, c->start);

	session_counts.taken_back++;
	if (c->mapped) {
		SIM_CHECK(v->fresh && v->end >= c->end && v->ctx == NULL);
		oracle_zero(c->proc, c->start, c->end);
		vma_unmap(c->proc, c->start, c->end);
		c->mapped = false;
	}
	q = request(c, PAGERD_OP_UNMAP);
	q->addr = addr_of(c->start);
	q->len = (uint64_t)(c->end - c->start) * PAGE_SIZE;
	ask(c);
}

static void
map_content(struct call *c)
{
	const struct vma *k = &c->kind;

	if (k->clone_of != NULL)
		oracle_clone(c->proc, c->start, c->end, snap_memory(c->snap));
	for (uint32_t pg = c->start; k->shared && pg < c->end; pg++)
		oracle_share(c->proc, pg,
		    &k->memfile->mem[k->offset + (pg - c->start)]);
	for (uint32_t pg = c->start; k->image != NULL && pg < c->end; pg++)
		oracle_write(c->proc, pg, 0,
		    images_page(k->image, k->offset + (pg - c->start)),
		    PAGE_SIZE);
}

static void
map(struct call *c)
{
	const struct pagerd_msg_reply *a = &c->mail.reply;
	struct vma *k = &c->kind;

	set_range(c, page_of(a->addr), page_of(a->addr + a->len - 1) + 1);
	SIM_CHECK(a->len > 0 && a->len % PAGE_SIZE == 0);
	SIM_CHECK(c->start >= ARENA_START && c->end <= SIM_PAGES);
	if (!vma_is_free(c->proc, c->start, c->end))
		sim_fail("%u..%u of %u is not free", c->start, c->end,
		    c->proc->pid);
	k->readonly = a->flags & PAGERD_MAP_READONLY;
	k->read = true;
	k->write = !k->readonly;
	k->fresh = true;
	k->file = k->memfile != NULL;
	k->offset = (uint32_t)(a->offset / PAGE_SIZE);
	SIM_CHECK(k->memfile != NULL || !k->shared);
	SIM_CHECK(k->memfile == NULL ||
		  k->offset + (c->end - c->start) <= k->memfile->npages);
	(void)vma_map_like(c->proc, c->start, c->end, k);
	map_content(c);
	c->mapped = true;
	session_counts.regions++;
	session_counts.readonly += k->readonly;
	sim_trace("%u maps %u..%u of file %u at %u", c->proc->pid, c->start,
	    c->end, k->file ? k->memfile->id : 0, k->offset);
}

static void
arm(struct call *c)
{
	struct pagerd_msg_request *q;

	session_counts.extended += c->mail.request.op == PAGERD_OP_EXTEND;
	map(c);
	if (sim_one_in(12)) {
		take_back(c);
		return;
	}
	q = request(c, PAGERD_OP_ARM);
	q->addr = addr_of(c->start);
	q->len = (uint64_t)(c->end - c->start) * PAGE_SIZE;
	ask(c);
}

/* Its next region, behind the one before. */
static void
ask_clone(struct call *c, uint32_t from)
{
	struct pagerd_msg_request *q = request(c, PAGERD_OP_CLONE);

	q->addr = addr_of(ARENA_START);
	if (from > ARENA_START)
		q->addr = addr_of(ARENA_START) +
			  (uint64_t)(from - ARENA_START) * PAGE_SIZE;
	c->mail.snapshot = snap_space(c->snap);
	c->kind = (struct vma){ .clone_of = c->snap };
	c->mapped = false;
	c->making = true;
	ask(c);
}

static void
count_clone(const struct call *c)
{
	const struct snap *s = c->snap;

	session_counts.clones++;
	session_counts.reclones += s->base[c->start] != NULL;
	session_counts.late += s->forgotten;
	session_counts.posthumous += !s->holder->running;
	session_counts.orphans += !s->of->running;
}

static void
armed(struct call *c)
{
	struct vma *v;

	vma_cut(c->proc, c->start, c->end);
	TAILQ_FOREACH(v, &c->proc->vmas, link) {
		if (v->start < c->start || v->end > c->end)
			continue;
		if (v->ctx == NULL && !host.stopping)
			sim_fail("%u..%u of %u is not registered", v->start,
			    v->end, c->proc->pid);
		v->fresh = false;
	}
	vma_merge(c->proc);
	c->making = false;
	if (c->kind.clone_of == NULL) {
		end(c);
		return;
	}
	count_clone(c);
	ask_clone(c, c->end);
}

/* Something is there already: the next ones may have room. */
static bool
pass_over(struct call *c)
{
	uint32_t from = page_of(c->mail.request.addr) + 1 + sim_below(16);

	if (c->mail.request.op != PAGERD_OP_CLONE ||
	    c->mail.m.result != -EEXIST || from >= SIM_PAGES)
		return false;
	ask_clone(c, from);
	return true;
}

static void
check_query(const struct call *c)
{
	const struct pagerd_msg_reply *a = &c->mail.reply;

	if (c->mail.m.result < 0)
		return;
	SIM_CHECK(a->addr >= addr_of(ARENA_START) && a->len > 0);
	SIM_CHECK(a->addr + a->len > c->mail.request.addr);
	SIM_CHECK(a->users > 0 && a->region != 0 && a->memtype[0] != '\0');
	SIM_CHECK(a->resident + a->out <= a->len);
}

void
session_step(struct task *t)
{
	struct call *c = t->call;
	int r = c->mail.m.result;
	uint32_t op = c->mail.request.op;

	SIM_CHECK(c->answered);
	if (op == PAGERD_OP_ARM && r < 0 && is_excused(c, r)) {
		take_back(c);
		return;
	}
	check_result(c);
	if (op == PAGERD_OP_OPEN)
		c->proc->session = r == 0;
	if (op == PAGERD_OP_QUERY)
		check_query(c);
	if (op == PAGERD_OP_ARM)
		armed(c);
	else if (pass_over(c))
		return;
	else if (r == 0 && c->making && op != PAGERD_OP_UNMAP &&
		 c->mail.reply.len > 0)
		arm(c);
	else
		end(c);
}

static struct call *
begin(struct task *t)
{
	struct call *c = calloc(1, sizeof(*c));

	SIM_CHECK(t->op == OP_NONE);
	t->op = OP_LIBRARY;
	t->call = c;
	c->task = t;
	c->proc = t->proc;
	c->mail.fd = -1;
	c->mail.file.fd = -1;
	return c;
}

static void
begin_open(struct task *t)
{
	struct call *c = begin(t);

	session_counts.opens++;
	t->proc->library = true;
	(void)request(c, PAGERD_OP_OPEN);
	ask(c);
}

static void
set_name(struct pagerd_msg_request *q)
{
	(void)snprintf(q->name, sizeof(q->name), "%c",
	    (int)('a' + sim_below(NAMES)));
}

static void
begin_map(struct task *t)
{
	struct call *c = begin(t);
	struct pagerd_msg_request *q = request(c, PAGERD_OP_MAP);

	c->making = true;
	q->len = (uint64_t)(1 + sim_below(24)) * PAGE_SIZE;
	/* Not at the same place in all: they are cloned there. */
	if (!sim_one_in(4))
		q->addr = addr_of(ARENA_START + sim_below(ARENA_PAGES - 24));
	if (q->addr != 0 && sim_one_in(4))
		q->flags |= PAGERD_MAP_FIXED;
	if (sim_one_in(10))
		q->flags |= PAGERD_MAP_READONLY;
	if (sim_one_in(3)) {
		session_counts.anonymous++;
		ask(c);
		return;
	}
	session_counts.shared++;
	c->kind.shared = true;
	q->flags |= PAGERD_MAP_SHARED;
	if (!sim_one_in(6))
		q->flags |= PAGERD_MAP_CREATE;
	if (q->flags & PAGERD_MAP_CREATE && sim_one_in(10))
		q->flags |= PAGERD_MAP_EXCLUSIVE;
	if (sim_one_in(4))
		q->offset = (uint64_t)sim_below(12) * PAGE_SIZE;
	set_name(q);
	ask(c);
}

/* The same object for all who map the file. */
static bool
is_mapped(const struct proc *p, const struct simfile *f)
{
	for (uint32_t i = 0; i < kernel.nprocs; i++) {
		const struct vma *v;

		if (!kernel.procs[i]->mm || kernel.procs[i]->uid != p->uid)
			continue;
		TAILQ_FOREACH(v, &kernel.procs[i]->vmas, link)
			if (v->image == f)
				return true;
	}
	return false;
}

static void
begin_map_file(struct task *t)
{
	struct call *c = begin(t);
	struct pagerd_msg_request *q = request(c, PAGERD_OP_MAP_FILE);
	struct simfile *f = images_pick();
	uint32_t from = sim_below(f->npages);

	c->making = true;
	c->kind.image = f;
	session_counts.images++;
	session_counts.joined_images += is_mapped(t->proc, f);
	q->offset = (uint64_t)from * PAGE_SIZE;
	q->len = (uint64_t)(1 + sim_below(f->npages - from)) * PAGE_SIZE;
	if (!sim_one_in(4))
		q->addr = addr_of(ARENA_START + sim_below(ARENA_PAGES - 40));
	if (q->addr != 0 && sim_one_in(4))
		q->flags |= PAGERD_MAP_FIXED;
	if (sim_one_in(10))
		q->flags |= PAGERD_MAP_READONLY;
	images_describe(f, &c->mail.file);
	ask(c);
}

static void
begin_unlink(struct task *t)
{
	struct call *c = begin(t);

	session_counts.unlinks++;
	set_name(request(c, PAGERD_OP_UNLINK));
	ask(c);
}

static void
begin_query(struct task *t)
{
	struct call *c = begin(t);

	session_counts.queries++;
	request(c, PAGERD_OP_QUERY)->addr =
	    addr_of(ARENA_START + sim_below(ARENA_PAGES));
	ask(c);
}

static struct vma *
pick(const struct proc *p)
{
	struct vma *v, *one = NULL;
	uint32_t n = 0;

	TAILQ_FOREACH(v, &p->vmas, link) {
		if (in_arena(v) && !v->fresh && sim_below(++n) == 0)
			one = v;
	}
	return one;
}

static void
begin_advise(struct task *t)
{
	struct vma *v = pick(t->proc);
	struct pagerd_msg_request *q;
	struct call *c;
	uint32_t pg, n;

	if (v == NULL)
		return;
	pg = v->start + sim_below(v->end - v->start);
	n = 1 + sim_below(v->end - pg);
	c = begin(t);
	q = request(c, PAGERD_OP_ADVISE);
	q->addr = addr_of(pg);
	q->len = (uint64_t)n * PAGE_SIZE;
	q->flags = 1 + sim_below(PAGERD_ADVISE_UNPIN);
	if (sim_one_in(2))
		q->flags = PAGERD_ADVISE_COLD;
	session_counts.advices++;
	ask(c);
}

/* => nobody else is changing mappings, nor forking */
static bool
is_quiet(const struct proc *p)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		enum task_op op = p->tasks[i].op;

		if (op == OP_EVENTS || op == OP_FORK || op == OP_ADVISE ||
		    op == OP_LIBRARY)
			return false;
	}
	return true;
}

/* => where what is mapped from v on ends */
static uint32_t
end_of_run(const struct vma *v)
{
	const struct vma *next;

	while ((next = TAILQ_NEXT(v, link)) != NULL && next->start == v->end)
		v = next;
	return v->end;
}

static void
begin_extend(struct task *t)
{
	struct vma *v = pick(t->proc);
	uint32_t n = 1 + sim_below(8), stop;
	struct pagerd_msg_request *q;
	struct call *c;

	if (v == NULL || v->clone_of != NULL || !is_quiet(t->proc))
		return;
	stop = end_of_run(v);
	if (stop + n >= SIM_PAGES)
		return;
	c = begin(t);
	c->making = true;
	c->kind.shared = v->shared;
	c->kind.image = v->image;
	set_range(c, v->start, stop + n);
	q = request(c, PAGERD_OP_EXTEND);
	q->addr = addr_of(v->start);
	q->len = (uint64_t)(stop + n - v->start) * PAGE_SIZE;
	session_counts.extends++;
	ask(c);
}

/* => where the snapshot has something and the process has room, or 0 */
static uint32_t
room_for(const struct snap *s, const struct proc *p)
{
	const struct vma *v;
	uint32_t n = 0, pg = 0;

	if (!s->holder->mm)
		return 0;
	TAILQ_FOREACH(v, &s->holder->vmas, link) {
		if (in_arena(v) && !(v->memfile != NULL && v->shared) &&
		    vma_is_free(p, v->start, v->end) && sim_below(++n) == 0)
			pg = v->start;
	}
	return pg;
}

static void
begin_clone(struct task *t)
{
	struct snap *s = NULL;
	uint32_t pg = 0, tries = 8;
	struct call *c;

	while (pg == 0 && tries-- > 0) {
		s = snap_clonable(t->proc->uid);
		pg = s != NULL ? room_for(s, t->proc) : 0;
	}
	if (s == NULL || (pg == 0 && !sim_one_in(4)))
		return;
	c = begin(t);
	c->snap = s;
	ask_clone(c, sim_one_in(4) ? 0 : pg);
}

static bool
is_forking(const struct proc *p)
{
	for (uint32_t i = 0; i < MAX_TASKS; i++) {
		if (p->tasks[i].op == OP_FORK)
			return true;
	}
	return false;
}

void
session_begin(struct task *t)
{
	const struct agent *a = t->proc->agent;
	uint32_t r = sim_below(100);

	if (t->proc->hostile || t->proc->space == 0 || a->state == AGENT_NONE ||
	    a->state == AGENT_GONE || is_forking(t->proc) || host.stopping)
		return;
	if (!t->proc->session)
		begin_open(t);
	else if (r < 22)
		begin_map(t);
	else if (r < 35)
		begin_map_file(t);
	else if (r < 68)
		begin_clone(t);
	else if (r < 76)
		begin_extend(t);
	else if (r < 80)
		begin_unlink(t);
	else if (r < 88)
		begin_query(t);
	else
		begin_advise(t);
}
