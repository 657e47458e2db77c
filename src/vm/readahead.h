/*
 * readahead.h: how many pages to bring back with the one that faulted
 *
 * Pure policy.  A refault that goes on where the last fill of its region ended
 * is a stream: the window doubles up to READAHEAD_MAX.  One that starts
 * elsewhere begins with a single page; a second in order starts a stream.
 */
#ifndef READAHEAD_H
#define READAHEAD_H

#include <stdint.h>

struct region;
struct vm;

#define READAHEAD_MAX 32u

/*
 * readahead_window: pages to fill from page on, 1 .. max
 *
 * => page is OUT and faults now; the pages counted are OUT and contiguous
 * => remembers the stream in r->readahead
 */
uint32_t readahead_window(const struct vm *, struct region *, uint64_t page,
    uint32_t max);

/*
 * The fault had to wait: what is left of its window, and nothing new is
 * remembered; page is OUT.
 */
uint32_t readahead_run(const struct vm *, const struct region *, uint64_t page,
    uint32_t max);
/* So many of them could be filled: the stream goes on behind them. */
void readahead_filled(struct region *, uint64_t page, uint32_t n);

/* => the same for pages never touched, which are UNKNOWN; r->first */
uint32_t readahead_first(const struct vm *, struct region *, uint64_t page,
    uint32_t max);

/*
 * The same for the pages of an object, where looking and remembering are two
 * steps: first they are brought into memory, then into the client.
 */
uint32_t readahead_peek(const struct region *, uint64_t page);
void readahead_took(struct region *, uint64_t page, uint32_t n);

#endif
