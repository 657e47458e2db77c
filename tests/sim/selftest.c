/*
 * selftest.c: the fake kernel against the facts that were measured
 *
 * No pager here: what is tested is the ground that the simulation stands on.
 * Each fact was tried on Linux 6.18 with a program of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent_fake.h"
#include "ctx.h"
#include "fds.h"
#include "imagefiles.h"
#include "kernel.h"
#include "oracle.h"
#include "peer.h"
#include "session.h"
#include "snap.h"
#include "task.h"

static struct proc *child_born;

/* Neither libpagerd nor snapshots are here. */
bool
session_ready(const struct task *t)
{
	(void)t;
	return false;
}

void
session_step(struct task *t)
{
	(void)t;
}

void
session_cancel(struct task *t)
{
	(void)t;
}

bool
snap_is_over(const struct proc *holder)
{
	(void)holder;
	return false;
}

struct opage **
snap_memory(const struct snap *s)
{
	(void)s;
	return NULL;
}

const struct opage *
images_memory(const struct simfile *f, uint32_t page)
{
	(void)f;
	(void)page;
	SIM_CHECK(!"there are no files");
	return NULL;
}

void
snap_ends(struct proc *holder)
{
	(void)holder;
}

struct fixture {
	struct proc *p;
	struct task *t, *u; /* two threads */
	int fd;             /* the main userfaultfd */
};

static void
born(struct proc *c)
{
	child_born = c;
}

/* A process with pages 10..30, registered MISSING|WP. */
static struct fixture
setup(void)
{
	struct fixture f = { .p = proc_new(NULL) };
	struct agent *a = f.p->agent;

	task_born = born;
	f.t = &f.p->tasks[0];
	f.u = &f.p->tasks[1];
	f.p->running = f.t->live = f.u->live = true;
	(void)vma_map(f.p, 10, 30);
	SIM_CHECK(agent_map_anchor(a) && agent_map_area(a));
	f.fd = fds_open(FD_UFFD, a->main_ctx);
	SIM_CHECK(uffd_enable(f.fd) == 0);
	SIM_CHECK(uffd_enable(f.fd) == -EINVAL);
	SIM_CHECK(uffd_register(f.fd, addr_of(10), 20 * PAGE_SIZE, true) == 0);
	return f;
}

static void
teardown(void)
{
	kernel_reset();
	fds_reset();
	ctx_reset();
}

static struct uffd_message
read_one(int fd)
{
	struct uffd_message m;

	SIM_CHECK(uffd_read(fd, &m, 1) == 1);
	return m;
}

static ssize_t
fill(int fd, uint32_t pg, uint32_t n, unsigned int flags)
{
	static uint8_t pages[8 * PAGE_SIZE];

	memset(pages, 7, sizeof(pages));
	return uffd_copy(fd, addr_of(pg), pages, n * PAGE_SIZE, flags);
}

/* The bytes come from outside: the oracle is told, as if they were written. */
static void
fill_known(struct fixture *f, uint32_t pg)
{
	uint8_t page[PAGE_SIZE];

	memset(page, 7, sizeof(page));
	SIM_CHECK(fill(f->fd, pg, 1, 0) == PAGE_SIZE);
	oracle_write(f->p, pg, 0, page, sizeof(page));
}

static void
run(struct task *t)
{
	while (t->op != OP_NONE && task_ready(t))
		task_step(t);
}

/* read() gives all faults that are pending before any event. */
static void
test_faults_first(void)
{
	struct fixture f = setup();

	task_advise(f.t, 20, 2, false);
	run(f.t);
	task_touch(f.u, OP_WRITE, 12, 1);
	run(f.u);
	SIM_CHECK(read_one(f.fd).kind == UFFD_MISSING);
	SIM_CHECK(read_one(f.fd).kind == UFFD_REMOVE);
	SIM_CHECK(!ctx_readable(f.p->main));
	teardown();
}

/* From an event's start until its waiter has run again nothing is filled. */
static void
test_changing(void)
{
	struct fixture f = setup();

	task_unmap(f.t, 20, 2);
	SIM_CHECK(fill(f.fd, 12, 1, 0) == -EAGAIN);
	run(f.t);
	SIM_CHECK(task_blocked(f.t));
	SIM_CHECK(read_one(f.fd).kind == UFFD_UNMAP);
	SIM_CHECK(fill(f.fd, 12, 1, 0) == -EAGAIN);
	SIM_CHECK(uffd_protect(f.fd, addr_of(12), PAGE_SIZE, true) == -EAGAIN);
	run(f.t);
	SIM_CHECK(f.t->op == OP_NONE);
	SIM_CHECK(fill(f.fd, 12, 1, 0) == PAGE_SIZE);
	SIM_CHECK(fill(f.fd, 12, 1, 0) == -EEXIST);
	SIM_CHECK(fill(f.fd, 20, 1, 0) == -ENOENT);
	SIM_CHECK(fill(f.fd, 19, 2, 0) == -ENOENT);
	teardown();
}

/* REMOVE is told before the pages go, UNMAP when they are gone. */
static void
test_order_of_removal(void)
{
	struct fixture f = setup();

	fill_known(&f, 20);
	fill_known(&f, 21);
	task_advise(f.t, 20, 1, false);
	run(f.t);
	SIM_CHECK(read_one(f.fd).kind == UFFD_REMOVE);
	SIM_CHECK(!pte_none(&f.p->pte[20]));
	run(f.t);
	SIM_CHECK(pte_none(&f.p->pte[20]));
	task_unmap(f.t, 21, 1);
	SIM_CHECK(pte_none(&f.p->pte[21]) && vma_find(f.p, 21) == NULL);
	teardown();
}

/* mremap: UNMAP of what it replaces, REMAP, UNMAP of where it was. */
static void
test_remap(void)
{
	static const enum uffd_kind kinds[] = { UFFD_UNMAP, UFFD_REMAP,
		UFFD_UNMAP };
	struct fixture f = setup();

	fill_known(&f, 11);
	task_remap(f.t, 10, 4, 20, 4, false);
	for (int i = 0; i < 3; i++) {
		run(f.t);
		SIM_CHECK(read_one(f.fd).kind == kinds[i]);
	}
	run(f.t);
	SIM_CHECK(f.t->op == OP_NONE && vma_find(f.p, 11) == NULL);
	SIM_CHECK(pte_data(&f.p->pte[21])[0] == 7);
	SIM_CHECK(vma_find(f.p, 21)->ctx == f.p->main);
	SIM_CHECK(oracle_allows(f.p, 21, pte_data(&f.p->pte[21])));
	teardown();
}

static struct proc *
do_fork(struct fixture *f, int *fd)
{
	struct uffd_message m;

	task_fork(f->t, false);
	run(f->t);
	m = read_one(f->fd);
	SIM_CHECK(m.kind == UFFD_FORK);
	*fd = m.fd;
	child_born = NULL;
	run(f->t);
	SIM_CHECK(child_born != NULL);
	return child_born;
}

/* Copy on write, with uffd-wp inherited; the anchor empty, staging absent. */
static void
test_fork(void)
{
	struct fixture f = setup();
	struct proc *c;
	int fd;

	fill_known(&f, 11);
	fill_known(&f, 12);
	SIM_CHECK(uffd_protect(f.fd, addr_of(12), PAGE_SIZE, true) == 0);
	c = do_fork(&f, &fd);
	SIM_CHECK(c->pte[11].frame == f.p->pte[11].frame);
	SIM_CHECK(c->pte[12].wp && vma_find(c, 12)->wp);
	SIM_CHECK(mm_access(c, 12, true) == ACCESS_WP);
	SIM_CHECK(mm_access(c, 13, false) == ACCESS_MISSING);
	SIM_CHECK(mm_access(c, 11, true) == ACCESS_DONE);
	SIM_CHECK(c->pte[11].frame != f.p->pte[11].frame);
	SIM_CHECK(pte_none(&c->pte[c->anchor]));
	SIM_CHECK(vma_find(c, f.p->agent->stage) == NULL);
	teardown();
}

/* MOVE: busy while shared, even by nobody any more; holes; no overwriting. */
static void
test_capture(void)
{
	struct fixture f = setup();
	uint32_t stage = f.p->agent->stage;
	struct proc *c;
	int fd;

	fill_known(&f, 11);
	fill_known(&f, 12);
	SIM_CHECK(mm_capture(f.p, 12, stage) == MOVE_DONE);
	SIM_CHECK(pte_none(&f.p->pte[12]));
	SIM_CHECK(mm_capture(f.p, 11, stage) == MOVE_EXIST);
	SIM_CHECK(mm_capture(f.p, 13, stage + 1) == MOVE_HOLE);
	c = do_fork(&f, &fd);
	SIM_CHECK(mm_capture(f.p, 11, stage + 1) == MOVE_BUSY);
	proc_kill(c);
	proc_drop_mm(c);
	SIM_CHECK(mm_capture(f.p, 11, stage + 1) == MOVE_BUSY);
	SIM_CHECK(mm_access(f.p, 11, true) == ACCESS_DONE);
	f.p->pte[11].frame->pins++;
	SIM_CHECK(mm_capture(f.p, 11, stage + 1) == MOVE_BUSY);
	f.p->pte[11].frame->pins--;
	SIM_CHECK(mm_capture(f.p, 11, stage + 1) == MOVE_DONE);
	teardown();
}

/* A missing page is not waited for; the process file tells what is there. */
static void
test_peer(void)
{
	struct fixture f = setup();
	int mem = fds_open(FD_MEM, f.p), map = fds_open(FD_PAGEMAP, f.p);
	uint8_t page[PAGE_SIZE], flags[3];

	SIM_CHECK(fill(f.fd, 11, 1, UFFD_PROTECT) == PAGE_SIZE);
	SIM_CHECK(peer_read(mem, addr_of(10), page, PAGE_SIZE) == -EIO);
	SIM_CHECK(peer_read(mem, addr_of(11), page, PAGE_SIZE) == 0);
	SIM_CHECK(peer_pages(map, addr_of(10), 3, flags) == 0);
	SIM_CHECK(flags[0] == 0 && flags[2] == 0);
	SIM_CHECK(flags[1] == (PEER_PRESENT | PEER_PROTECTED | PEER_EXCLUSIVE));
	proc_kill(f.p);
	proc_drop_mm(f.p);
	SIM_CHECK(peer_read(mem, addr_of(11), page, PAGE_SIZE) == -ESRCH);
	SIM_CHECK(fill(f.fd, 12, 1, 0) == -ESRCH);
	teardown();
}

/* The last close lets everybody go on, and missing pages read zero. */
static void
test_last_close(void)
{
	struct fixture f = setup();

	task_touch(f.t, OP_READ, 12, 1);
	run(f.t);
	SIM_CHECK(task_blocked(f.t));
	agent_refused(f.p->agent);
	SIM_CHECK(task_blocked(f.t));
	fds_close(f.fd);
	run(f.t);
	SIM_CHECK(f.t->op == OP_NONE && vma_find(f.p, 12)->ctx == NULL);
	teardown();
}

/* A wake without a fill brings the same fault again. */
static void
test_wake(void)
{
	struct fixture f = setup();

	task_touch(f.t, OP_READ, 12, 1);
	run(f.t);
	SIM_CHECK(read_one(f.fd).addr == addr_of(12));
	SIM_CHECK(!ctx_readable(f.p->main));
	SIM_CHECK(uffd_wake(f.fd, addr_of(12), PAGE_SIZE) == 0);
	run(f.t);
	SIM_CHECK(read_one(f.fd).addr == addr_of(12));
	SIM_CHECK(fill(f.fd, 12, 1, UFFD_NOWAKE) == PAGE_SIZE);
	SIM_CHECK(task_blocked(f.t));
	teardown();
}

int
main(void)
{
	sim.opt.seed = 1;
	sim.settling = true; /* nothing fails by chance */
	sim_dice(0);
	test_faults_first();
	test_changing();
	test_order_of_removal();
	test_remap();
	test_fork();
	test_capture();
	test_peer();
	test_last_close();
	test_wake();
	puts("the fake kernel is as the real one was found to be");
	return 0;
}
