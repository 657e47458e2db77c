/*
 * zero.h: is memory all zeros?
 */
#ifndef ZERO_H
#define ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* => len > 0; each byte is compared with the one before it */
static inline bool
all_zero(const void *mem, size_t len)
{
	const char *p = mem;

	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

#endif
