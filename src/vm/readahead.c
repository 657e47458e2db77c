#include "readahead.h"

#include "region.h"
#include "vm.h"

static uint32_t
window_next(const struct readahead *ra, uint64_t page)
{
	if (ra->sequential)
		return READAHEAD_MAX;
	if (page == 0 || page != ra->next)
		return 1;
	return ra->window < READAHEAD_MAX / 2 ? 2 * ra->window : READAHEAD_MAX;
}

uint32_t
readahead_peek(const struct region *r, uint64_t page)
{
	uint32_t window = window_next(&r->readahead, page);
	uint64_t left = r->rec->npages - page;

	return left < window ? (uint32_t)left : window;
}

void
readahead_took(struct region *r, uint64_t page, uint32_t n)
{
	r->readahead.window = readahead_peek(r, page);
	r->readahead.next = page + n;
}

/* => pages from page on that are in that state, 1 .. max */
static uint32_t
run(const struct vm *vm, const struct region *r, uint64_t page, uint32_t max,
    enum slot_state state)
{
	uint32_t n = 1;

	while (n < max && page + n < r->rec->npages &&
	       slot_state(region_slot(vm, r, page + n)) == state)
		n++;
	return n;
}

/* => pages from page on that are in that state, as many as the stream goes */
static uint32_t
stream(const struct vm *vm, const struct region *r, struct readahead *ra,
    uint64_t page, uint32_t max, enum slot_state state)
{
	uint32_t window = window_next(ra, page), n;

	if (window > max)
		window = max;
	n = run(vm, r, page, window, state);
	if (page != ra->next)
		ra->write = false;
	ra->window = window;
	ra->next = page + n;
	return n;
}

uint32_t
readahead_window(const struct vm *vm, struct region *r, uint64_t page,
    uint32_t max)
{
	return stream(vm, r, &r->readahead, page, max, SLOT_OUT);
}

uint32_t
readahead_run(const struct vm *vm, const struct region *r, uint64_t page,
    uint32_t max)
{
	return run(vm, r, page, max, SLOT_OUT);
}

void
readahead_filled(struct region *r, uint64_t page, uint32_t n)
{
	r->readahead.next = page + n;
}

uint32_t
readahead_first(const struct vm *vm, struct region *r, uint64_t page,
    uint32_t max)
{
	return stream(vm, r, &r->first, page, max, SLOT_UNKNOWN);
}
