#include "pack.h"

#include <errno.h>
#include <lz4.h>
#include <string.h>

#define ACCELERATION 1

static bool
is_repeated(const char *page)
{
	const size_t word = sizeof(uint32_t);

	return memcmp(page, page + word, PACK_PAGE - word) == 0;
}

static void
repeat(char *page, uint32_t word)
{
	size_t n;

	memcpy(page, &word, sizeof(word));
	for (n = sizeof(word); n < PACK_PAGE; n *= 2)
		memcpy(page + n, page, n);
}

void
pack_page(const void *page, void *buf, struct packed *out)
{
	LZ4_stream_t lz4; /* 16 KiB */

	*out = (struct packed){ .bytes = page };
	if (is_repeated(page)) {
		memcpy(&out->word, page, sizeof(out->word));
		return;
	}
	out->len = (uint32_t)LZ4_compress_fast_extState(&lz4, page, buf,
	    PACK_PAGE, PACK_MAX, ACCELERATION);
	if (out->len != 0)
		out->bytes = buf;
	else
		out->len = PACK_PAGE;
}

int
unpack_page(const struct packed *p, void *page)
{
	int n;

	if (p->len == 0) {
		repeat(page, p->word);
		return 0;
	}
	if (p->len == PACK_PAGE) {
		memcpy(page, p->bytes, PACK_PAGE);
		return 0;
	}
	n = LZ4_decompress_safe(p->bytes, page, (int)p->len, PACK_PAGE);
	return n == PACK_PAGE ? 0 : -EIO;
}
