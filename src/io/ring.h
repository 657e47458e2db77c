/*
 * ring.h: the fault plane's wait, on io_uring
 *
 * Multishot polls: one submission keeps reporting a descriptor until it is
 * removed.  A report may be late or spurious; the reader reads until there is
 * nothing more.
 *
 * Files are read and closed by the kernel's workers: whose file system does
 * not answer makes none of us wait.
 *
 * => fault thread; nothing allocates after ring_new()
 */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stdint.h>

struct ring;

struct ring_event {
	uint64_t cookie; /* as given to ring_watch() or ring_read() */
	bool read;       /* it is a read that has ended */
	int result;      /* of a read: bytes or -errno */
};

int ring_new(unsigned int entries, struct ring **); /* 0 or -errno */
void ring_delete(struct ring *);                    /* accepts NULL */

/* => reports fd, readable or hung up, under a cookie that is not 0 */
int ring_watch(struct ring *, int fd, uint64_t cookie);
/* => no report of it comes any more; call before the close */
int ring_unwatch(struct ring *, int fd);

#define RING_WORKERS 128u /* files are read and closed by so many at a time */

/*
 * ring_read: len bytes of fd, from offset at on, into buf
 *
 * => reported once under its cookie, perhaps never if the file system hangs:
 *    buf has to stay until then, also after ring_delete(), and fd stays open:
 *    a worker looks it up
 * => 0 or -errno: then nothing is reported
 */
int ring_read(struct ring *, int fd, void *buf, uint32_t len, uint64_t at,
    uint32_t cookie);
/* => fd is closed sooner or later; whoever serves the file may be slow */
void ring_close(struct ring *, int fd);
/*
 * => reads and closes under way.  The thread cannot end before they have, but
 *    its process can
 */
uint32_t ring_pending(const struct ring *);

/* => some are there already: ring_wait() will not sleep */
bool ring_has_reports(const struct ring *);

/*
 * ring_wait: submit what is queued, wait for reports
 *
 * => timeout_us: 0 does not wait, UINT64_MAX waits for ever
 * => returns the number of events, 0 at the timeout, or -errno
 */
int ring_wait(struct ring *, uint64_t timeout_us, struct ring_event *,
    unsigned int max);

#endif
