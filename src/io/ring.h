/*
 * ring.h: the fault plane's wait, on io_uring
 *
 * Multishot polls: one submission keeps reporting a descriptor until it is
 * removed.  A report may be late or spurious; the reader reads until there is
 * nothing more.
 *
 * => fault thread; nothing allocates after ring_new()
 */
#ifndef RING_H
#define RING_H

#include <stdint.h>

struct ring;

struct ring_event {
	uint64_t cookie; /* as given to ring_watch() */
};

int ring_new(unsigned int entries, struct ring **); /* 0 or -errno */
void ring_delete(struct ring *);                    /* accepts NULL */

/* => reports fd, readable or hung up, under a cookie that is not 0 */
int ring_watch(struct ring *, int fd, uint64_t cookie);
/* => no report of it comes any more; call before the close */
int ring_unwatch(struct ring *, int fd);

/*
 * ring_wait: submit what is queued, wait for reports
 *
 * => timeout_us: 0 does not wait, UINT64_MAX waits for ever
 * => returns the number of events, 0 at the timeout, or -errno
 */
int ring_wait(struct ring *, uint64_t timeout_us, struct ring_event *,
    unsigned int max);

#endif
