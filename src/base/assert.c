/*
 * assert.c: the last words of a process whose invariants do not hold
 *
 * => any thread; no heap and no stdio, since either may be what is broken
 */
#include "assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
assert_failed(const char *expr, const char *file, int line, const char *func)
{
	char text[512];
	size_t len;
	int n;

	n = snprintf(text, sizeof(text), "%s:%d: %s: assertion failed: %s\n",
	    file, line, func, expr);
	if (n > 0) {
		len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
		/* Nothing is left to be done when even this fails. */
		if (write(STDERR_FILENO, text, len) < 0)
			abort();
	}
	abort();
}
