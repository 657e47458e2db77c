#include "memtype.h"

#include "assert.h"

static const struct memtype *const memtypes[MEMTYPE_COUNT] = {
	[MEMTYPE_ANON] = &memtype_anon,
};

const struct memtype *
memtype_get(uint8_t id)
{
	ASSERT(id < MEMTYPE_COUNT);
	return memtypes[id];
}
