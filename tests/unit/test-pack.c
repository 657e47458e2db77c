/*
 * What a page becomes before it is kept, and that it comes back.
 */
#include "pack.h"

#include <errno.h>
#include <string.h>

#include "test.h"

static uint8_t page[PACK_PAGE], room[PACK_MAX], back[PACK_PAGE];

static void
fill_random(size_t from, size_t n)
{
	for (size_t i = from; i < from + n; i++)
		page[i] = (uint8_t)test_random();
}

static void
comes_back(const struct packed *p)
{
	memset(back, 0x5a, sizeof(back));
	CHECK(unpack_page(p, back) == 0);
	CHECK(memcmp(back, page, sizeof(page)) == 0);
}

static void
repeated(void)
{
	struct packed p;

	memset(page, 0, sizeof(page));
	pack_page(page, room, &p);
	CHECK(p.len == 0 && packed_is_zero(&p));
	comes_back(&p);
	for (size_t i = 0; i < sizeof(page); i += 4)
		memcpy(page + i, "abcd", 4);
	pack_page(page, room, &p);
	CHECK(p.len == 0 && !packed_is_zero(&p));
	comes_back(&p);
	/* Not a word: the last byte is another one. */
	page[PACK_PAGE - 1] ^= 1;
	pack_page(page, room, &p);
	CHECK(p.len > 0);
	comes_back(&p);
}

static void
noise_is_kept_whole(void)
{
	struct packed p;

	fill_random(0, sizeof(page));
	pack_page(page, room, &p);
	CHECK(p.len == PACK_PAGE && p.bytes == page);
	comes_back(&p);
}

/* Any share of noise: in the room, or the page itself; nothing in between. */
static void
mixed(void)
{
	bool packed = false, whole = false;

	for (int n = 0; n < 2000; n++) {
		size_t noise = test_random_below(PACK_PAGE + 1);
		struct packed p;

		memset(page, 7, sizeof(page));
		fill_random(test_random_below(PACK_PAGE - noise + 1), noise);
		pack_page(page, room, &p);
		if (p.len != PACK_PAGE && p.len != 0) {
			CHECK(p.len <= PACK_MAX && p.bytes == room);
			packed = true;
		}
		whole = whole || p.len == PACK_PAGE;
		comes_back(&p);
	}
	CHECK(packed && whole);
}

/* Bytes that were damaged give an error or another page; never a crash. */
static void
damaged(void)
{
	uint32_t errors = 0;

	for (int n = 0; n < 2000; n++) {
		struct packed p;

		memset(page, 7, sizeof(page));
		fill_random(0, 1000);
		pack_page(page, room, &p);
		CHECK(p.bytes == room);
		room[test_random_below(p.len)] ^=
		    (uint8_t)(1 + test_random_below(255));
		errors += unpack_page(&p, back) == -EIO;
		p.len = 1 + (uint32_t)test_random_below(p.len);
		errors += unpack_page(&p, back) == -EIO;
	}
	CHECK(errors > 0);
}

static const struct test tests[] = {
	{ "repeated", repeated },
	{ "noise_is_kept_whole", noise_is_kept_whole },
	{ "mixed", mixed },
	{ "damaged", damaged },
};

TEST_MAIN(tests)
