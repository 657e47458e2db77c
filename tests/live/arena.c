/*
 * arena.c: memory that a program asks pagerd for, by libpagerd
 *
 * usage: arena anon MIB | shared MIB | clones MIB COUNT | written MIB COUNT |
 *	alone MIB
 *
 * Every page has a tag that says what is in it, as in the other programs.
 *
 *	anon	map, push out, cut, extend, fork, advise
 *	shared	two programs write the two halves of one memory by turns
 *	clones	COUNT programs clone a snapshot, read all of it, write halves
 *	written	COUNT programs clone it, write halves, and all that has to go
 *	alone	all kinds at a time; the daemon stops, and they are still right
 *	depend	a clone that nobody has read yet; the daemon is killed
 *
 * "peer", "cloner" and "writer" are what it starts itself as.
 */
#include "live.h"
#include "others.h"

#include <sys/mman.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagerd.h>

#define CLONES_MAX 16

static struct pagerd *pager;

static void
area_map(struct area *a, size_t npages, const char *name, unsigned int flags)
{
	void *base;

	live_must(pagerd_map(pager, NULL, npages * PAGE, name, 0, flags, &base),
	    "pagerd_map");
	a->base = base;
	a->npages = npages;
	a->tags = live_map_shared(npages * sizeof(*a->tags));
}

static struct pagerd_region
query(const void *addr)
{
	struct pagerd_region r;

	live_must(pagerd_query(pager, addr, &r), "pagerd_query");
	return r;
}

static void
check_errors(const struct area *a)
{
	void *p;

	live_must_fail(pagerd_map(pager, NULL, 100, NULL, 0, 0, &p), EINVAL,
	    "a length that is no page");
	live_must_fail(pagerd_map(pager, a->base, PAGE, NULL, 0, PAGERD_FIXED,
			   &p),
	    EEXIST, "FIXED over memory");
	live_must_fail(pagerd_map(pager, NULL, PAGE, "nobody", 0, 0, &p),
	    ENOENT, "shared memory that is not there");
	live_must_fail(pagerd_clone(pager, "nobody"), ENOENT,
	    "no such snapshot");
	live_must_fail(pagerd_drop(pager, "nobody"), ENOENT, "drop of nothing");
	live_must_fail(pagerd_unlink(pager, "nobody"), ENOENT,
	    "unlink of nothing");
	live_must_fail(pagerd_unmap(pager, (void *)&p, PAGE), EINVAL,
	    "memory outside of the arena");
	live_must_fail(pagerd_advise(pager, a->base + a->npages * PAGE, PAGE,
			   PAGERD_COLD),
	    ENOMEM, "advice on nothing");
}

static void
in_child(struct area *a)
{
	pid_t pid = live_fork();

	if (pid == 0) {
		area_verify(a, 0, a->npages, "in a child");
		area_fill(a, 0, a->npages / 2, 50);
		area_verify(a, 0, a->npages, "written by a child");
		_exit(0);
	}
	live_wait(pid, "the child");
}

/* A child has excluded memory too, and its addresses are nobody else's. */
static void
check_excluded(struct area *a, size_t page)
{
	pid_t pid = live_fork();
	void *p;

	if (pid == 0) {
		live_squeeze();
		area_verify(a, page, 64, "excluded, in a child");
		_exit(0);
	}
	live_wait(pid, "the child");
	live_must_fail(pagerd_map(pager, a->base + page * PAGE, PAGE, NULL, 0,
			   PAGERD_FIXED, &p),
	    EEXIST, "over excluded memory");
	live_must(pagerd_unmap(pager, a->base + (page + 63) * PAGE, PAGE),
	    "unmap");
	live_must(pagerd_map(pager, a->base + (page + 63) * PAGE, PAGE, NULL, 0,
		      PAGERD_FIXED, &p),
	    "where excluded memory was");
	a->tags[page + 63] = 0;
	area_verify(a, page, 64, "beside a new page");
}

/* What is brought in ahead, in order, ends where a mapping does. */
static void
verify_split(const struct area *a, const char *where)
{
	uint8_t *middle = a->base + a->npages / 2 * PAGE;
	size_t len = a->npages * PAGE;

	live_must(pagerd_advise(pager, a->base, len, PAGERD_SEQUENTIAL),
	    "in order");
	if (mprotect(middle, PAGE, PROT_READ) < 0)
		live_die("mprotect: %s", strerror(errno));
	area_verify(a, 0, a->npages, where);
	if (mprotect(middle, PAGE, PROT_READ | PROT_WRITE) < 0)
		live_die("mprotect: %s", strerror(errno));
	live_must(pagerd_advise(pager, a->base, len, PAGERD_NORMAL), "as ever");
}

static void
op_anon(size_t npages)
{
	size_t third = npages / 3 & ~(size_t)1, tail = npages - 2 * third;
	struct area a, copy;
	void *p;

	area_map(&a, npages, NULL, 0);
	area_fill(&a, 0, npages, 1);
	live_push_area(&a);
	verify_split(&a, "back");
	check_errors(&a);
	live_must(pagerd_unmap(pager, a.base + third * PAGE, third * PAGE),
	    "unmap");
	area_verify(&a, 0, third, "before the hole");
	area_verify(&a, 2 * third, tail, "behind the hole");
	live_must(pagerd_map(pager, a.base + third * PAGE, third * PAGE / 2,
		      NULL, 0, PAGERD_FIXED, &p),
	    "map into the hole");
	live_must(pagerd_extend(pager, p, third * PAGE), "extend");
	live_must_fail(pagerd_extend(pager, p, (third + 1) * PAGE), ENOMEM,
	    "extend over memory");
	memset(a.tags + third, 0, third * sizeof(*a.tags));
	area_verify(&a, 0, npages, "with a new middle");
	area_fill(&a, third, third, 2);
	live_push_area(&a);
	copy = area_copy(&a);
	in_child(&copy);
	area_verify(&a, 0, npages, "after a child");
	live_must(pagerd_advise(pager, a.base, third * PAGE, PAGERD_SEQUENTIAL),
	    "sequential");
	live_must(pagerd_advise(pager, a.base, third * PAGE, PAGERD_COLD),
	    "cold");
	live_must(pagerd_advise(pager, a.base + third * PAGE, 16 * PAGE,
		      PAGERD_PIN),
	    "pin");
	live_squeeze();
	if (live_out(a.base + third * PAGE, 16 * PAGE) != 0)
		live_die("a pinned page is out");
	live_must(pagerd_advise(pager, a.base + 2 * third * PAGE, 64 * PAGE,
		      PAGERD_EXCLUDE),
	    "exclude");
	live_squeeze();
	if (live_out(a.base + 2 * third * PAGE, 64 * PAGE) != 0)
		live_die("an excluded page is out");
	check_excluded(&a, 2 * third);
	area_verify(&a, 0, npages, "at the end");
	live_must(pagerd_unmap(pager, a.base, npages * PAGE), "unmap all");
	live_must_fail(pagerd_query(pager, NULL, &(struct pagerd_region){ 0 }),
	    ENOENT, "a region after all were unmapped");
}

#define ROUNDS 6

/* Tags that both sides know: of round r, for page i. */
static void
tag_half(struct area *a, uint64_t round, unsigned int half)
{
	for (size_t i = half * a->npages / 2; i < (half + 1) * a->npages / 2;
	     i++)
		a->tags[i] = live_tag(1000 + round, i);
}

static void
fill_half(struct area *a, unsigned int half)
{
	for (size_t i = half * a->npages / 2; i < (half + 1) * a->npages / 2;
	     i++)
		page_fill(a->base + i * PAGE, a->tags[i]);
}

/* By turns each writes its half, and looks at all. */
static void
turns(struct area *a, unsigned int half, int from, int to)
{
	for (uint64_t round = 0; round < ROUNDS; round++) {
		if (half == 1)
			(void)live_hear(from);
		tag_half(a, round, 0);
		if (half == 0) {
			fill_half(a, 0);
			live_say(to, round);
			(void)live_hear(from);
		}
		tag_half(a, round, 1);
		if (half == 1) {
			fill_half(a, 1);
			live_say(to, round);
		}
		area_verify(a, 0, a->npages, "shared");
	}
}

static void
op_peer(const char *name, size_t npages)
{
	struct area a;

	area_map(&a, npages, name, 0);
	turns(&a, 1, STDIN_FILENO, STDOUT_FILENO);
	live_say(STDOUT_FILENO, query(a.base).users);
}

static void
op_shared(size_t npages)
{
	char name[32], pages[32];
	char *argv[] = { program_invocation_name, "peer", pages, name, NULL };
	struct live_other peer;
	struct area a;
	uint64_t out;
	void *p;

	snprintf(name, sizeof(name), "live-%d", (int)getpid());
	snprintf(pages, sizeof(pages), "%zu", npages * PAGE / MIB);
	area_map(&a, npages, name, PAGERD_CREATE | PAGERD_EXCLUSIVE);
	live_must_fail(pagerd_map(pager, NULL, npages * PAGE, name, 0,
			   PAGERD_CREATE | PAGERD_EXCLUSIVE, &p),
	    EEXIST, "a name that is taken");
	live_must_fail(pagerd_map(pager, NULL, PAGE, name, npages * PAGE, 0,
			   &p),
	    EINVAL, "pages that it does not have");
	live_start(&peer, argv);
	turns(&a, 0, peer.out, peer.in);
	if (live_hear(peer.out) != 2)
		live_die("it is not mapped twice");
	live_wait(peer.pid, "the peer");
	out = query(a.base).out;
	if (live_limit() > 0 && out == 0)
		live_die("nothing of it was ever out");
	in_child(&(struct area){ a.base, a.npages / 2, a.tags });
	area_verify(&a, 0, a.npages, "after a child wrote");
	live_must(pagerd_unlink(pager, name), "unlink");
	live_must_fail(pagerd_map(pager, NULL, PAGE, name, 0, 0, &p), ENOENT,
	    "a name that is free");
	area_verify(&a, 0, a.npages, "without a name");
	live_must(pagerd_unmap(pager, a.base, a.npages * PAGE), "unmap");
}

static bool
is_mine(size_t page, unsigned int who)
{
	return ((page >> 3) + who) % 2 == 0;
}

/* => all that the snapshot has in the arena */
static struct area
clone_area(const char *name)
{
	struct pagerd_region r;
	struct area a;

	live_must(pagerd_clone(pager, name), "pagerd_clone");
	live_must_fail(pagerd_clone(pager, name), EEXIST, "a second clone");
	r = query(NULL);
	a.base = r.addr;
	a.npages = r.len / PAGE;
	a.tags = live_map_shared(a.npages * sizeof(*a.tags));
	for (size_t i = 0; i < a.npages; i++)
		a.tags[i] = live_tag(1, i);
	return a;
}

static void
write_mine(struct area *a, unsigned int who, uint64_t salt)
{
	for (size_t i = 0; i < a->npages; i++)
		if (is_mine(i, who)) {
			a->tags[i] = live_tag(salt, i);
			page_fill(a->base + i * PAGE, a->tags[i]);
		}
}

static void
op_cloner(const char *name, unsigned int who)
{
	struct area a = clone_area(name);

	if (who == 0)
		verify_split(&a, "cloned, in order");
	area_verify(&a, 0, a.npages, "cloned");
	live_say(STDOUT_FILENO, 1);
	(void)live_hear(STDIN_FILENO); /* all have read all */
	live_say(STDOUT_FILENO, live_pss(a.base));
	(void)live_hear(STDIN_FILENO);
	write_mine(&a, who, 100 + who);
	area_verify(&a, 0, a.npages, "half written");
	live_say(STDOUT_FILENO, query(a.base).users);
	(void)live_hear(STDIN_FILENO);
	area_verify(&a, 0, a.npages, "at the end");
}

/* What a child has and writes is its own, in memory or not. */
static void
writer_child(const struct area *a, unsigned int who)
{
	struct area copy = area_copy(a);
	pid_t pid = live_fork();

	if (pid == 0) {
		area_verify(&copy, 0, copy.npages, "in a clone's child");
		write_mine(&copy, who, 300 + who);
		area_verify(&copy, 0, copy.npages, "written by a child");
		_exit(0);
	}
	write_mine(&(struct area){ a->base, a->npages / 4, a->tags }, who,
	    400 + who);
	live_wait(pid, "a clone's child");
}

static atomic_bool pressing;

/* A thread that writes the upper half over and over: something has to go. */
static void *
press(void *arg)
{
	struct area *a = arg;

	for (uint64_t salt = 500; pressing; salt++)
		area_fill(a, a->npages / 2, a->npages - a->npages / 2, salt);
	return NULL;
}

/* What is thrown away, while it goes or is gone, is the snapshot's again. */
static void
throw_away(struct area *a)
{
	size_t half = a->npages / 2, from, n;
	uint64_t rng = live_seed();
	pthread_t thread;

	pressing = true;
	if (pthread_create(&thread, NULL, press, a) != 0)
		live_die("no thread");
	for (unsigned int round = 0; round < 200; round++) {
		from = live_rng(&rng) % half;
		n = 1 +
		    live_rng(&rng) % (half - from < 512 ? half - from : 512);
		area_fill(a, from, n, 600 + round);
		from += live_rng(&rng) % n;
		n = 1 +
		    live_rng(&rng) % (half - from < 256 ? half - from : 256);
		if (madvise(a->base + from * PAGE, n * PAGE, MADV_DONTNEED) < 0)
			live_die("madvise: %s", strerror(errno));
		for (size_t i = from; i < from + n; i++)
			a->tags[i] = live_tag(1, i);
		area_verify(a, from, n, "thrown away");
	}
	pressing = false;
	pthread_join(thread, NULL);
}

static void
op_writer(const char *name, unsigned int who)
{
	struct area a = clone_area(name);

	write_mine(&a, who, 100 + who);
	area_verify(&a, 0, a.npages, "half written");
	live_say(STDOUT_FILENO, query(a.base).out);
	(void)live_hear(STDIN_FILENO); /* all have written */
	area_verify(&a, 0, a.npages, "again");
	live_say(STDOUT_FILENO, 0);
	(void)live_hear(STDIN_FILENO);
	if (who == 0)
		writer_child(&a, who);
	else if (who == 1)
		throw_away(&a);
	area_verify(&a, 0, a.npages, "at the end");
}

static void
op_clones(size_t npages, unsigned int n)
{
	char name[32], who[16];
	char *argv[] = { program_invocation_name, "cloner", "1", name, who,
		NULL };
	struct live_other c[CLONES_MAX];
	struct area a;
	uint64_t pss;

	snprintf(name, sizeof(name), "live-%d", (int)getpid());
	area_map(&a, npages, NULL, 0);
	area_fill(&a, 0, npages, 1);
	live_must(pagerd_snapshot(pager, name), "pagerd_snapshot");
	live_must_fail(pagerd_snapshot(pager, name), EEXIST,
	    "a name that is taken");
	area_fill(&a, 0, npages / 2, 2); /* no clone sees that */
	for (unsigned int i = 0; i < n; i++) {
		snprintf(who, sizeof(who), "%u", i);
		live_start(&c[i], argv);
	}
	(void)live_ask_all(c, n);
	pss = live_ask_all(c, n);
	if (live_limit() > 4 * npages * PAGE && pss > npages * PAGE * 5 / 4)
		live_die("%u clones take %zu MiB, not %zu", n,
		    (size_t)(pss / MIB), npages * PAGE / MIB);
	live_must(pagerd_drop(pager, name), "pagerd_drop");
	live_must_fail(pagerd_clone(pager, name), ENOENT,
	    "a snapshot that is gone");
	(void)live_ask_all(c, n);
	for (unsigned int i = 0; i < n; i++)
		live_wait(c[(i * 3 + 1) % n].pid, "a clone");
	area_verify(&a, 0, npages, "what was cloned");
	live_must(pagerd_unmap(pager, a.base, npages * PAGE), "unmap");
}

static void
op_written(size_t npages, unsigned int n)
{
	char name[32], who[16];
	char *argv[] = { program_invocation_name, "writer", "1", name, who,
		NULL };
	struct live_other c[CLONES_MAX] = { 0 };
	struct area a;

	snprintf(name, sizeof(name), "live-%d", (int)getpid());
	area_map(&a, npages, NULL, 0);
	area_fill(&a, 0, npages, 1);
	live_must(pagerd_snapshot(pager, name), "pagerd_snapshot");
	live_must(pagerd_unmap(pager, a.base, a.npages * PAGE), "unmap");
	for (unsigned int i = 0; i < n; i++) {
		snprintf(who, sizeof(who), "%u", i);
		live_start(&c[i], argv);
	}
	if (live_ask_all(c, n) < n * npages / 2 * PAGE - live_limit())
		live_die("what was written has not gone");
	(void)live_ask_all(c, n);
	for (unsigned int i = 0; i < n; i++)
		live_wait(c[i].pid, "a clone");
	live_must(pagerd_drop(pager, name), "pagerd_drop");
}

/* What was a page of the snapshot is one of its clone. */
static void
become_clone(struct area *a, const char *name)
{
	live_must(pagerd_snapshot(pager, name), "pagerd_snapshot");
	live_must(pagerd_unmap(pager, a->base, a->npages * PAGE), "unmap");
	live_must(pagerd_clone(pager, name), "pagerd_clone");
}

static void
clone_self(struct area *a, const char *name)
{
	area_map(a, a->npages, NULL, 0);
	area_fill(a, 0, a->npages, 5);
	live_push_area(a);
	become_clone(a, name);
	area_verify(a, 0, a->npages / 3, "some of a clone");
	area_fill(a, a->npages / 4, a->npages / 8, 6);
}

static void
op_alone(size_t npages)
{
	struct area kinds[3] = { { .npages = npages } };
	char name[32];
	pid_t pid;

	snprintf(name, sizeof(name), "live-%d", (int)getpid());
	clone_self(&kinds[0], name);
	area_map(&kinds[1], npages, name, PAGERD_CREATE);
	area_map(&kinds[2], npages, NULL, 0);
	area_fill(&kinds[1], 0, npages, 7);
	area_fill(&kinds[2], 0, npages, 8);
	live_squeeze();
	pid = live_fork();
	live_hold(pid == 0 ? "child" : "parent");
	if (pid == 0) {
		area_fill(&kinds[1], npages / 2, npages / 2, 9);
		_exit(0);
	}
	live_wait(pid, "the child");
	for (unsigned int i = 0; i < 3; i++) {
		area_verify(&kinds[i], 0, npages, "alone");
		area_fill(&kinds[i], 0, npages, 40 + i);
		area_verify(&kinds[i], 0, npages, "written alone");
	}
	/* Named to the end: a daemon that has stopped must leave it alone. */
	if (pagerd_unlink(pager, name) != -ECONNRESET)
		live_must_fail(pagerd_unlink(pager, name), ENOENT,
		    "unlink again");
}

static void
op_depend(size_t npages)
{
	struct area a = { .npages = npages };
	char name[32];

	snprintf(name, sizeof(name), "live-%d", (int)getpid());
	area_map(&a, npages, NULL, 0);
	area_fill(&a, 0, npages, 5);
	become_clone(&a, name);
	live_hold("depend");
	area_verify(&a, 0, npages, "without a daemon");
}

int
main(int argc, char **argv)
{
	const char *op = argc > 2 ? argv[1] : "";
	size_t n;

	if (argc < 3)
		live_die("usage: arena anon MIB | shared MIB | clones MIB N");
	n = live_mib(argv[2]) / PAGE;
	live_must(pagerd_open(NULL, &pager), "pagerd_open");
	if (strcmp(op, "anon") == 0)
		op_anon(n);
	else if (strcmp(op, "shared") == 0)
		op_shared(n);
	else if (strcmp(op, "clones") == 0 && argc == 4)
		op_clones(n, (unsigned int)atoi(argv[3]));
	else if (strcmp(op, "written") == 0 && argc == 4)
		op_written(n, (unsigned int)atoi(argv[3]));
	else if (strcmp(op, "writer") == 0 && argc == 5)
		op_writer(argv[3], (unsigned int)atoi(argv[4]));
	else if (strcmp(op, "alone") == 0)
		op_alone(n);
	else if (strcmp(op, "depend") == 0)
		op_depend(n);
	else if (strcmp(op, "peer") == 0 && argc == 4)
		op_peer(argv[3], n);
	else if (strcmp(op, "cloner") == 0 && argc == 5)
		op_cloner(argv[3], (unsigned int)atoi(argv[4]));
	else
		live_die("no such operation");
	pagerd_close(pager);
	if (strcmp(op, "peer") != 0 && strcmp(op, "cloner") != 0 &&
	    strcmp(op, "writer") != 0)
		printf("%s: fine\n", op);
	return 0;
}
