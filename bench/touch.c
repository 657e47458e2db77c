/*
 * touch.c: how long an access to memory takes
 *
 * usage: touch [-H] [-u LIBUMAP -f FILE] MIB REPORT [SEED]
 *
 * Fills an area in order (first touch), then reads it in order, reads it at
 * random, changes it in order and at random.  Every page that is read is
 * compared with what was written last.  REPORT gets one JSON object:
 * nanoseconds for each access of a page, and MiB that are huge pages after the
 * first touch.
 *
 * -H asks for huge pages.  With -u the area is one of LLNL's UMap, whose
 * library is named, kept in FILE; its environment (UMAP_BUFSIZE) says how much
 * of it may be in memory.
 */
#include <sys/mman.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "pages.h"

struct options {
	int huge;
	const char *umap_library, *umap_file; /* NULL: ordinary memory */
};

typedef void *umap_function(void *, size_t, int, int, int, off_t);

/* => past the page cache, which no budget of UMap's would count */
static int
open_file(const char *path, size_t len)
{
	int flags = O_RDWR | O_CREAT | O_CLOEXEC;
	int fd = open(path, flags | O_DIRECT, 0600);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)len) < 0)
		bench_die("%s: %s", path, strerror(errno));
	return fd;
}

static void *
umap_area(const struct options *o, size_t len)
{
	void *library = dlopen(o->umap_library, RTLD_NOW | RTLD_GLOBAL);
	umap_function *umap;
	void *area;

	if (library == NULL)
		bench_die("%s", dlerror());
	*(void **)&umap = dlsym(library, "umap");
	if (umap == NULL)
		bench_die("%s: no umap()", o->umap_library);
	area = umap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE,
	    open_file(o->umap_file, len), 0);
	if (area == MAP_FAILED)
		bench_die("umap failed");
	return area;
}

static void *
area_new(const struct options *o, size_t len)
{
	void *area;

	if (o->umap_library != NULL)
		return umap_area(o, len);
	area = bench_map(len, MAP_PRIVATE);
	if (o->huge && madvise(area, len, MADV_HUGEPAGE) < 0)
		bench_die("madvise: %s", strerror(errno));
	return area;
}

/* => of all of the process's memory */
static double
huge_mib(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kib = 0;
	char line[256];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return (double)kib / 1024;
}

static double
phase(struct pages *p, void (*visit)(struct pages *, size_t), int at_random)
{
	uint64_t rng = p->seed;
	uint64_t start = bench_now_ns();
	uint64_t r;
	size_t n;

	for (n = 0; n < p->npages; n++) {
		r = bench_random(&rng);
		visit(p, at_random ? r % p->npages : n);
	}
	return (double)(bench_now_ns() - start) / (double)p->npages;
}

static const struct {
	const char *name;
	void (*visit)(struct pages *, size_t);
	int at_random;
} phases[] = {
	{ "fill", pages_fill, 0 },
	{ "read_in_order", pages_read, 0 },
	{ "read_at_random", pages_read, 1 },
	{ "change_in_order", pages_change, 0 },
	{ "change_at_random", pages_change, 1 },
};
#define NPHASES (sizeof(phases) / sizeof(phases[0]))

static void
measure(struct pages *p, const char *path)
{
	double huge = 0, ns[NPHASES];
	size_t i;
	FILE *f;

	for (i = 0; i < NPHASES; i++) {
		ns[i] = phase(p, phases[i].visit, phases[i].at_random);
		if (i == 0)
			huge = huge_mib();
	}
	pages_verify(p);
	f = bench_report(path);
	fprintf(f, "{");
	for (i = 0; i < NPHASES; i++)
		fprintf(f, "\"%s\": %.1f, ", phases[i].name, ns[i]);
	fprintf(f, "\"huge_mib\": %.1f}\n", huge);
	bench_report_end(f);
}

static void
usage(void)
{
	bench_usage("[-H] [-u LIBUMAP -f FILE] MIB REPORT [SEED]");
}

static void
read_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "Hu:f:")) != -1) {
		if (c == 'H')
			o->huge = 1;
		else if (c == 'u')
			o->umap_library = optarg;
		else if (c == 'f')
			o->umap_file = optarg;
		else
			usage();
	}
	if ((o->umap_library == NULL) != (o->umap_file == NULL))
		usage();
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct pages p;
	size_t npages;

	read_options(&o, argc, argv);
	argc -= optind;
	argv += optind;
	if (argc < 2 || argc > 3)
		usage();
	npages = bench_number(argv[0], 1) * PAGES_PER_MIB;
	pages_init(&p, area_new(&o, npages * PAGE), npages,
	    argc == 3 ? bench_number(argv[2], 0) : 1);
	measure(&p, argv[1]);
	return 0;
}
