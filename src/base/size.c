/*
 * size.c: sizes and tokens as people write them
 */
#include "size.h"

#include <sys/random.h>

#include <ctype.h>
#include <errno.h>
#include <libutil.h>
#include <stdbool.h>
#include <string.h>

#include "assert.h"

/* => skips a unit letter and what may follow it; shift is 0 for bytes */
static const char *
parse_unit(const char *s, unsigned *shift)
{
	static const char units[] = "KMGT";
	const char *u;

	*shift = 0;
	if (*s == '\0')
		return s;
	u = strchr(units, toupper((unsigned char)*s));
	if (u != NULL) {
		*shift = 10 * (unsigned)(u - units + 1);
		s++;
		if (s[0] == 'i' && s[1] == 'B')
			s++;
	}
	if (*s == 'B')
		s++;
	return s;
}

/*
 * By hand, since expand_number() of libbsd also takes blanks, signs, octal
 * and hexadecimal.
 */
int
size_parse(const char *text, uint64_t *bytes)
{
	const char *s = text;
	uint64_t n = 0;
	bool fits = true;
	unsigned shift;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++) {
		fits = fits && !__builtin_mul_overflow(n, 10u, &n) &&
		       !__builtin_add_overflow(n, (unsigned)(*s - '0'), &n);
	}
	if (*parse_unit(s, &shift) != '\0')
		return -EINVAL;
	if (!fits || n > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes = n << shift;
	return 0;
}

const char *
size_format(uint64_t bytes, char buf[SIZE_TEXT_MAX])
{
	/* Four characters are the most that scales as people expect. */
	const size_t width = 4 + 1;
	int64_t n = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
	int r;

	r = humanize_number(buf, width, n, "", HN_AUTOSCALE,
	    HN_DECIMAL | HN_NOSPACE);
	ASSERT(r > 0 && (size_t)r < width);
	return buf;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
token_parse(const char *text, uint8_t token[TOKEN_BYTES])
{
	uint8_t bytes[TOKEN_BYTES];
	int high, low;
	size_t i;

	for (i = 0; i < TOKEN_BYTES; i++) {
		/* Stops at the text's end: NUL is no digit. */
		high = hex_digit(text[2 * i]);
		if (high < 0)
			return -EINVAL;
		low = hex_digit(text[2 * i + 1]);
		if (low < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (text[2 * TOKEN_BYTES] != '\0')
		return -EINVAL;
	memcpy(token, bytes, sizeof(bytes));
	return 0;
}

const char *
token_format(const uint8_t token[TOKEN_BYTES], char buf[TOKEN_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < TOKEN_BYTES; i++) {
		buf[2 * i] = digits[token[i] >> 4];
		buf[2 * i + 1] = digits[token[i] & 15];
	}
	buf[2 * TOKEN_BYTES] = '\0';
	return buf;
}

int
token_random(uint8_t token[TOKEN_BYTES])
{
	ssize_t n;

	/* So few bytes come whole, or not at all. */
	do {
		n = getrandom(token, TOKEN_BYTES, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	ASSERT(n == TOKEN_BYTES);
	return 0;
}
