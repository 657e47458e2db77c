/*
 * touch.c: how long an access to memory takes
 *
 * usage: touch MIB REPORT [SEED]
 *
 * Fills an area in order (first touch), then reads it in order, reads it at
 * random, changes it in order and at random.  Half of each page's bytes can be
 * compressed away.  Every page that is read is compared with what was written
 * last.  REPORT gets one JSON object: nanoseconds for each access of a page.
 */
#include <sys/mman.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define WORDS (PAGE / sizeof(uint64_t))

struct memory {
	uint64_t *base;
	size_t npages;
	uint32_t *version; /* shared: never paged */
	uint64_t seed;
};

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t *
page_at(const struct memory *m, size_t i)
{
	return m->base + i * WORDS;
}

/* The first half of a page is noise, the second half one word. */
static void
page_fill(struct memory *m, size_t i)
{
	uint64_t *w = page_at(m, i);
	uint64_t key = mix(m->seed + i);
	size_t k;

	w[0] = key;
	for (k = 1; k < WORDS / 2; k++)
		w[k] = key = key * UINT64_C(6364136223846793005) + 1;
	for (; k < WORDS; k++)
		w[k] = i;
	w[WORDS - 1] = m->version[i] = 1;
}

static void
wrong(size_t i)
{
	fprintf(stderr, "touch: WRONG DATA in page %zu\n", i);
	exit(3);
}

static void
page_read(struct memory *m, size_t i)
{
	const uint64_t *w = page_at(m, i);

	if (w[0] != mix(m->seed + i) || w[WORDS / 2] != i ||
	    w[WORDS - 1] != m->version[i])
		wrong(i);
}

static void
page_change(struct memory *m, size_t i)
{
	page_read(m, i);
	page_at(m, i)[WORDS - 1] = ++m->version[i];
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static double
phase(struct memory *m, void (*access)(struct memory *, size_t), int random)
{
	uint64_t rng = m->seed;
	uint64_t start = now_ns();
	size_t n;

	for (n = 0; n < m->npages; n++) {
		rng += UINT64_C(0x9e3779b97f4a7c15);
		access(m, random ? mix(rng) % m->npages : n);
	}
	return (double)(now_ns() - start) / (double)m->npages;
}

/* Every word, and outside of what is timed. */
static void
verify_all(const struct memory *m)
{
	size_t i;
	size_t k;

	for (i = 0; i < m->npages; i++) {
		const uint64_t *w = page_at(m, i);
		uint64_t key = mix(m->seed + i);

		for (k = 0; k < WORDS / 2; k++) {
			if (w[k] != key)
				wrong(i);
			key = key * UINT64_C(6364136223846793005) + 1;
		}
		for (; k < WORDS - 1; k++)
			if (w[k] != i)
				wrong(i);
		if (w[k] != m->version[i])
			wrong(i);
	}
}

static void *
map(size_t len, int flags)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS,
	    -1, 0);

	if (p == MAP_FAILED) {
		perror("touch: mmap");
		exit(1);
	}
	return p;
}

static const struct {
	const char *name;
	void (*access)(struct memory *, size_t);
	int random;
} phases[] = {
	{ "fill", page_fill, 0 },
	{ "read_in_order", page_read, 0 },
	{ "read_at_random", page_read, 1 },
	{ "change_in_order", page_change, 0 },
	{ "change_at_random", page_change, 1 },
};
#define NPHASES (sizeof(phases) / sizeof(phases[0]))

int
main(int argc, char **argv)
{
	struct memory m;
	double ns[NPHASES];
	size_t i;
	FILE *f;

	if (argc < 3 || argc > 4 || atoi(argv[1]) < 1) {
		fprintf(stderr, "usage: touch MIB REPORT [SEED]\n");
		return 2;
	}
	m.npages = (size_t)atoi(argv[1]) * 256;
	m.seed = argc == 4 ? strtoull(argv[3], NULL, 0) : 1;
	m.base = map(m.npages * PAGE, MAP_PRIVATE);
	m.version = map(m.npages * sizeof(*m.version), MAP_SHARED);
	memset(m.version, 0, m.npages * sizeof(*m.version));
	for (i = 0; i < NPHASES; i++)
		ns[i] = phase(&m, phases[i].access, phases[i].random);
	verify_all(&m);
	f = fopen(argv[2], "w");
	if (f == NULL) {
		perror(argv[2]);
		return 1;
	}
	for (i = 0; i < NPHASES; i++)
		fprintf(f, "%s\"%s\": %.1f", i == 0 ? "{" : ", ",
		    phases[i].name, ns[i]);
	fprintf(f, "}\n");
	return fclose(f) == 0 ? 0 : 1;
}
