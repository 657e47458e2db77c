#include "slot.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"
#include "extent.h"

#define SLOT_EXTENT_NODES (1u << 20)

static int
slotmap_map(struct slotmap *sm)
{
	size_t bytes = sm->nslots * sizeof(*sm->slots);
	size_t nchunks = sm->nslots / SLOT_CHUNK;
	void *p;

	sm->fd = memfd_create("pagerd-slots", MFD_CLOEXEC);
	if (sm->fd < 0 || ftruncate(sm->fd, (off_t)bytes) < 0)
		return -errno;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, sm->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	sm->slots = p;
	p = mmap(NULL, nchunks * sizeof(*sm->chunks), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	sm->chunks = p;
	return 0;
}

int
slotmap_open(struct slotmap *sm, uint64_t nslots)
{
	int r;

	*sm = (struct slotmap){
		.fd = -1,
		.nslots = (nslots + SLOT_CHUNK - 1) / SLOT_CHUNK * SLOT_CHUNK,
	};
	r = slotmap_map(sm);
	if (r == 0)
		r = extents_new(sm->nslots, SLOT_EXTENT_NODES, &sm->extents);
	if (r < 0)
		slotmap_close(sm);
	return r;
}

void
slotmap_close(struct slotmap *sm)
{
	if (sm->chunks != NULL)
		(void)munmap(sm->chunks,
		    sm->nslots / SLOT_CHUNK * sizeof(*sm->chunks));
	if (sm->slots != NULL)
		(void)munmap(sm->slots, sm->nslots * sizeof(*sm->slots));
	if (sm->fd > 0)
		(void)close(sm->fd);
	extents_delete(sm->extents);
	*sm = (struct slotmap){ .fd = -1 };
}

static void
owned_to(struct slotmap *sm, uint64_t end)
{
	if (end > sm->high)
		sm->high = end;
}

int
slotmap_alloc(struct slotmap *sm, uint64_t n, uint64_t *pos)
{
	int rc = extents_alloc(sm->extents, n, pos);

	if (rc == 0)
		owned_to(sm, *pos + n);
	return rc;
}

int
slotmap_grow(struct slotmap *sm, uint64_t end, uint64_t n)
{
	int rc = extents_grow(sm->extents, end, n);

	if (rc == 0)
		owned_to(sm, end + n);
	return rc;
}

/*
 * Whole pages of the array that the freed run covered go back to the kernel;
 * they are zero already, as is the rest of the run.
 */
void
slotmap_free(struct slotmap *sm, uint64_t pos, uint64_t n)
{
	uint64_t first = (pos + SLOT_CHUNK - 1) / SLOT_CHUNK * SLOT_CHUNK;
	uint64_t last = (pos + n) / SLOT_CHUNK * SLOT_CHUNK;

	ASSERT(slotmap_next(sm, pos, pos + n) == pos + n);
	if (first < last)
		(void)madvise(sm->slots + first,
		    (last - first) * sizeof(*sm->slots), MADV_REMOVE);
	extents_free(sm->extents, pos, n);
}

void
slotmap_set(struct slotmap *sm, uint64_t pos, uint64_t slot)
{
	uint64_t *old = &sm->slots[pos];
	struct slot_chunk *c = &sm->chunks[pos / SLOT_CHUNK];

	c->live = (uint16_t)(c->live + (slot != 0) - (*old != 0));
	c->resident =
	    (uint16_t)(c->resident + slot_resident(slot) - slot_resident(*old));
	__atomic_store_n(old, slot, __ATOMIC_RELEASE);
}

uint64_t
slotmap_next(const struct slotmap *sm, uint64_t pos, uint64_t end)
{
	while (pos < end) {
		uint64_t stop = (pos / SLOT_CHUNK + 1) * SLOT_CHUNK;

		if (stop > end)
			stop = end;
		if (sm->chunks[pos / SLOT_CHUNK].live == 0) {
			pos = stop;
			continue;
		}
		for (; pos < stop; pos++)
			if (sm->slots[pos] != 0)
				return pos;
	}
	return end;
}

uint64_t
slotmap_resident(const struct slotmap *sm, uint64_t pos, uint64_t end,
    uint64_t *stop)
{
	while (pos < end && sm->chunks[pos / SLOT_CHUNK].resident == 0)
		pos = (pos / SLOT_CHUNK + 1) * SLOT_CHUNK;
	if (pos >= end)
		return end;
	*stop = (pos / SLOT_CHUNK + 1) * SLOT_CHUNK;
	if (*stop > end)
		*stop = end;
	return pos;
}

uint64_t
slotmap_bytes(const struct slotmap *sm)
{
	struct stat st;

	if (fstat(sm->fd, &st) < 0)
		return 0;
	return (uint64_t)st.st_blocks * 512;
}
