/*
 * fuzzmem.c: a random program, and an oracle that knows every byte of it
 *
 * usage: fuzzmem MIB STEPS [raw]
 *
 * raw: forks also in ways that no library notices.
 *
 * All happens in a window of address space.  The oracle is one record for
 * each page of the window, in a shared mapping, which is never adopted.  A
 * part of the window that is not mapped is kept reserved, so that nobody else
 * is hit by what we do there; where somebody was faster, the page is lost to
 * us, and never touched again.
 *
 * A call may be refused where the kernel has split a mapping (EFAULT of
 * mremap): then nothing has changed, and the step does not count.
 */
#include "live.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_MAX 512
#define PROTECT_MAX 64 /* pages that are not writable cannot be captured */
#define CHILDREN_MAX 2
#define DEPTH_MAX 2
#define RW (PROT_READ | PROT_WRITE)

enum page_flags {
	P_MAPPED = 1,
	P_LOST = 2,  /* someone else's */
	P_MAYBE = 4, /* MADV_FREE: old content or zeros */
	P_WIPE = 8,  /* MADV_WIPEONFORK */
	P_KEEP = 16, /* MADV_DONTFORK */
};

struct pg {
	uint64_t tag;
	uint32_t map; /* pages mapped by one call are one mapping */
	uint8_t flags;
	uint8_t prot;
};

struct run {
	size_t from;
	size_t n;
};

static struct {
	uint8_t *base;
	size_t npages;
	struct pg *pg;
	size_t mapped, mapped_max;
	uint64_t rng;
	uint32_t maps;
	unsigned depth;
	pid_t children[CHILDREN_MAX];
	unsigned nchildren;
	size_t steps;
	bool raw;
} w;

static void live(size_t steps);

static size_t
pick(size_t n)
{
	return live_rng(&w.rng) % n;
}

static uint8_t *
at(size_t i)
{
	return w.base + i * PAGE;
}

static void
reserve(size_t from, size_t n)
{
	void *p = mmap(at(from), n * PAGE, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
	    -1, 0);

	if (p == at(from))
		return;
	if (p != MAP_FAILED)
		munmap(p, n * PAGE);
	if (n == 1) {
		w.pg[from].flags = P_LOST;
		return;
	}
	reserve(from, n / 2);
	reserve(from + n / 2, n - n / 2);
}

static void
forget(size_t from, size_t n)
{
	size_t i;

	for (i = from; i < from + n; i++) {
		w.mapped -= !!(w.pg[i].flags & P_MAPPED);
		w.pg[i] = (struct pg){ 0 };
	}
}

/* The kernel has unmapped it. */
static void
gone(size_t from, size_t n)
{
	forget(from, n);
	reserve(from, n);
}

static bool
same(const struct pg *a, const struct pg *b)
{
	return a->map == b->map && a->prot == b->prot &&
	       ((a->flags ^ b->flags) & ~P_MAYBE) == 0;
}

/* A random stretch of pages alike, with all bits of prot. */
static bool
pick_mapped(struct run *r, uint8_t prot)
{
	size_t max = 1 + pick(RUN_MAX);
	size_t tries;

	for (tries = 0; tries < 64; tries++) {
		r->from = pick(w.npages);
		if (!(w.pg[r->from].flags & P_MAPPED) ||
		    (w.pg[r->from].prot & prot) != prot)
			continue;
		for (r->n = 1; r->n < max && r->from + r->n < w.npages &&
			       same(&w.pg[r->from], &w.pg[r->from + r->n]);
		     r->n++)
			continue;
		return true;
	}
	return false;
}

static size_t
free_behind(size_t from, size_t max)
{
	size_t n = 0;

	while (n < max && from + n < w.npages && w.pg[from + n].flags == 0)
		n++;
	return n;
}

static bool
pick_free(struct run *r, size_t n)
{
	size_t tries;

	for (tries = 0; tries < 64; tries++) {
		r->from = pick(w.npages);
		r->n = free_behind(r->from, n);
		if (r->n == n)
			return true;
	}
	return false;
}

static void
now_mapped(size_t from, size_t n, struct pg like)
{
	size_t i;

	forget(from, n);
	for (i = from; i < from + n; i++)
		w.pg[i] = like;
	w.mapped += n;
}

static bool
map_at(struct run r)
{
	struct pg fresh = { 0, ++w.maps, P_MAPPED, RW };
	void *p = mmap(at(r.from), r.n * PAGE, RW,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		live_die("mmap: %s", strerror(errno));
	now_mapped(r.from, r.n, fresh);
	return true;
}

static bool
op_map(void)
{
	struct run r;
	size_t n = 1 + pick(4 * RUN_MAX);

	return w.mapped + n <= w.mapped_max && pick_free(&r, n) && map_at(r);
}

/* MAP_FIXED over what is there. */
static bool
op_replace(void)
{
	struct run r;

	return pick_mapped(&r, 0) && map_at(r);
}

static bool
op_unmap(void)
{
	struct run r;

	if (!pick_mapped(&r, 0))
		return false;
	if (munmap(at(r.from), r.n * PAGE) < 0)
		live_die("munmap: %s", strerror(errno));
	gone(r.from, r.n);
	return true;
}

static void
expect(size_t i, const char *where)
{
	struct pg *p = &w.pg[i];

	if (!(p->flags & P_MAYBE)) {
		page_expect(at(i), p->tag, where);
	} else if (page_is(at(i), 0)) {
		p->tag = 0;
		p->flags &= (uint8_t)~P_MAYBE;
	} else {
		page_expect(at(i), p->tag, where);
	}
}

static bool
op_read(void)
{
	struct run r;
	size_t i;

	if (!pick_mapped(&r, PROT_READ))
		return false;
	for (i = r.from; i < r.from + r.n; i++)
		expect(i, "read");
	return true;
}

static bool
op_write(void)
{
	struct run r;
	size_t i;

	if (!pick_mapped(&r, PROT_WRITE))
		return false;
	for (i = r.from; i < r.from + r.n; i++) {
		if (pick(4) == 0)
			expect(i, "before a write");
		w.pg[i].tag = pick(16) == 0 ? 0 : live_rng(&w.rng);
		w.pg[i].flags &= (uint8_t)~P_MAYBE;
		page_fill(at(i), w.pg[i].tag);
	}
	return true;
}

static bool
op_shrink(void)
{
	struct run r;
	size_t keep;

	if (!pick_mapped(&r, 0) || r.n < 2)
		return false;
	keep = 1 + pick(r.n - 1);
	if (mremap(at(r.from), r.n * PAGE, keep * PAGE, 0) == MAP_FAILED)
		live_die("mremap to less: %s", strerror(errno));
	gone(r.from + keep, r.n - keep);
	return true;
}

static bool
refused(const void *p, const char *what)
{
	if (p != MAP_FAILED)
		return false;
	if (errno != EFAULT && errno != EINVAL && errno != ENOMEM)
		live_die("%s: %s", what, strerror(errno));
	return true;
}

static bool
op_grow(void)
{
	struct run r;
	struct pg like;
	size_t more;
	size_t end;

	if (!pick_mapped(&r, 0))
		return false;
	end = r.from + r.n;
	more = free_behind(end, 1 + pick(RUN_MAX));
	if (more == 0 || w.mapped + more > w.mapped_max)
		return false;
	munmap(at(end), more * PAGE);
	if (refused(mremap(at(r.from), r.n * PAGE, (r.n + more) * PAGE, 0),
		"mremap to more")) {
		reserve(end, more);
		return false;
	}
	like = w.pg[r.from];
	like.tag = 0;
	like.flags &= (uint8_t)~P_MAYBE;
	now_mapped(end, more, like);
	return true;
}

/* Moves to free pages, with or without more of them behind. */
static bool
move(int flags, size_t more)
{
	struct run r;
	struct run to;
	struct pg like;
	void *p;

	if (!pick_mapped(&r, 0) || w.mapped + r.n + more > w.mapped_max ||
	    !pick_free(&to, r.n + more))
		return false;
	p = mremap(at(r.from), r.n * PAGE, to.n * PAGE,
	    MREMAP_MAYMOVE | MREMAP_FIXED | flags, at(to.from));
	if (refused(p, "mremap elsewhere")) {
		munmap(at(to.from), to.n * PAGE);
		gone(to.from, to.n);
		return false;
	}
	like = w.pg[r.from];
	like.map = ++w.maps;
	like.tag = 0;
	like.flags &= (uint8_t)~P_MAYBE;
	now_mapped(to.from, to.n, like);
	for (size_t i = 0; i < r.n; i++) {
		w.pg[to.from + i].tag = w.pg[r.from + i].tag;
		w.pg[to.from + i].flags = w.pg[r.from + i].flags;
		w.pg[r.from + i].tag = 0;
		w.pg[r.from + i].flags &= (uint8_t)~P_MAYBE;
	}
	if (!(flags & MREMAP_DONTUNMAP))
		gone(r.from, r.n);
	return true;
}

static bool
op_move(void)
{
	return move(0, 0);
}

static bool
op_move_grow(void)
{
	return move(0, 1 + pick(RUN_MAX));
}

static bool
op_move_stay(void)
{
	return move(MREMAP_DONTUNMAP, 0);
}

static bool
advise(int advice, uint8_t set, uint8_t clear)
{
	struct run r;
	size_t i;

	if (!pick_mapped(&r, 0))
		return false;
	if (madvise(at(r.from), r.n * PAGE, advice) < 0)
		live_die("madvise %d: %s", advice, strerror(errno));
	for (i = r.from; i < r.from + r.n; i++) {
		w.pg[i].flags |= set;
		w.pg[i].flags &= (uint8_t)~clear;
		if (advice == MADV_DONTNEED)
			w.pg[i].tag = 0;
	}
	return true;
}

static bool
op_dontneed(void)
{
	return advise(MADV_DONTNEED, 0, P_MAYBE);
}

static bool
op_free(void)
{
	return advise(MADV_FREE, P_MAYBE, 0);
}

static bool
op_on_fork(void)
{
	switch (pick(6)) {
	case 0:
		/* HACKING.md, known limits: what raw children do not get. */
		return w.raw ? false : advise(MADV_WIPEONFORK, P_WIPE, 0);
	case 1:
		return w.raw ? false : advise(MADV_DONTFORK, P_KEEP, 0);
	case 2:
	case 3:
		return advise(MADV_KEEPONFORK, 0, P_WIPE);
	default:
		return advise(MADV_DOFORK, 0, P_KEEP);
	}
}

static bool
op_protect(void)
{
	static const uint8_t prots[] = { RW, RW, RW, RW, RW, RW, PROT_READ,
		PROT_NONE };
	uint8_t prot = prots[pick(8)];
	struct run r;
	size_t i;

	if (!pick_mapped(&r, 0))
		return false;
	if (prot != RW && r.n > PROTECT_MAX)
		r.n = PROTECT_MAX;
	if (mprotect(at(r.from), r.n * PAGE, prot) < 0)
		live_die("mprotect: %s", strerror(errno));
	for (i = r.from; i < r.from + r.n; i++)
		w.pg[i].prot = prot;
	return true;
}

static void
verify_all(const char *where)
{
	size_t i;

	for (i = 0; i < w.npages; i++)
		if ((w.pg[i].flags & P_MAPPED) && (w.pg[i].prot & PROT_READ))
			expect(i, where);
}

static void
child_begin(struct pg *mine)
{
	size_t i;

	w.pg = mine;
	w.depth++;
	w.nchildren = 0;
	w.rng = live_mix(w.rng ^ w.depth);
	for (i = 0; i < w.npages; i++) {
		if (w.pg[i].flags & P_KEEP)
			gone(i, 1);
		if (w.pg[i].flags & P_WIPE) {
			w.pg[i].tag = 0;
			w.pg[i].flags &= (uint8_t)~P_MAYBE;
		}
	}
}

static pid_t
fork_somehow(void)
{
	switch (w.raw ? pick(3) : 0) {
	case 0:
		return fork();
	case 1:
		return _Fork();
	default:
		return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL,
		    NULL);
	}
}

static void
reap(void)
{
	size_t i = pick(w.nchildren);

	live_wait(w.children[i], "child");
	w.children[i] = w.children[--w.nchildren];
}

static bool
op_fork(void)
{
	size_t len = w.npages * sizeof(struct pg);
	struct pg *copy;
	pid_t pid;

	if (w.depth == DEPTH_MAX)
		return true;
	if (w.nchildren == CHILDREN_MAX)
		reap();
	copy = live_map_shared(len);
	memcpy(copy, w.pg, len);
	pid = fork_somehow();
	if (pid < 0)
		live_die("fork: %s", strerror(errno));
	if (pid == 0) {
		child_begin(copy);
		live(w.steps / 32);
		_exit(0);
	}
	munmap(copy, len);
	w.children[w.nchildren++] = pid;
	return true;
}

static struct {
	const char *name;
	bool (*run)(void);
	unsigned weight;
	size_t done;
} ops[] = {
	{ .name = "map", .run = op_map, .weight = 10 },
	{ .name = "replace", .run = op_replace, .weight = 2 },
	{ .name = "unmap", .run = op_unmap, .weight = 3 },
	{ .name = "read", .run = op_read, .weight = 40 },
	{ .name = "write", .run = op_write, .weight = 40 },
	{ .name = "shrink", .run = op_shrink, .weight = 2 },
	{ .name = "grow", .run = op_grow, .weight = 6 },
	{ .name = "move", .run = op_move, .weight = 4 },
	{ .name = "move-grow", .run = op_move_grow, .weight = 4 },
	{ .name = "move-stay", .run = op_move_stay, .weight = 4 },
	{ .name = "dontneed", .run = op_dontneed, .weight = 4 },
	{ .name = "free", .run = op_free, .weight = 3 },
	{ .name = "on-fork", .run = op_on_fork, .weight = 2 },
	{ .name = "protect", .run = op_protect, .weight = 6 },
	{ .name = "fork", .run = op_fork, .weight = 1 },
};
#define NOPS (sizeof(ops) / sizeof(ops[0]))

static size_t
pick_op(void)
{
	unsigned total = 0;
	size_t i;
	size_t x;

	for (i = 0; i < NOPS; i++)
		total += ops[i].weight;
	x = pick(total);
	for (i = 0; x >= ops[i].weight; i++)
		x -= ops[i].weight;
	return i;
}

static void
live(size_t steps)
{
	size_t i;
	size_t op;

	for (i = 0; i < steps; i++) {
		op = pick_op();
		ops[op].done += ops[op].run();
		if (i % 512 == 511)
			verify_all("all");
	}
	verify_all("at the end");
	while (w.nchildren > 0)
		reap();
}

static void
window_new(size_t pages)
{
	w.npages = pages * 3;
	w.mapped_max = pages;
	w.pg = live_map_shared(w.npages * sizeof(*w.pg));
	w.base = mmap(NULL, w.npages * PAGE, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w.base == MAP_FAILED)
		live_die("mmap: %s", strerror(errno));
}

int
main(int argc, char **argv)
{
	size_t i;

	if (argc < 3 || argc > 4)
		live_die("usage: fuzzmem MIB STEPS [raw]");
	w.raw = argc == 4;
	window_new(live_mib(argv[1]) / PAGE);
	w.steps = strtoul(argv[2], NULL, 10);
	w.rng = live_seed();
	while (w.mapped < w.mapped_max / 2)
		op_map();
	for (i = 0; i < w.npages; i++)
		if (w.pg[i].flags & P_MAPPED) {
			w.pg[i].tag = live_rng(&w.rng);
			page_fill(at(i), w.pg[i].tag);
		}
	live(w.steps);
	live_hold("done");
	verify_all("after the end");
	for (i = 0; i < NOPS; i++) {
		fprintf(stderr, "%s %zu\n", ops[i].name, ops[i].done);
		if (w.steps >= 2000 && ops[i].done == 0)
			live_die("no \"%s\" succeeded", ops[i].name);
	}
	printf("fuzzmem: %zu steps, every byte right\n", w.steps);
	return 0;
}
