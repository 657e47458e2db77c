/*
 * ram.c: packed pages in memory, the default store
 *
 * A handle is the position of an object of the packed length, or HANDLE_SAME
 * and the word that a page repeats.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "assert.h"
#include "builtin.h"
#include "pack.h"
#include "segments.h"
#include "size.h"

#define HANDLE_SAME (UINT64_C(1) << (BACKEND_HANDLE_BITS - 1))

_Static_assert(SEGMENT_PAGE == PACK_PAGE, "a whole page is an object");
_Static_assert(PACK_MAX <= SEGMENT_OBJECT_MAX, "a packed one is, too");

struct ram { /* fault thread after open */
	struct segments segments;
	uint64_t capacity; /* bytes, 0: no limit */
	uint64_t pages;
	uint64_t same_filled;
	uint64_t incompressible;
};

static size_t
ram_state_size(void)
{
	return sizeof(struct ram);
}

static int
ram_open(void *state, const char *args, char *err, size_t errlen)
{
	struct ram *m = state;
	int r;

	if (args != NULL && *args != '\0' &&
	    (size_parse(args, &m->capacity) < 0 || m->capacity == 0)) {
		snprintf(err, errlen,
		    "ram: '%s' is not a size such as 512M or 2G", args);
		return -EINVAL;
	}
	r = segments_open(&m->segments, "pagerd-ram",
	    m->capacity != 0 ? m->capacity : UINT64_MAX);
	if (r < 0)
		snprintf(err, errlen, "ram: reserving memory: %s",
		    strerror(-r));
	return r;
}

static void
ram_close(void *state)
{
	struct ram *m = state;

	segments_close(&m->segments);
}

static int
ram_store(void *state, const struct packed *p, uint32_t owner, uint64_t *handle)
{
	struct ram *m = state;
	int r;

	(void)owner; /* nothing is moved */
	if (p->len == 0) {
		*handle = HANDLE_SAME | p->word;
		m->same_filled++;
		m->pages++;
		return 0;
	}
	r = segments_put(&m->segments, p->bytes, p->len, handle);
	if (r < 0)
		return r;
	m->incompressible += p->len == PACK_PAGE;
	m->pages++;
	return 0;
}

static int
ram_peek(void *state, uint64_t handle, struct packed *p)
{
	struct ram *m = state;

	*p = (struct packed){ .word = (uint32_t)handle };
	if ((handle & HANDLE_SAME) != 0)
		return 0;
	p->bytes = segments_get(&m->segments, handle, &p->len);
	return p->bytes != NULL ? 0 : -EIO;
}

static void
ram_free(void *state, uint64_t handle)
{
	struct ram *m = state;

	ASSERT(m->pages > 0);
	m->pages--;
	if ((handle & HANDLE_SAME) != 0)
		m->same_filled--;
	else if (segments_free(&m->segments, handle) == BACKEND_PAGE)
		m->incompressible--;
}

static void
ram_stats(const void *state, struct backend_stats *st)
{
	const struct ram *m = state;

	st->pages = m->pages;
	st->same_filled = m->same_filled;
	st->incompressible = m->incompressible;
	st->stored_bytes = m->segments.stored;
	st->used_bytes = m->segments.used;
	st->capacity_bytes = m->capacity;
}

const struct backend_ops ram_backend = {
	.name = "ram",
	.help = "compressed in memory; ARGS: SIZE (none: no limit)",
	.state_size = ram_state_size,
	.open = ram_open,
	.close = ram_close,
	.store = ram_store,
	.peek = ram_peek,
	.free = ram_free,
	.stats = ram_stats,
};
