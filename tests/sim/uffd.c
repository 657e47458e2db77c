/*
 * uffd.c: fake userfaultfds: src/io/uffd.h on the fake kernel
 */
#include "uffd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent_fake.h"
#include "ctx.h"
#include "fds.h"
#include "kernel.h"

#define CTX_MAX 1024

static struct ctx *ctxs[CTX_MAX];
static uint32_t nctxs;
struct ctx_counts ctx_counts;

struct ctx *
ctx_new(struct proc *p)
{
	struct ctx *c = calloc(1, sizeof(*c));

	SIM_CHECK(nctxs < CTX_MAX);
	ctxs[nctxs++] = c;
	c->proc = p;
	TAILQ_INIT(&c->unread);
	TAILQ_INIT(&c->read);
	TAILQ_INIT(&c->event);
	return c;
}

void
ctx_reset(void)
{
	while (nctxs > 0)
		free(ctxs[--nctxs]);
}

void
ctx_get(struct ctx *c)
{
	SIM_CHECK(!c->released);
	c->files++;
}

static void
unregister(struct proc *p, struct vma *v)
{
	for (uint32_t pg = v->start; pg < v->end; pg++)
		p->pte[pg].wp = false;
	v->ctx = NULL;
	v->wp = v->minor = false;
}

static void
wake(struct waiter *w, struct waiter_list *list)
{
	TAILQ_REMOVE(list, w, link);
	w->state = WAIT_WOKEN;
}

static void
wake_range(struct waiter_list *list, uint64_t start, uint64_t end)
{
	struct waiter *w, *next;

	TAILQ_FOREACH_SAFE(w, list, link, next) {
		if (w->msg.addr >= start && w->msg.addr < end)
			wake(w, list);
	}
}

static void
ctx_wake(struct ctx *c, uint64_t start, uint64_t end)
{
	wake_range(&c->unread, start, end);
	wake_range(&c->read, start, end);
}

static void release(struct ctx *);

/* Nobody has read of the fork, nor ever will: the child is not watched. */
static void
release_unread(const struct waiter *w)
{
	if (w->msg.kind == UFFD_FORK && !w->child->released)
		release(w->child);
}

static void
release(struct ctx *c)
{
	struct proc *p = c->proc;
	struct waiter *w, *next;
	struct vma *v;

	sim_trace("userfaultfd of %u released", p->pid);
	c->released = true;
	if (p->mm) {
		TAILQ_FOREACH(v, &p->vmas, link) {
			if (v->ctx == c)
				unregister(p, v);
		}
		vma_merge(p);
	}
	ctx_wake(c, 0, UINT64_MAX);
	TAILQ_FOREACH_SAFE(w, &c->event, link, next) {
		release_unread(w);
		wake(w, &c->event);
	}
}

void
ctx_put(struct ctx *c)
{
	SIM_CHECK(c->files > 0);
	if (--c->files == 0)
		release(c);
}

bool
ctx_readable(const struct ctx *c)
{
	return !TAILQ_EMPTY(&c->unread) || !TAILQ_EMPTY(&c->event);
}

void
ctx_fault(struct ctx *c, struct waiter *w, uint64_t addr, enum uffd_kind kind,
    bool write)
{
	SIM_CHECK(w->state == WAIT_IDLE && !c->released);
	w->ctx = c;
	w->since = sim.step;
	w->msg = (struct uffd_message){
		.kind = kind,
		.write = write,
		.tid = 1,
		.fd = -1,
		.addr = addr,
	};
	w->state = WAIT_FAULT_UNREAD;
	TAILQ_INSERT_TAIL(&c->unread, w, link);
	c->arrivals++;
	ctx_counts.wp_faults += kind == UFFD_WP;
	ctx_counts.minor_faults += kind == UFFD_MINOR;
	ctx_counts.faults += kind == UFFD_MISSING;
}

void
ctx_change_begin(struct ctx *c)
{
	c->changing++;
}

void
ctx_change_end(struct ctx *c)
{
	SIM_CHECK(c->changing > 0);
	c->changing--;
}

static bool
skipped(enum uffd_kind kind)
{
	switch (sim.opt.breaks) {
	case BREAK_SKIP_REMAP:
		return kind == UFFD_REMAP;
	case BREAK_SKIP_REMOVE:
		return kind == UFFD_REMOVE;
	case BREAK_SKIP_UNMAP:
		return kind == UFFD_UNMAP;
	default:
		return false;
	}
}

void
ctx_event(struct ctx *c, struct waiter *w)
{
	SIM_CHECK(w->state == WAIT_IDLE);
	w->ctx = c;
	w->since = sim.step;
	if (c->released)
		release_unread(w);
	if (c->released || skipped(w->msg.kind)) {
		w->state = WAIT_WOKEN;
		return;
	}
	w->state = WAIT_EVENT_UNREAD;
	TAILQ_INSERT_TAIL(&c->event, w, link);
	c->arrivals++;
}

void
ctx_cancel(struct waiter *w)
{
	switch (w->state) {
	case WAIT_FAULT_UNREAD:
		TAILQ_REMOVE(&w->ctx->unread, w, link);
		break;
	case WAIT_FAULT_READ:
		TAILQ_REMOVE(&w->ctx->read, w, link);
		break;
	case WAIT_EVENT_UNREAD:
		TAILQ_REMOVE(&w->ctx->event, w, link);
		break;
	case WAIT_IDLE:
	case WAIT_WOKEN:
		break;
	}
	w->state = WAIT_IDLE;
}

int
uffd_enable(int fd)
{
	struct ctx *c = fds_get(fd, FD_UFFD);

	if (c->enabled)
		return -EINVAL;
	c->enabled = true;
	sim_trace("enable(%d) of %u", fd, c->proc->pid);
	return 0;
}

struct range {
	struct ctx *ctx;
	struct proc *proc;
	uint32_t start, end; /* pages */
};

static struct range
range_get(int fd, uint64_t start, uint64_t len)
{
	struct ctx *c = fds_get(fd, FD_UFFD);
	struct range r = { .ctx = c, .proc = c->proc };

	if (start % PAGE_SIZE != 0 || len % PAGE_SIZE != 0 || len == 0 ||
	    page_of(start) == SIM_PAGES ||
	    page_of(start + len - 1) == SIM_PAGES)
		sim_fail("userfaultfd call on %#llx, %#llx",
		    (unsigned long long)start, (unsigned long long)len);
	SIM_CHECK(c->enabled);
	r.start = page_of(start);
	r.end = r.start + (uint32_t)(len / PAGE_SIZE);
	kernel_race(r.proc);
	return r;
}

/* Can the range be registered with this one?  Gaps are allowed. */
static int
register_check(const struct range *r, unsigned int mode)
{
	uint32_t n = 0;
	struct vma *v;

	TAILQ_FOREACH(v, &r->proc->vmas, link) {
		if (v->end <= r->start || v->start >= r->end)
			continue;
		if ((v->file || v->shared) && v->memfile == NULL)
			return -EINVAL;
		if (mode & UFFD_MODE_MINOR && v->memfile == NULL)
			return -EINVAL;
		if (v->busy || (v->ctx != NULL && v->ctx != r->ctx))
			return -EBUSY;
		n++;
	}
	return n > 0 ? 0 : -EINVAL;
}

static int
register_range(const struct range *r, unsigned int mode)
{
	struct vma *v;
	int rc;

	if (!r->proc->mm)
		return -ENOMEM;
	rc = register_check(r, mode);
	sim_trace("register(%u, %u..%u) = %d", r->proc->pid, r->start, r->end,
	    rc);
	if (rc < 0)
		return rc;
	vma_cut(r->proc, r->start, r->end);
	TAILQ_FOREACH(v, &r->proc->vmas, link) {
		if (v->start < r->start || v->end > r->end)
			continue;
		v->ctx = r->ctx;
		v->wp = mode & UFFD_MODE_WP;
		v->minor = mode & UFFD_MODE_MINOR;
	}
	vma_merge(r->proc);
	return 0;
}

int
uffd_register(int fd, uint64_t start, uint64_t len, unsigned int mode)
{
	struct range r = range_get(fd, start, len);

	return register_range(&r, mode);
}

int
ctx_register(struct ctx *c, uint32_t start, uint32_t end, unsigned int mode)
{
	struct range r = {
		.ctx = c,
		.proc = c->proc,
		.start = start,
		.end = end,
	};

	return register_range(&r, mode);
}

static int
unregister_check(const struct range *r)
{
	struct vma *v;
	uint32_t n = 0;

	if (!r->proc->mm)
		return -ENOMEM;
	TAILQ_FOREACH(v, &r->proc->vmas, link) {
		if (v->end <= r->start || v->start >= r->end)
			continue;
		if ((v->file && v->memfile == NULL) || v->busy ||
		    (v->ctx != NULL && v->ctx != r->ctx))
			return -EINVAL;
		n++;
	}
	return n > 0 ? 0 : -EINVAL;
}

static int
unregister_range(const struct range *r)
{
	int rc = unregister_check(r);
	struct vma *v;

	sim_trace("unregister(%u, %u..%u) = %d", r->proc->pid, r->start, r->end,
	    rc);
	if (rc < 0)
		return rc;
	vma_cut(r->proc, r->start, r->end);
	TAILQ_FOREACH(v, &r->proc->vmas, link) {
		if (v->start >= r->start && v->end <= r->end && v->ctx != NULL)
			unregister(r->proc, v);
	}
	vma_merge(r->proc);
	ctx_wake(r->ctx, addr_of(r->start), addr_of(r->end));
	return 0;
}

int
uffd_unregister(int fd, uint64_t start, uint64_t len)
{
	struct range r = range_get(fd, start, len);

	/* An agent that is given up (home.c) may go on just then. */
	if (r.start == r.proc->agent->stage && sim_one_in(2))
		r.proc->agent->stopped = false;
	return unregister_range(&r);
}

int
ctx_unregister(struct ctx *c, uint32_t start, uint32_t end)
{
	const struct range r = {
		.ctx = c,
		.proc = c->proc,
		.start = start,
		.end = end,
	};

	return unregister_range(&r);
}

static void
count_event(enum uffd_kind kind)
{
	ctx_counts.forks += kind == UFFD_FORK;
	ctx_counts.remaps += kind == UFFD_REMAP;
	ctx_counts.removes += kind == UFFD_REMOVE;
	ctx_counts.unmaps += kind == UFFD_UNMAP;
}

static void
read_event(struct ctx *c, struct waiter *w, struct uffd_message *m)
{
	*m = w->msg;
	count_event(m->kind);
	if (m->kind == UFFD_FORK)
		m->fd = fds_open(FD_UFFD, w->child);
	wake(w, &c->event);
}

static bool
read_one(struct ctx *c, struct uffd_message *m)
{
	struct waiter *w = TAILQ_FIRST(&c->unread);

	if (w != NULL) {
		*m = w->msg;
		TAILQ_REMOVE(&c->unread, w, link);
		TAILQ_INSERT_TAIL(&c->read, w, link);
		w->state = WAIT_FAULT_READ;
		return true;
	}
	w = TAILQ_FIRST(&c->event);
	if (w == NULL)
		return false;
	read_event(c, w, m);
	return true;
}

static const char *const kind_names[] = {
	[UFFD_MISSING] = "missing",
	[UFFD_MINOR] = "minor",
	[UFFD_WP] = "wp",
	[UFFD_FORK] = "fork",
	[UFFD_REMAP] = "remap",
	[UFFD_REMOVE] = "remove",
	[UFFD_UNMAP] = "unmap",
};

static void
trace_message(const struct ctx *c, const struct uffd_message *m)
{
	sim_trace("read %u: %s %u..%u to %u n %u fd %d%s", c->proc->pid,
	    kind_names[m->kind], page_of(m->addr), page_of(m->end),
	    page_of(m->to), (uint32_t)(m->len / PAGE_SIZE), m->fd,
	    m->write ? " write" : "");
}

ssize_t
uffd_read(int fd, struct uffd_message *out, size_t max)
{
	struct ctx *c = fds_get(fd, FD_UFFD);
	size_t n = 0;

	SIM_CHECK(c->enabled && max > 0);
	while (n < max && read_one(c, &out[n]))
		trace_message(c, &out[n++]);
	return (ssize_t)n;
}

static int
fill_check(const struct range *r)
{
	if (!r->proc->mm) {
		ctx_counts.esrch++;
		return -ESRCH;
	}
	if (r->ctx->changing > 0) {
		ctx_counts.again++;
		return -EAGAIN;
	}
	return 0;
}

/* The whole range has to lie in one registered mapping. */
static int
copy_check(const struct range *r, unsigned int flags, bool copies)
{
	struct vma *v;
	int rc = fill_check(r);

	if (rc < 0)
		return rc;
	v = vma_find(r->proc, r->start);
	if (v == NULL || v->ctx == NULL || v->end < r->end) {
		ctx_counts.noent++;
		return -ENOENT;
	}
	if (flags & UFFD_PROTECT && !v->wp)
		return -EINVAL;
	/* It would put a page into the file; the pager does that first. */
	SIM_CHECK(v->memfile == NULL || !v->shared || !copies);
	return 0;
}

static void
copy_page(const struct range *r, uint32_t pg, const uint8_t *src, bool wp)
{
	struct pte *e = &r->proc->pte[pg];

	e->poison = false;
	pte_install(e, src);
	e->wp = wp && sim.opt.breaks != BREAK_COPY_WP;
	if (sim.opt.breaks == BREAK_COPY_BYTE && sim_one_in(64))
		e->frame->data[sim_below(PAGE_SIZE)] ^= 1;
	if (sim.opt.breaks == BREAK_FORK_ZERO && r->proc->parent != NULL &&
	    sim_one_in(8))
		memset(e->frame->data, 0, PAGE_SIZE);
}

static int
continue_page(const struct range *r, uint32_t pg, unsigned int flags)
{
	struct vma *v = vma_find(r->proc, pg);
	struct pte *e = &r->proc->pte[pg];

	SIM_CHECK(v->memfile != NULL);
	if (v->memfile->frames[vma_file_page(v, pg)] == NULL)
		return -EFAULT;
	if (!pte_none(e))
		return -EEXIST;
	pte_map_file(e, v, pg);
	e->wp =
	    flags & UFFD_PROTECT && sim.opt.breaks != BREAK_CONTINUE_WRITABLE;
	ctx_counts.continues++;
	return 0;
}

ssize_t
uffd_continue(int fd, uint64_t start, size_t len, unsigned int flags)
{
	struct range r = range_get(fd, start, len);
	int rc = copy_check(&r, flags, false);
	uint32_t pg = r.start;

	for (; rc == 0 && pg < r.end; pg++) {
		if (pg > r.start && sim_one_in(50))
			break;
		rc = continue_page(&r, pg, flags);
		if (rc < 0)
			break;
	}
	sim_trace("continue(%u, %u..%u%s) = %d of %d", r.proc->pid, r.start,
	    r.end, flags & UFFD_PROTECT ? " wp" : "", (int)(pg - r.start), rc);
	if (pg == r.start)
		return rc;
	ctx_wake(r.ctx, start, addr_of(pg));
	return (ssize_t)(pg - r.start) * PAGE_SIZE;
}

ssize_t
uffd_copy(int fd, uint64_t dst, const void *src, size_t len, unsigned int flags)
{
	struct range r = range_get(fd, dst, len);
	const uint8_t *from = src;
	uint32_t pg = r.start;
	int rc = copy_check(&r, flags, true);

	if (rc == 0 && !sim.settling && sim_one_in(400))
		rc = -ENOMEM;
	for (; rc == 0 && pg < r.end; pg++, from += PAGE_SIZE) {
		if (!pte_none(&r.proc->pte[pg]))
			break;
		if (pg > r.start && sim_one_in(50))
			break; /* a part is always possible */
		copy_page(&r, pg, from, flags & UFFD_PROTECT);
	}
	if (rc == 0 && pg == r.start) {
		ctx_counts.exist++;
		rc = -EEXIST;
	}
	sim_trace("copy(%u, %u..%u%s) = %d of %d", r.proc->pid, r.start, r.end,
	    flags & UFFD_PROTECT ? " wp" : "", (int)(pg - r.start), rc);
	if (rc < 0)
		return rc;
	ctx_counts.partial += pg < r.end;
	if (!(flags & UFFD_NOWAKE) &&
	    !(sim.opt.breaks == BREAK_COPY_WAKE && sim_one_in(64)))
		ctx_wake(r.ctx, dst, addr_of(pg));
	return (ssize_t)(pg - r.start) * PAGE_SIZE;
}

static bool
is_ignored(const struct vma *v, const struct pte *e, bool protect)
{
	if (sim.opt.breaks == BREAK_PROTECT_NONE)
		return e->file;
	return sim.opt.breaks == BREAK_DROP_UNPROTECTED && protect &&
	       v->memfile != NULL && !e->file;
}

static int
protect_vmas(const struct range *r, bool protect)
{
	int rc = -ENOENT;
	struct vma *v;

	TAILQ_FOREACH(v, &r->proc->vmas, link) {
		uint32_t a = v->start > r->start ? v->start : r->start;
		uint32_t b = v->end < r->end ? v->end : r->end;

		if (a >= b)
			continue;
		if (v->ctx == NULL || !v->wp)
			return -ENOENT;
		for (; a < b; a++) {
			struct pte *e = &r->proc->pte[a];

			if (!pte_none(e) && !is_ignored(v, e, protect))
				e->wp = protect;
		}
		rc = 0;
	}
	return rc;
}

int
uffd_protect(int fd, uint64_t start, uint64_t len, bool protect)
{
	struct range r = range_get(fd, start, len);
	int rc = fill_check(&r);

	if (rc == 0)
		rc = protect_vmas(&r, protect);
	sim_trace("protect(%u, %u..%u, %d) = %d", r.proc->pid, r.start, r.end,
	    protect, rc);
	if (rc == 0 && !protect)
		ctx_wake(r.ctx, start, start + len);
	return rc;
}

int
uffd_wake(int fd, uint64_t start, uint64_t len)
{
	struct ctx *c = fds_get(fd, FD_UFFD);

	sim_trace("wake(%u, %u +%u)", c->proc->pid, page_of(start),
	    (uint32_t)(len / PAGE_SIZE));
	SIM_CHECK(start % PAGE_SIZE == 0 && len % PAGE_SIZE == 0 && len > 0);
	ctx_wake(c, start, start + len);
	return 0;
}

int
uffd_poison(int fd, uint64_t start, uint64_t len)
{
	struct range r = range_get(fd, start, len);
	int rc = copy_check(&r, 0, false);

	for (uint32_t pg = r.start; rc == 0 && pg < r.end; pg++) {
		if (!pte_none(&r.proc->pte[pg]))
			return -EEXIST;
		r.proc->pte[pg].poison = true;
		ctx_counts.poisons++;
	}
	sim_trace("poison(%u, %u..%u) = %d", r.proc->pid, r.start, r.end, rc);
	if (rc == 0)
		ctx_wake(r.ctx, start, start + len);
	return rc;
}
