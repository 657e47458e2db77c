/*
 * test-contents.c: the index of what is stored, against a plain list
 */
#include <string.h>

#include "contents.h"
#include "slot.h"
#include "test.h"

#define BLOCKS 20000u

static struct contents c;
static uint8_t key[CONTENTS_KEY_BYTES];
static uint32_t tag_of[BLOCKS]; /* the oracle: 0: not in there */

static void
new_key(void)
{
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)test_random();
}

static void
begin(void)
{
	new_key();
	memset(tag_of, 0, sizeof(tag_of));
	CHECK(contents_open(&c, BLOCKS, key) == 0);
}

static void
end(void)
{
	contents_close(&c);
	contents_close(&c);
}

static void
add(uint32_t block, uint32_t tag)
{
	contents_add(&c, block, tag);
	tag_of[block] = tag;
}

static void
take_out(uint32_t block)
{
	contents_remove(&c, block);
	tag_of[block] = 0;
}

/* => what is to be found is, and what is not, is not */
static void
compare(void)
{
	uint32_t n = 0;

	for (uint32_t b = 1; b < BLOCKS; b++) {
		CHECK(c.nodes[b].tag == tag_of[b]);
		if (tag_of[b] == 0)
			continue;
		CHECK(contents_find(&c, tag_of[b]) == b);
		n++;
	}
	CHECK(c.used == n);
}

static uint32_t
random_tag(void)
{
	return (uint32_t)test_random() | 1;
}

static void
hit_and_miss(void)
{
	begin();
	CHECK(contents_find(&c, 7) == 0);
	add(5, 7);
	CHECK(contents_find(&c, 7) == 5);
	CHECK(contents_find(&c, 8) == 0);
	take_out(5);
	CHECK(contents_find(&c, 7) == 0);
	take_out(5); /* it is not there: nothing happens */
	CHECK(c.used == 0);
	add(5, 9); /* the block's next life */
	CHECK(contents_find(&c, 7) == 0 && contents_find(&c, 9) == 5);
	end();
}

static void
last_one_wins(void)
{
	begin();
	add(1, 7);
	add(2, 7);
	tag_of[1] = 0;
	compare();
	take_out(1);
	compare();
	take_out(2);
	CHECK(contents_find(&c, 7) == 0);
	end();
}

/* Every block there is, and buckets are split on the way. */
static void
full(void)
{
	begin();
	for (uint32_t b = 1; b < BLOCKS; b++)
		add(b, b << 8 | 1);
	compare();
	CHECK(c.nheads > BLOCKS / 4 && c.nheads <= BLOCKS / 2 + 1);
	for (uint32_t b = BLOCKS - 1; b > 0; b--)
		take_out(b);
	CHECK(c.used == 0);
	for (uint32_t i = 0; i < c.nheads; i++)
		CHECK(c.heads[i] == 0);
	end();
}

/* Tags that end in the same bits: long chains, and nothing lost. */
static void
crowded(void)
{
	begin();
	for (uint32_t b = 1; b < 2000; b++)
		add(b, b << 20 | 1);
	compare();
	for (uint32_t b = 1; b < 2000; b += 2)
		take_out(b);
	compare();
	end();
}

static void
random_against_list(void)
{
	begin();
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t b = 1 + (uint32_t)test_random_below(BLOCKS - 1);
		uint32_t tag = random_tag(), old = contents_find(&c, tag);

		if (tag_of[b] != 0) {
			take_out(b);
			continue;
		}
		if (old != 0)
			tag_of[old] = 0;
		add(b, tag);
		if (i % 20000 == 0)
			compare();
	}
	compare();
	end();
}

/* What is not used takes no memory: a table of every block there can be. */
static void
huge(void)
{
	new_key();
	CHECK(contents_open(&c, UINT32_MAX, key) == 0);
	contents_add(&c, 1, 77);
	contents_add(&c, 1000, 78);
	CHECK(contents_find(&c, 77) == 1 && contents_find(&c, 78) == 1000);
	CHECK(contents_bytes(&c, 1001) < 10000);
	end();
	CHECK(contents_bytes(&c, 1001) == 0);
}

static void
tags(void)
{
	uint8_t page[PAGE_BYTES], other[PAGE_BYTES];
	uint32_t tag, same_key = 0;

	begin();
	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = (uint8_t)test_random();
	memcpy(other, page, sizeof(other));
	tag = contents_tag(&c, page, 1000);
	CHECK(contents_tag(&c, other, 1000) == tag);
	for (uint32_t bit = 0; bit < 32; bit++)
		CHECK(contents_tag(&c, page, 1000 ^ 1u << bit) != tag);
	for (size_t i = 0; i < sizeof(other); i += 61) {
		other[i] ^= 1;
		CHECK(contents_tag(&c, other, 1000) != tag);
		other[i] ^= 1;
	}
	end();
	for (int i = 0; i < 16; i++) {
		begin();
		same_key += contents_tag(&c, page, 1000) == tag;
		end();
	}
	CHECK(same_key == 0);
}

static const struct test tests[] = {
	{ "hit_and_miss", hit_and_miss },
	{ "last_one_wins", last_one_wins },
	{ "full", full },
	{ "crowded", crowded },
	{ "random_against_list", random_against_list },
	{ "huge", huge },
	{ "tags", tags },
};

TEST_MAIN(tests)
