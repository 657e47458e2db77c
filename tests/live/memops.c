/*
 * memops.c: calls that change mappings, made while their pages are out
 *
 * usage: memops OPERATION MIB
 *
 * Each operation fills an area, has it pushed out, changes mappings, and
 * compares every byte with what the kernel alone would show.
 */
#include "live.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static sigjmp_buf fault_env;

static void
on_segv(int sig)
{
	siglongjmp(fault_env, sig);
}

/* Whether touching the byte raises a signal. */
static bool
touch_faults(volatile uint8_t *p, bool write)
{
	if (sigsetjmp(fault_env, 1) != 0)
		return true;
	if (write)
		*p = *p + 1;
	else
		(void)*p;
	return false;
}

static void
catch_segv(void)
{
	struct sigaction sa = { .sa_handler = on_segv };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static void
must_be_unmapped(const void *p, size_t len)
{
	unsigned char vec;
	size_t at;

	for (at = 0; at < len; at += PAGE)
		if (mincore((uint8_t *)(uintptr_t)p + at, PAGE, &vec) == 0)
			live_die("page %zu of a range that went is still there",
			    at / PAGE);
}

static void
zero_tags(struct area *a, size_t from, size_t n)
{
	memset(a->tags + from, 0, n * sizeof(*a->tags));
}

static void *
remap(void *old, size_t from, size_t to, int flags, void *want)
{
	void *p = mremap(old, from * PAGE, to * PAGE, flags, want);

	if (p == MAP_FAILED)
		live_die("mremap %zu to %zu pages, flags %d: %s", from, to,
		    flags, strerror(errno));
	return p;
}

static void
op_mremap_size(struct area *a)
{
	size_t n = a->npages;

	a->base = remap(a->base, n, n / 2, 0, NULL);
	must_be_unmapped(a->base + n / 2 * PAGE, n / 2 * PAGE);
	live_hold("shrunk");
	a->base = remap(a->base, n / 2, n, MREMAP_MAYMOVE, NULL);
	zero_tags(a, n / 2, n / 2);
	area_verify(a, 0, n, "grown");
	area_fill(a, n / 2, n / 4, 2);
	live_push_area(a);
	a->base = remap(a->base, n, n / 3, MREMAP_MAYMOVE, NULL);
	a->base = remap(a->base, n / 3, n, MREMAP_MAYMOVE, NULL);
	zero_tags(a, n / 3, n - n / 3);
	area_verify(a, 0, n, "grown again");
}

static void
op_mremap_move(struct area *a)
{
	size_t n = a->npages;
	size_t q = n / 4;
	uint8_t *to = live_map(n * PAGE);
	uint8_t *old = a->base;

	memset(to, 0x5a, 8 * PAGE);
	a->base = remap(old, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	must_be_unmapped(old, n * PAGE);
	live_hold("moved");
	area_verify(a, 0, n, "moved");
	live_push_area(a);
	/* one quarter changes its place, onto pages that are out as well */
	remap(a->base + q * PAGE, q, q, MREMAP_MAYMOVE | MREMAP_FIXED,
	    a->base + 2 * q * PAGE);
	memcpy(a->tags + 2 * q, a->tags + q, q * sizeof(*a->tags));
	must_be_unmapped(a->base + q * PAGE, q * PAGE);
	area_verify(a, 0, q, "before the quarter");
	area_verify(a, 2 * q, n - 2 * q, "the quarter and behind it");
}

static void
op_mremap_dontunmap(struct area *a)
{
	size_t n = a->npages;
	uint8_t *old = a->base;
	struct area left = { old, n, live_map_shared(n * 8) };

	a->base = remap(old, n, n, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	live_hold("moved");
	area_verify(&left, 0, n, "left behind");
	area_verify(a, 0, n, "moved");
	area_fill(&left, 0, n / 4, 3);
	live_push_area(a);
	area_verify(a, 0, n, "moved, later");
	area_verify(&left, 0, n, "left behind, later");
}

static void
refill_hole(struct area *a, size_t from, size_t n)
{
	void *want = a->base + from * PAGE;
	void *p = mmap(want, n * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != want)
		live_die("the hole is not free: %s", strerror(errno));
	zero_tags(a, from, n);
}

static void
op_munmap(struct area *a)
{
	size_t n = a->npages;
	size_t e = n / 8;
	size_t holes[] = { 0, 3 * e, n - e };
	size_t i;

	for (i = 0; i < 3; i++) {
		if (munmap(a->base + holes[i] * PAGE, e * PAGE) < 0)
			live_die("munmap: %s", strerror(errno));
		must_be_unmapped(a->base + holes[i] * PAGE, e * PAGE);
	}
	live_hold("unmapped");
	area_verify(a, e, 2 * e, "between the holes");
	area_verify(a, 4 * e, n - 5 * e, "behind the holes");
	for (i = 0; i < 3; i++)
		refill_hole(a, holes[i], e);
	area_verify(a, 0, n, "mapped again");
}

static void
op_dontneed(struct area *a)
{
	uint64_t rng = live_seed();
	size_t i;
	size_t from;
	size_t n;

	for (i = 0; i < 64; i++) {
		from = live_rng(&rng) % a->npages;
		n = 1 + live_rng(&rng) % (a->npages - from) % 256;
		if (madvise(a->base + from * PAGE, n * PAGE, MADV_DONTNEED) < 0)
			live_die("MADV_DONTNEED: %s", strerror(errno));
		zero_tags(a, from, n);
		if (i % 4 == 0) {
			area_verify(a, from, n, "thrown away");
			area_fill(a, from, n, i);
		}
	}
	live_hold("thrown away");
	area_verify(a, 0, a->npages, "after MADV_DONTNEED");
	live_push_area(a);
	if (madvise(a->base, a->npages * PAGE, MADV_DONTNEED) < 0)
		live_die("MADV_DONTNEED: %s", strerror(errno));
	zero_tags(a, 0, a->npages);
	area_verify(a, 0, a->npages, "all thrown away");
}

/* A page that was given up shows its old bytes or zeros. */
static void
verify_given_up(struct area *a, size_t from, size_t n)
{
	size_t i;

	for (i = from; i < from + n; i++)
		if (!page_is(a->base + i * PAGE, 0))
			page_expect(a->base + i * PAGE, a->tags[i], "given up");
}

static void
op_free(struct area *a)
{
	size_t n = a->npages;
	size_t q = n / 4;

	if (madvise(a->base + q * PAGE, 2 * q * PAGE, MADV_FREE) < 0)
		live_die("MADV_FREE: %s", strerror(errno));
	live_hold("given up");
	verify_given_up(a, q, q);
	area_fill(a, 2 * q, q, 9); /* a write takes the page back */
	live_push_area(a);
	verify_given_up(a, q, q);
	area_verify(a, 0, q, "before MADV_FREE");
	area_verify(a, 2 * q, n - 2 * q, "written after MADV_FREE");
}

/*
 * Given up, kept by the kernel, and written again: no fault tells of it.  The
 * area must be pushed out of memory once more all the same.
 */
static void
op_free_reuse(struct area *a)
{
	size_t i;

	for (i = 0; i < 4; i++) {
		if (madvise(a->base, a->npages * PAGE, MADV_FREE) < 0)
			live_die("MADV_FREE: %s", strerror(errno));
		area_fill(a, 0, a->npages, 20 + i);
		area_verify(a, 0, a->npages, "written again");
	}
	live_push_area(a);
	area_verify(a, 0, a->npages, "pushed out");
}

/* => pages that are there, and writable without a fault */
static size_t
writable(const void *addr, size_t npages)
{
	uint64_t entries[64];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	off_t at = (off_t)((uintptr_t)addr / PAGE * 8);
	size_t n = 0;

	if (fd < 0 || npages > 64 ||
	    pread(fd, entries, npages * 8, at) != (ssize_t)(npages * 8))
		live_die("/proc/self/pagemap: %s", strerror(errno));
	close(fd);
	for (size_t i = 0; i < npages; i++)
		n += (entries[i] >> 63 & 1) && !(entries[i] >> 57 & 1);
	return n;
}

/*
 * Given up while the pager has nothing else to do: it write-protects what is
 * still there all the same.  Nothing tells when it has come to rest.
 */
static void
op_free_idle(struct area *a)
{
	const struct timespec rest = { .tv_nsec = 200000000 };
	const struct timespec tick = { .tv_nsec = 1000000 };
	unsigned tries = 2000;

	area_fill(a, 0, 64, 20);
	(void)nanosleep(&rest, NULL);
	if (madvise(a->base, 64 * PAGE, MADV_FREE) < 0)
		live_die("MADV_FREE: %s", strerror(errno));
	while (live_limit() > 0 && writable(a->base, 64) > 0 && tries-- > 0)
		(void)nanosleep(&tick, NULL);
	if (live_limit() > 0 && writable(a->base, 64) > 0)
		live_die("%zu pages are writable", writable(a->base, 64));
	area_fill(a, 0, 64, 21);
	area_verify(a, 0, a->npages, "given up at rest");
}

/*
 * What is read before it is written is the kernel's zero page, which takes no
 * memory: a write makes it a page, and was no missing fault.
 */
static void
op_read_first(struct area *a)
{
	struct area b;

	area_new(&b, 3 * a->npages);
	area_verify(&b, 0, b.npages, "read first");
	area_fill(&b, 0, b.npages, 31);
	area_verify(&b, 0, b.npages, "read, then written");
	live_push_area(&b);
	area_verify(&b, 0, b.npages, "pushed out");
	area_verify(a, 0, a->npages, "beside");
}

/* All of it at once, as fast as can be. */
static void
op_fill(struct area *a)
{
	struct timespec nap = { .tv_nsec = 300000000 };

	nanosleep(&nap, NULL);
	area_verify(a, 0, a->npages, "filled");
}

static void
protect(struct area *a, size_t from, size_t n, int prot)
{
	if (mprotect(a->base + from * PAGE, n * PAGE, prot) < 0)
		live_die("mprotect: %s", strerror(errno));
}

static void
must_fault(struct area *a, size_t from, size_t n, bool write)
{
	size_t i;

	for (i = from; i < from + n; i += 37)
		if (!touch_faults(a->base + i * PAGE, write))
			live_die("page %zu can be %s", i,
			    write ? "written" : "read");
}

/*
 * What is not writable cannot be captured, and so counts as long as it is
 * read: only an eighth of the area is protected at a time.
 */
static void
op_mprotect(struct area *a)
{
	size_t n = a->npages;
	size_t e = n / 16;

	catch_segv();
	protect(a, e, e, PROT_READ);
	protect(a, 2 * e, e, PROT_NONE);
	live_hold("protected");
	must_fault(a, e, e, true);
	must_fault(a, 2 * e, e, false);
	area_verify(a, 0, 2 * e, "read-only");
	area_verify(a, 3 * e, n - 3 * e, "behind the protected");
	protect(a, 2 * e, e, PROT_READ);
	area_verify(a, 2 * e, e, "readable again");
	must_fault(a, 2 * e, e, true);
	protect(a, 0, n, PROT_READ | PROT_WRITE);
	area_verify(a, 0, n, "writable again");
	area_fill(a, 0, 3 * e, 4);
	live_push_area(a);
	area_verify(a, 0, n, "written again");
}

/* Every eighth group of pages read-only: many small mappings. */
static void
op_mprotect_split(struct area *a)
{
	size_t step = a->npages / 256;
	size_t i;

	for (i = 0; i < 256; i += 8)
		protect(a, i * step, step, PROT_READ);
	live_hold("split");
	area_verify(a, 0, a->npages, "split");
	live_push_area(a);
	for (i = 0; i < 256; i++)
		if (i % 8 != 0)
			area_fill(a, i * step, step, i);
	for (i = 0; i < 256; i += 8)
		protect(a, i * step, step, PROT_READ | PROT_WRITE);
	live_push_area(a);
	area_verify(a, 0, a->npages, "joined");
}

static void
op_mlock(struct area *a)
{
	size_t n = a->npages / 16;
	size_t from = a->npages / 3;
	void *p = a->base + from * PAGE;

	if (mlock(p, n * PAGE) < 0)
		live_die("mlock: %s", strerror(errno));
	if (live_out(p, n * PAGE) != 0)
		live_die("mlock left %zu pages out", live_out(p, n * PAGE));
	live_hold("locked");
	live_push_out(a->base, from * PAGE);
	live_push_out(a->base, from * PAGE);
	if (live_out(p, n * PAGE) != 0)
		live_die("%zu locked pages went out", live_out(p, n * PAGE));
	area_verify(a, 0, a->npages, "locked");
	if (munlock(p, n * PAGE) < 0)
		live_die("munlock: %s", strerror(errno));
	live_push_area(a);
	area_verify(a, 0, a->npages, "unlocked");
}

static void
op_populate(struct area *a)
{
	size_t n = a->npages / 16;

	if (madvise(a->base + n * PAGE, n * PAGE, MADV_POPULATE_WRITE) < 0)
		live_die("MADV_POPULATE_WRITE: %s", strerror(errno));
	live_hold("populated");
	area_verify(a, 0, a->npages, "populated");
}

static void
op_brk(struct area *a)
{
	size_t n = a->npages;
	struct area b = { sbrk((intptr_t)(n * PAGE)), n,
		live_map_shared(n * 2 * 8) };

	if (b.base == (void *)-1)
		live_die("sbrk: %s", strerror(errno));
	munmap(a->base, n * PAGE);
	area_fill(&b, 0, n, 5);
	live_push_area(&b);
	live_hold("break is out");
	if (sbrk((intptr_t)(n / 2 * PAGE)) == (void *)-1)
		live_die("sbrk: %s", strerror(errno));
	area_verify(&b, 0, n + n / 2, "break grown");
	area_fill(&b, n, n / 2, 6);
	live_push_area(&b);
	if (sbrk(-(intptr_t)(n * PAGE)) == (void *)-1)
		live_die("sbrk: %s", strerror(errno));
	area_verify(&b, 0, n / 2, "break shrunk");
	if (sbrk((intptr_t)(n / 2 * PAGE)) == (void *)-1)
		live_die("sbrk: %s", strerror(errno));
	zero_tags(&b, n / 2, n / 2);
	area_verify(&b, 0, n, "break grown again");
}

static void
op_thp(struct area *a)
{
	size_t len = a->npages * PAGE;
	uint8_t *p = live_map(len + 2 * MIB);
	struct area b = { p, a->npages, a->tags };

	munmap(a->base, len);
	b.base += -(uintptr_t)p & (2 * MIB - 1);
	if (madvise(b.base, len, MADV_HUGEPAGE) < 0)
		live_die("MADV_HUGEPAGE: %s", strerror(errno));
	area_fill(&b, 0, b.npages, 7);
	live_push_area(&b);
	live_hold("huge pages are out");
	area_verify(&b, 0, b.npages, "huge");
	area_fill(&b, 0, b.npages / 2, 8);
	area_verify(&b, 0, b.npages, "huge, written again");
}

/* Memory that the kernel fills at once, as soon as it is there. */
static void
fresh(struct area *b, int flags, bool huge, bool populate)
{
	size_t len = b->npages * PAGE, i;

	b->base = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	if (b->base == MAP_FAILED)
		live_die("mmap of %zu bytes: %s", len, strerror(errno));
	if (huge && madvise(b->base, len, MADV_HUGEPAGE) < 0)
		live_die("MADV_HUGEPAGE: %s", strerror(errno));
	if (populate && madvise(b->base, len, MADV_POPULATE_WRITE) < 0)
		live_die("MADV_POPULATE_WRITE: %s", strerror(errno));
	for (i = 0; i < b->npages; i += huge ? 1 : 8)
		page_expect(b->base + i * PAGE, 0, "fresh");
	area_fill(b, 0, b->npages, len + (uintptr_t)flags);
	area_verify(b, 0, b->npages, "fresh, written");
}

static void
fresh_rounds(struct area *a, size_t npages)
{
	struct area b = { .npages = npages };
	size_t round;

	b.tags = live_map_shared(b.npages * sizeof(*b.tags));
	for (round = 0; round < 5; round++) {
		fresh(&b, 0, false, true);
		munmap(b.base, b.npages * PAGE);
		fresh(&b, 0, true, false);
		munmap(b.base, b.npages * PAGE);
		fresh(&b, 0, true, true);
		munmap(b.base, b.npages * PAGE);
		fresh(&b, MAP_POPULATE, false, false);
		if (round == 2)
			live_hold("fresh memory is out");
		area_verify(a, round * 100, 100, "beside fresh memory");
		munmap(b.base, b.npages * PAGE);
	}
	area_verify(a, 0, a->npages, "after fresh memory");
}

static void
op_fresh(struct area *a)
{
	fresh_rounds(a, a->npages / 2);
}

/*
 * Nothing has had to go out so far: what comes now is the first.  The pager has
 * come to rest by then, and looks at us seldom; nothing tells when it has.
 */
static void
op_fresh_near(struct area *a)
{
	usleep(300000);
	fresh_rounds(a, 3 * a->npages);
}

#define COLD_ROUNDS 200000

struct toucher {
	struct area *area;
	atomic_bool end;
};

/* The entries of all pages that are there change, their bytes do not. */
static void *
touch_cold(void *arg)
{
	struct toucher *t = arg;
	uint8_t *base = t->area->base;
	size_t n = t->area->npages;
	unsigned char *there = live_map_shared(n);

	while (!atomic_load(&t->end)) {
		if (madvise(base, n * PAGE, MADV_COLD) < 0 ||
		    mincore(base, n * PAGE, there) < 0)
			live_die("MADV_COLD: %s", strerror(errno));
		for (size_t i = 0; i < n; i++)
			if (there[i])
				(void)*(volatile uint8_t *)(base + i * PAGE);
	}
	return NULL;
}

/*
 * Linux 6.18 says EEXIST of pages that UFFDIO_MOVE has moved, if their entries
 * changed while it looked at them.
 */
static void
op_cold(struct area *a)
{
	struct toucher t = { .area = a };
	uint64_t rng = live_seed();
	pthread_t thread;

	if (pthread_create(&thread, NULL, touch_cold, &t) != 0)
		live_die("no thread");
	for (size_t i = 0; i < COLD_ROUNDS; i++) {
		size_t at = live_rng(&rng) % a->npages;

		area_verify(a, at, 1, "touched");
		area_fill(a, at, 1, i);
	}
	atomic_store(&t.end, true);
	pthread_join(thread, NULL);
	area_verify(a, 0, a->npages, "touched");
}

#define CHURN_THREADS 4
#define CHURN_BLOCKS 32
#define CHURN_ROUNDS 1500

struct churner {
	pthread_t thread;
	uint64_t rng;
	size_t max; /* pages of a block */
};

static void
block_new(struct area *b, size_t npages, uint64_t *rng)
{
	b->npages = npages;
	b->base = live_map(npages * PAGE);
	for (size_t i = 0; i < npages; i++) {
		b->tags[i] = live_rng(rng) | 1;
		page_fill(b->base + i * PAGE, b->tags[i]);
	}
}

static void
block_end(struct area *b)
{
	area_verify(b, 0, b->npages, "churned");
	if (munmap(b->base, b->npages * PAGE) < 0)
		live_die("munmap: %s", strerror(errno));
	b->npages = 0;
}

static void *
churn(void *arg)
{
	struct churner *c = arg;
	struct area blocks[CHURN_BLOCKS];

	for (size_t i = 0; i < CHURN_BLOCKS; i++)
		blocks[i] = (struct area){
			.tags = live_map_shared(c->max * sizeof(uint64_t))
		};
	for (size_t i = 0; i < CHURN_ROUNDS; i++) {
		struct area *b = &blocks[live_rng(&c->rng) % CHURN_BLOCKS];

		if (b->npages > 0)
			block_end(b);
		block_new(b, 16 + live_rng(&c->rng) % (c->max - 16), &c->rng);
	}
	for (size_t i = 0; i < CHURN_BLOCKS; i++)
		if (blocks[i].npages > 0)
			block_end(&blocks[i]);
	return NULL;
}

/*
 * What one thread has unmapped another one gets, and writes to, while the pager
 * has yet to hear of the first.
 */
static void
op_churn(struct area *a)
{
	struct churner c[CHURN_THREADS];

	for (size_t i = 0; i < CHURN_THREADS; i++) {
		c[i] = (struct churner){ .rng = live_seed() + i,
			.max = a->npages / CHURN_THREADS / CHURN_BLOCKS * 2 };
		if (pthread_create(&c[i].thread, NULL, churn, &c[i]) != 0)
			live_die("no thread");
	}
	for (size_t i = 0; i < CHURN_THREADS; i++)
		pthread_join(c[i].thread, NULL);
	area_verify(a, 0, a->npages, "beside");
}

static const struct {
	const char *name;
	void (*run)(struct area *); /* the area is full, and out */
	size_t part;                /* that part of it is, and is not out */
} ops[] = {
	{ "mremap-size", op_mremap_size },
	{ "mremap-move", op_mremap_move },
	{ "mremap-dontunmap", op_mremap_dontunmap },
	{ "munmap", op_munmap },
	{ "dontneed", op_dontneed },
	{ "free", op_free },
	{ "free-reuse", op_free_reuse },
	{ "free-idle", op_free_idle },
	{ "read-first", op_read_first, 6 },
	{ "fill", op_fill, 1 },
	{ "mprotect", op_mprotect },
	{ "mprotect-split", op_mprotect_split },
	{ "mlock", op_mlock },
	{ "populate", op_populate },
	{ "brk", op_brk },
	{ "thp", op_thp },
	{ "cold", op_cold },
	{ "churn", op_churn },
	{ "fresh", op_fresh },
	{ "fresh-near", op_fresh_near, 6 },
};

int
main(int argc, char **argv)
{
	struct area a;
	size_t i, n;

	if (argc != 3)
		live_die("usage: memops OPERATION MIB");
	setvbuf(stdout, NULL, _IONBF, 0);
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(ops[i].name, argv[1]) != 0)
			continue;
		n = live_mib(argv[2]) / PAGE;
		area_new(&a, ops[i].part > 0 ? n / ops[i].part : n);
		area_fill(&a, 0, a.npages, 1);
		if (ops[i].part == 0)
			live_push_area(&a);
		ops[i].run(&a);
		printf("%s: every byte right\n", argv[1]);
		return 0;
	}
	live_die("no operation \"%s\"", argv[1]);
}
