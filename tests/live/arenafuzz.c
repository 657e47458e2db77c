/*
 * arenafuzz.c: a random program on libpagerd, and an oracle of its bytes
 *
 * usage: arenafuzz MIB STEPS
 *
 * Regions of its own, shared ones, and images of a file come and go, are
 * written, read, cut, extended, advised on, inherited by children; and now and
 * then all of its own are given up and come back as clones of a snapshot.
 */
#include "live.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagerd.h>

#define REGIONS 12
#define SHARED 3
#define PAGES_MAX 1024

static struct {
	struct pagerd *pager;
	struct area own[REGIONS]; /* base NULL: not there */
	bool clone[REGIONS];      /* or an image */
	struct area shared[SHARED];
	char names[SHARED][32];
	size_t npages, npages_max; /* of own */
	int file;                  /* of PAGES_MAX pages */
	uint64_t rng, salt, file_salt;
	size_t snapshots, children, refused, images;
} w;

static size_t
below(size_t n)
{
	return live_rng(&w.rng) % n;
}

static struct area *
any_own(void)
{
	struct area *a = &w.own[below(REGIONS)];

	return a->base != NULL ? a : NULL;
}

static struct area *
any(void)
{
	if (below(3) > 0)
		return any_own();
	return &w.shared[below(SHARED)];
}

static void
op_map(void)
{
	struct area *a = &w.own[below(REGIONS)];
	size_t n = 1 + below(PAGES_MAX);
	void *base;

	if (a->base != NULL || w.npages + n > w.npages_max)
		return;
	live_must(pagerd_map(w.pager, NULL, n * PAGE, NULL, 0, 0, &base),
	    "map");
	a->base = base;
	a->npages = n;
	w.clone[a - w.own] = false;
	memset(a->tags, 0, PAGES_MAX * sizeof(*a->tags));
	w.npages += n;
}

static void
write_file(void)
{
	uint64_t page[LIVE_WORDS];

	w.file = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	w.file_salt = ++w.salt;
	for (size_t i = 0; i < PAGES_MAX; i++) {
		page_fill(page, live_tag(w.file_salt, i));
		if (write(w.file, page, PAGE) != (ssize_t)PAGE)
			live_die("a file: %s", strerror(errno));
	}
}

static void
op_map_file(void)
{
	struct area *a = &w.own[below(REGIONS)];
	size_t from = below(PAGES_MAX), n = 1 + below(PAGES_MAX - from);
	void *base;

	if (a->base != NULL || w.npages + n > w.npages_max)
		return;
	if (below(4) == 0) {
		close(w.file);
		write_file();
	}
	live_must(pagerd_map_file(w.pager, NULL, n * PAGE, w.file, from * PAGE,
		      0, &base),
	    "map a file");
	a->base = base;
	a->npages = n;
	w.clone[a - w.own] = true;
	for (size_t i = 0; i < n; i++)
		a->tags[i] = live_tag(w.file_salt, from + i);
	w.npages += n;
	w.images++;
}

static void
give_up(struct area *a)
{
	live_must(pagerd_unmap(w.pager, a->base, a->npages * PAGE), "unmap");
	w.npages -= a->npages;
	a->base = NULL;
}

static void
op_unmap(void)
{
	struct area *a = any_own();

	if (a != NULL)
		give_up(a);
}

/*
 * Longer or shorter, if nothing is in the way.  What a clone gets back is the
 * snapshot's, of which we know nothing any more.
 */
static void
op_extend(void)
{
	struct area *a = any_own();
	size_t n = 1 + below(PAGES_MAX);
	int rc;

	if (a == NULL || w.npages + n - a->npages > w.npages_max ||
	    (w.clone[a - w.own] && n > a->npages))
		return;
	rc = pagerd_extend(w.pager, a->base, n * PAGE);
	if (rc == -ENOMEM && n > a->npages) {
		w.refused++;
		return;
	}
	live_must(rc, "extend");
	for (size_t i = a->npages; i < n; i++)
		a->tags[i] = 0;
	w.npages += n - a->npages;
	a->npages = n;
}

static void
op_write(void)
{
	struct area *a = any();
	size_t from, n;

	if (a == NULL)
		return;
	from = below(a->npages);
	n = 1 + below(a->npages - from);
	area_fill(a, from, n, ++w.salt);
}

static void
op_read(void)
{
	struct area *a = any();
	size_t from;

	if (a == NULL)
		return;
	from = below(a->npages);
	area_verify(a, from, 1 + below(a->npages - from), "read");
}

static void
op_advise(void)
{
	static const enum pagerd_advise advice[] = { PAGERD_COLD,
		PAGERD_SEQUENTIAL, PAGERD_NORMAL, PAGERD_WILLNEED };
	struct area *a = any();
	size_t from;

	if (a == NULL)
		return;
	from = below(a->npages);
	live_must(pagerd_advise(w.pager, a->base + from * PAGE,
		      (1 + below(a->npages - from)) * PAGE, advice[below(4)]),
	    "advise");
}

static void
verify_all(const char *where)
{
	for (size_t i = 0; i < REGIONS; i++)
		if (w.own[i].base != NULL)
			area_verify(&w.own[i], 0, w.own[i].npages, where);
	for (size_t i = 0; i < SHARED; i++)
		area_verify(&w.shared[i], 0, w.shared[i].npages, where);
}

/* Its own memory is a copy, with tags of its own; the shared is the same. */
static void
be_child(void)
{
	struct area *a;

	verify_all("in a child");
	for (size_t i = 0; i < 4; i++) {
		a = &w.shared[below(SHARED)];
		area_fill(a, 0, 1 + below(a->npages), ++w.salt + 1000000);
	}
	for (size_t i = 0; i < REGIONS; i++) {
		a = &w.own[i];
		if (a->base == NULL)
			continue;
		for (size_t k = below(8); k < a->npages; k += 8)
			page_fill(a->base + k * PAGE, live_tag(w.salt, k));
	}
	_exit(0);
}

static void
op_fork(void)
{
	pid_t pid = live_fork();

	if (pid == 0)
		be_child();
	live_wait(pid, "a child");
	w.children++;
	verify_all("beside a child");
}

/* What was its own is a clone of it from now on, and is so again. */
static void
op_snapshot(void)
{
	struct area before[REGIONS];
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "fuzz-%d-%zu", (int)getpid(),
	    w.snapshots++);
	rc = pagerd_snapshot(w.pager, name);
	if (rc == -EAGAIN) { /* clones of clones: each keeps its snapshot */
		w.refused++;
		return;
	}
	live_must(rc, "snapshot");
	memcpy(before, w.own, sizeof(before));
	for (size_t i = 0; i < REGIONS; i++)
		if (w.own[i].base != NULL)
			live_must(pagerd_unmap(w.pager, w.own[i].base,
				      w.own[i].npages * PAGE),
			    "unmap for a clone");
	live_must(pagerd_clone(w.pager, name), "clone");
	memcpy(w.own, before, sizeof(before));
	memset(w.clone, true, sizeof(w.clone));
	if (below(2) == 0)
		verify_all("cloned");
	live_must(pagerd_drop(w.pager, name), "drop");
}

static const struct {
	void (*run)(void);
	size_t weight;
} ops[] = {
	{ op_map, 8 },
	{ op_map_file, 5 },
	{ op_unmap, 4 },
	{ op_extend, 8 },
	{ op_write, 40 },
	{ op_read, 40 },
	{ op_advise, 8 },
	{ op_fork, 2 },
	{ op_snapshot, 1 },
};

static void
step(void)
{
	size_t sum = 0, i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		sum += ops[i].weight;
	sum = below(sum);
	for (i = 0; sum >= ops[i].weight; i++)
		sum -= ops[i].weight;
	ops[i].run();
}

static void
begin(size_t npages)
{
	w.rng = live_seed();
	w.npages_max = npages;
	live_must(pagerd_open(NULL, &w.pager), "pagerd_open");
	write_file();
	for (size_t i = 0; i < REGIONS; i++)
		w.own[i].tags =
		    live_map_shared(PAGES_MAX * sizeof(*w.own[i].tags));
	for (size_t i = 0; i < SHARED; i++) {
		struct area *a = &w.shared[i];
		void *base;

		snprintf(w.names[i], sizeof(w.names[i]), "fuzz-%d-%zu",
		    (int)getpid(), i);
		a->npages = 1 + below(PAGES_MAX);
		a->tags = live_map_shared(a->npages * sizeof(*a->tags));
		live_must(pagerd_map(w.pager, NULL, a->npages * PAGE,
			      w.names[i], 0, PAGERD_CREATE, &base),
		    "shared memory");
		a->base = base;
	}
}

int
main(int argc, char **argv)
{
	size_t nsteps;

	if (argc != 3)
		live_die("usage: arenafuzz MIB STEPS");
	nsteps = strtoul(argv[2], NULL, 10);
	begin(live_mib(argv[1]) / PAGE);
	for (size_t i = 0; i < nsteps; i++)
		step();
	verify_all("at the end");
	for (size_t i = 0; i < SHARED; i++)
		live_must(pagerd_unlink(w.pager, w.names[i]), "unlink");
	fprintf(stderr,
	    "%zu snapshots, %zu children, %zu images, %zu refused\n",
	    w.snapshots, w.children, w.images, w.refused);
	printf("arenafuzz: %zu steps, every byte right\n", nsteps);
	return 0;
}
