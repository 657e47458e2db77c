/*
 * null.c: a backend that keeps pages as they are, in memory
 *
 * It saves nothing.  It is there for tests, as the yardstick of benchmarks,
 * and to be copied: all that a backend has to do is here.
 *
 * A handle is a slot's number, from 1.  The links of the free slots are index,
 * beside the pages and not in them.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"
#include "builtin.h"
#include "pack.h"
#include "reserve.h"
#include "size.h"

#define SLOT_LIVE UINT32_MAX

struct null { /* fault thread after open */
	int fd;
	char *pages;    /* slot i is at i * BACKEND_PAGE; slot 0 is not used */
	uint32_t *next; /* SLOT_LIVE, or the next free slot; 0: none */
	uint32_t nslots;
	uint32_t high; /* no slot from here on was ever used */
	uint32_t free_head;
	uint32_t nlive;
	uint64_t capacity; /* bytes, 0: no limit */
};

static size_t
null_state_size(void)
{
	return sizeof(struct null);
}

static int
null_open(void *state, const char *args, char *err, size_t errlen)
{
	struct null *n = state;
	uint64_t slots;
	void *pages, *next;
	int r;

	if (args != NULL && *args != '\0') {
		if (size_parse(args, &n->capacity) < 0 ||
		    n->capacity < BACKEND_PAGE) {
			snprintf(err, errlen, "null: '%s' is not a size", args);
			return -EINVAL;
		}
		slots = n->capacity / BACKEND_PAGE;
	} else {
		slots = reserve_physical() / BACKEND_PAGE;
	}
	n->nslots = slots < UINT32_MAX - 1 ? (uint32_t)slots + 1 : UINT32_MAX;
	n->high = 1;
	r = reserve_shared("pagerd-null", (size_t)n->nslots * BACKEND_PAGE,
	    &n->fd, &pages);
	if (r < 0)
		goto fail;
	r = reserve_private(n->nslots * sizeof(*n->next), &next);
	if (r < 0) {
		reserve_release(pages, (size_t)n->nslots * BACKEND_PAGE);
		close(n->fd);
		goto fail;
	}
	/* A core dump of the daemon is not to show its clients' memory. */
	(void)madvise(pages, (size_t)n->nslots * BACKEND_PAGE, MADV_DONTDUMP);
	n->pages = pages;
	n->next = next;
	return 0;
fail:
	snprintf(err, errlen, "null: reserving memory: %s", strerror(-r));
	return r;
}

static void
null_close(void *state)
{
	struct null *n = state;

	reserve_release(n->next, n->nslots * sizeof(*n->next));
	reserve_release(n->pages, (size_t)n->nslots * BACKEND_PAGE);
	close(n->fd);
}

static int
null_store(void *state, const struct packed *p, uint32_t owner,
    uint64_t *handle)
{
	struct null *n = state;
	uint32_t i = n->free_head;
	int r;

	(void)owner; /* nothing is moved */
	if (i != 0)
		n->free_head = n->next[i];
	else if (n->high < n->nslots)
		i = n->high++;
	else
		return -ENOSPC;
	n->next[i] = SLOT_LIVE;
	n->nlive++;
	r = unpack_page(p, n->pages + (size_t)i * BACKEND_PAGE);
	ASSERT(r == 0);
	*handle = i;
	return 0;
}

static bool
is_live(const struct null *n, uint64_t handle)
{
	return handle > 0 && handle < n->high && n->next[handle] == SLOT_LIVE;
}

static int
null_peek(void *state, uint64_t handle, struct packed *p)
{
	struct null *n = state;

	if (!is_live(n, handle))
		return -EIO;
	*p = (struct packed){ .bytes = n->pages + handle * BACKEND_PAGE,
		.len = PACK_PAGE };
	return 0;
}

static void
null_free(void *state, uint64_t handle)
{
	struct null *n = state;

	ASSERT(is_live(n, handle));
	reserve_punch(n->fd, handle * BACKEND_PAGE, BACKEND_PAGE);
	n->next[handle] = n->free_head;
	n->free_head = (uint32_t)handle;
	n->nlive--;
}

static void
null_stats(const void *state, struct backend_stats *st)
{
	const struct null *n = state;

	st->pages = n->nlive;
	st->incompressible = n->nlive;
	st->stored_bytes = (uint64_t)n->nlive * BACKEND_PAGE;
	st->used_bytes = st->stored_bytes;
	st->capacity_bytes = n->capacity;
}

const struct backend_ops null_backend = {
	.name = "null",
	.help = "pages as they are, in memory (for tests); ARGS: SIZE",
	.state_size = null_state_size,
	.open = null_open,
	.close = null_close,
	.store = null_store,
	.peek = null_peek,
	.free = null_free,
	.stats = null_stats,
};
