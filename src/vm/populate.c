#include "populate.h"

#include <errno.h>

#include "vm.h"

/* => false: the page is there, as far as it may be used */
static bool
is_step(const struct vm *vm, const struct region *r, uint64_t page,
    enum access *access)
{
	uint64_t own = region_slot(vm, r, page);
	bool readonly = r->rec->flags & REGION_READONLY;

	*access = readonly ? ACCESS_READ : ACCESS_WRITE;
	if (slot_state(own) != SLOT_RESIDENT)
		return true;
	*access = ACCESS_PROTECTED;
	return slot_protected(own) && !readonly;
}

int
populate_next(const struct vm *vm, struct space *sp, uint64_t *at, uint64_t end,
    struct populate *step)
{
	if (*at % PAGE_BYTES != 0 || end % PAGE_BYTES != 0 || *at > end)
		return -EINVAL;
	while (*at < end) {
		struct region *r = space_find(sp, *at);

		if (r == NULL)
			return -ENOMEM;
		for (; *at < end && *at < region_end(r); *at += PAGE_BYTES) {
			step->region = r;
			step->page = region_page(r, *at);
			if (is_step(vm, r, step->page, &step->access)) {
				*at += PAGE_BYTES;
				return POPULATE_STEP;
			}
		}
	}
	return 0;
}
