/*
 * shared.c: processes that know of one another nothing but a name
 *
 *	pagerctl run -- ./shared put NAME TEXT	appends a line
 *	pagerctl run -- ./shared get NAME	shows the last ones
 *	pagerctl run -- ./shared unlink NAME
 *
 * Shared memory of that name holds a ring of lines.  A writer takes a number,
 * fills the slot that belongs to it, and says so last.
 */
#include <pagerd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SLOTS 64
#define LINE_BYTES 120

struct slot {
	_Atomic uint64_t number; /* of its line, 0: none or half-written */
	char line[LINE_BYTES];
};

struct ring {
	_Atomic uint64_t taken; /* the number of the newest line */
	struct slot slots[SLOTS];
};

#define RING_BYTES                                                             \
	((sizeof(struct ring) + PAGERD_PAGE - 1) / PAGERD_PAGE * PAGERD_PAGE)

static int
failed(const char *what, int error)
{
	fprintf(stderr, "shared: %s: %s\n", what, strerror(-error));
	return (1);
}

static void
put(struct ring *ring, const char *text)
{
	const uint64_t number = atomic_fetch_add(&ring->taken, 1) + 1;
	struct slot *slot = &ring->slots[number % SLOTS];

	atomic_store(&slot->number, 0);
	snprintf(slot->line, sizeof(slot->line), "%s", text);
	atomic_store(&slot->number, number);
	printf("%llu\n", (unsigned long long)number);
}

static void
get(struct ring *ring)
{
	const uint64_t last = atomic_load(&ring->taken);
	uint64_t number = last > SLOTS ? last - SLOTS + 1 : 1;
	const struct slot *slot;
	char line[LINE_BYTES];

	for (; number <= last; number++) {
		slot = &ring->slots[number % SLOTS];
		memcpy(line, slot->line, sizeof(line));
		/* Somebody may have been faster. */
		if (atomic_load(&slot->number) == number)
			printf("%llu %.*s\n", (unsigned long long)number,
			    LINE_BYTES, line);
	}
}

static int
run(struct pagerd *p, char **argv)
{
	const int reading = strcmp(argv[1], "get") == 0;
	void *addr;
	int ret;

	if (strcmp(argv[1], "unlink") == 0) {
		ret = pagerd_unlink(p, argv[2]);
		return (ret < 0 ? failed(argv[2], ret) : 0);
	}
	ret = pagerd_map(p, NULL, RING_BYTES, argv[2], 0,
	    reading ? PAGERD_READONLY : PAGERD_CREATE, &addr);
	if (ret < 0)
		return (failed(argv[2], ret));
	if (reading)
		get(addr);
	else
		put(addr, argv[3]);
	return (0);
}

static int
usage(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "put") == 0)
		return (0);
	if (argc == 3 &&
	    (strcmp(argv[1], "get") == 0 || strcmp(argv[1], "unlink") == 0))
		return (0);
	fprintf(stderr, "usage: shared put NAME TEXT\n"
			"       shared get|unlink NAME\n");
	return (-1);
}

int
main(int argc, char **argv)
{
	struct pagerd *p;
	int ret;

	if (usage(argc, argv) < 0)
		return (2);
	ret = pagerd_open(NULL, &p);
	if (ret < 0)
		return (failed("open", ret));
	ret = run(p, argv);
	pagerd_close(p);
	return (ret);
}
