/*
 * warm.c: a program that starts where another one has got to
 *
 *	pagerctl run -- ./warm make NAME	builds a table, and keeps it
 *	pagerctl run -- ./warm clone NAME	has it at once
 *
 * The table is full of pointers.  They mean the same in every process: a clone
 * is at the addresses where the original was.  Where it begins is known too: it
 * is mapped at the start of the arena, or nowhere.
 */
#include <errno.h>
#include <inttypes.h>
#include <pagerd.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES 100000
#define BUCKETS 4096
#define TABLE_MAGIC UINT64_C(0x656c626174) /* "table" */

struct entry {
	struct entry *next;
	uint64_t key, value;
};

struct table {
	uint64_t magic;
	struct entry *buckets[BUCKETS];
	struct entry entries[ENTRIES];
};

#define TABLE_BYTES                                                            \
	((sizeof(struct table) + PAGERD_PAGE - 1) / PAGERD_PAGE * PAGERD_PAGE)

static struct table *const table = (struct table *)PAGERD_ARENA_START;

static int
failed(const char *what, int error)
{
	fprintf(stderr, "warm: %s: %s\n", what, strerror(-error));
	return (1);
}

static void
fill(void)
{
	uint64_t key = 1;
	struct entry *e;
	size_t i;

	for (i = 0; i < ENTRIES; i++) {
		key = key * UINT64_C(6364136223846793005) + 1442695040888963407;
		e = &table->entries[i];
		e->key = key;
		e->value = i;
		e->next = table->buckets[key % BUCKETS];
		table->buckets[key % BUCKETS] = e;
	}
	table->magic = TABLE_MAGIC;
}

static uint64_t
checksum(void)
{
	const struct entry *e;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < BUCKETS; i++) {
		for (e = table->buckets[i]; e != NULL; e = e->next)
			sum = sum * 31 + (e->key ^ e->value);
	}
	return (sum);
}

static int
make(struct pagerd *p, const char *name)
{
	void *addr;
	int ret;

	ret = pagerd_map(p, table, TABLE_BYTES, NULL, 0, PAGERD_FIXED, &addr);
	if (ret < 0)
		return (failed("map", ret));
	fill();
	ret = pagerd_snapshot(p, name);
	if (ret < 0)
		return (failed(name, ret));
	printf("made %016" PRIx64 "\n", checksum());
	return (0);
}

static int
clone_it(struct pagerd *p, const char *name)
{
	struct pagerd_region region;
	int ret;

	ret = pagerd_clone(p, name);
	if (ret < 0)
		return (failed(name, ret));
	ret = pagerd_query(p, table, &region);
	if (ret < 0)
		return (failed("query", ret));
	if (region.addr != table || region.len < TABLE_BYTES ||
	    table->magic != TABLE_MAGIC)
		return (failed(name, -EINVAL));
	printf("cloned %016" PRIx64 "\n", checksum());
	/* What is written stays here. */
	table->entries[0].value++;
	return (0);
}

int
main(int argc, char **argv)
{
	struct pagerd *p;
	int ret;

	if (argc != 3 ||
	    (strcmp(argv[1], "make") != 0 && strcmp(argv[1], "clone") != 0)) {
		fprintf(stderr, "usage: warm make|clone NAME\n");
		return (2);
	}
	ret = pagerd_open(NULL, &p);
	if (ret < 0)
		return (failed("open", ret));
	ret = argv[1][0] == 'm' ? make(p, argv[2]) : clone_it(p, argv[2]);
	pagerd_close(p);
	return (ret);
}
