/*
 * test-size.c: sizes and tokens, as written well and badly
 */
#include <errno.h>
#include <string.h>

#include "size.h"
#include "test.h"

#define K UINT64_C(1024)

static const struct {
	const char *text;
	int r;
	uint64_t bytes;
} parsed[] = {
	{ "0", 0, 0 },
	{ "65536", 0, 65536 },
	{ "65536B", 0, 65536 },
	{ "010", 0, 10 },
	{ "1K", 0, K },
	{ "1k", 0, K },
	{ "64M", 0, 64 * K *K },
	{ "64MB", 0, 64 * K *K },
	{ "64MiB", 0, 64 * K *K },
	{ "2G", 0, 2 * K *K *K },
	{ "3T", 0, 3 * K *K *K *K },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "16777215T", 0, (UINT64_C(16777215)) << 40 },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "99999999999999999999999999", -ERANGE, 0 },
	{ "16777216T", -ERANGE, 0 },
	{ "18014398509481984K", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ " 1", -EINVAL, 0 },
	{ "1 ", -EINVAL, 0 },
	{ "1 K", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 },
	{ "1.5G", -EINVAL, 0 },
	{ "1P", -EINVAL, 0 },
	{ "1i", -EINVAL, 0 },
	{ "1iB", -EINVAL, 0 },
	{ "1Ki", -EINVAL, 0 },
	{ "1KBB", -EINVAL, 0 },
	{ "1KK", -EINVAL, 0 },
	{ "K", -EINVAL, 0 },
	{ "64M,", -EINVAL, 0 },
	{ "99999999999999999999999999x", -EINVAL, 0 },
};

static void
test_parse(void)
{
	uint64_t bytes;
	size_t i;

	for (i = 0; i < sizeof(parsed) / sizeof(parsed[0]); i++) {
		bytes = 42;
		printf("# '%s'\n", parsed[i].text);
		CHECK(size_parse(parsed[i].text, &bytes) == parsed[i].r);
		CHECK(bytes == (parsed[i].r == 0 ? parsed[i].bytes : 42));
	}
}

static const struct {
	uint64_t bytes;
	const char *text;
} formatted[] = {
	{ 0, "0" },
	{ 999, "999" },
	{ 1024, "1.0K" },
	{ 1536, "1.5K" },
	{ 100 * K, "100K" },
	{ 64 * K * K, "64M" },
	{ 1000 * K * K, "1.0G" },
	{ 3 * K * K * K / 2, "1.5G" },
	{ 2 * K * K * K * K, "2.0T" },
	{ UINT64_MAX, "8.0E" },
};

static void
test_format(void)
{
	char buf[SIZE_TEXT_MAX];
	size_t i;

	for (i = 0; i < sizeof(formatted) / sizeof(formatted[0]); i++) {
		CHECK(size_format(formatted[i].bytes, buf) == buf);
		printf("# '%s'\n", buf);
		CHECK(strcmp(buf, formatted[i].text) == 0);
	}
}

static void
test_token(void)
{
	static const char text[] = "00ff0123456789abcdef001122334455";
	uint8_t a[TOKEN_BYTES], b[TOKEN_BYTES];
	char buf[TOKEN_TEXT_MAX];

	CHECK(token_parse(text, a) == 0);
	CHECK(a[0] == 0 && a[1] == 0xff && a[15] == 0x55);
	CHECK(strcmp(token_format(a, buf), text) == 0);
	CHECK(token_parse("00FF0123456789ABCDEF001122334455", b) == 0);
	CHECK(memcmp(a, b, sizeof(a)) == 0);

	CHECK(token_random(a) == 0);
	CHECK(token_random(b) == 0);
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	CHECK(token_parse(token_format(a, buf), b) == 0);
	CHECK(memcmp(a, b, sizeof(a)) == 0);
}

static void
test_bad_token(void)
{
	static const char *const bad[] = {
		"",
		"0",
		"00ff0123456789abcdef0011223344",
		"00ff0123456789abcdef00112233445",
		"00ff0123456789abcdef0011223344556",
		"00ff0123456789abcdef00112233445g",
		"00ff0123456789abcdef00112233445 ",
		"0x00ff0123456789abcdef0011223344",
	};
	uint8_t a[TOKEN_BYTES] = { 7 };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(token_parse(bad[i], a) == -EINVAL);
	CHECK(a[0] == 7 && a[1] == 0);
}

static const struct test tests[] = {
	{ "parse sizes", test_parse },
	{ "format sizes", test_format },
	{ "tokens", test_token },
	{ "bad tokens", test_bad_token },
};

TEST_MAIN(tests)
