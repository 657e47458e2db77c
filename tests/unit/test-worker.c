/*
 * The thread that packs: what it is sent comes back packed, and in order.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "contents.h"
#include "parcel.h"
#include "test.h"
#include "worker.h"

#define COUNT 6u
#define PAGES 40u
#define UID 1000u

static struct contents tags;

/* Every third page is left out, every fifth is zero, some could not be read. */
static struct parcel *
parcel_make(void)
{
	struct parcel *pc = calloc(1, sizeof(*pc));

	pc->pages = calloc(PAGES, PACK_PAGE);
	pc->room = calloc(PAGES, PACK_MAX);
	pc->mem = pc->pagemap = -1;
	pc->index = &tags;
	pc->uid = UID;
	for (uint32_t i = 0; i < PAGES; i++) {
		uint8_t *page = pc->pages + i * PACK_PAGE;

		pc->state = PARCEL_FILLING;
		if (i % 3 != 0)
			parcel_add(pc, i, 0, 1);
		for (uint32_t k = 0; i % 5 != 0 && k < PACK_PAGE / 2; k++)
			page[k] = (uint8_t)test_random();
		pc->lost[i] = i % 7 == 1;
	}
	pc->state = PARCEL_PACKING;
	pc->work.run = parcel_pack;
	for (uint32_t k = 0; k * PARCEL_CHUNK < pc->npages; k++) {
		atomic_store(&pc->read[k], true);
		atomic_fetch_add(&pc->nread, 1);
		atomic_fetch_add(&pc->taken, 1);
	}
	return pc;
}

static void
check_packed(const struct parcel *pc)
{
	for (uint32_t i = 0; i < pc->npages; i++) {
		const uint8_t *page = parcel_page(pc, i);
		uint8_t back[PACK_PAGE];

		if (!pc->full[i] || pc->lost[i])
			continue;
		CHECK(unpack_page(&pc->packed[i], back) == 0);
		CHECK(memcmp(back, page, sizeof(back)) == 0);
		CHECK(packed_is_zero(&pc->packed[i]) == (i % 5 == 0));
		CHECK(pc->tag[i] ==
		      (i % 5 == 0 ? 0 : contents_tag(&tags, page, UID)));
	}
}

static void
parcel_end(struct parcel *pc)
{
	free(pc->pages);
	free(pc->room);
	free(pc);
}

static struct parcel *
receive(struct worker *k)
{
	struct pollfd pfd = { .fd = worker_fd(k), .events = POLLIN };
	struct work *w;

	while ((w = worker_receive(k)) == NULL) {
		CHECK(poll(&pfd, 1, 10000) == 1);
		worker_ack(k);
	}
	return parcel_of(w);
}

static void
packs_in_order(void)
{
	struct parcel *sent[COUNT];
	struct worker *k;

	CHECK(worker_start("test", COUNT, &k) == 0);
	for (int round = 0; round < 20; round++) {
		worker_avoid(k, round % 3 - 1);
		for (uint32_t i = 0; i < COUNT; i++) {
			sent[i] = parcel_make();
			worker_send(k, &sent[i]->work);
		}
		for (uint32_t i = 0; i < COUNT; i++) {
			CHECK(receive(k) == sent[i]);
			check_packed(sent[i]);
			parcel_end(sent[i]);
		}
	}
	worker_join(k);
}

/* What was sent last is packed before the thread ends. */
static void
ends(void)
{
	struct parcel *pc = parcel_make();
	struct worker *k;

	CHECK(worker_start("test", 1, &k) == 0);
	worker_join(k);
	worker_join(NULL);
	CHECK(worker_start("test", 1, &k) == 0);
	worker_send(k, &pc->work);
	worker_join(k);
	check_packed(pc);
	parcel_end(pc);
}

static const struct test tests[] = {
	{ "packs_in_order", packs_in_order },
	{ "ends", ends },
};

TEST_MAIN(tests)
