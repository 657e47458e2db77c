/*
 * pager.h: the fault plane without its loop
 *
 * Everything that happens to a page happens here, driven from outside: by
 * plane.c with a real ring and clock, by the simulation with fake ones.
 *
 *	pager_readable(uffd) --> event.c --> fault.c --> install.c
 *	pager_readable(sock) --> evict.c
 *	pager_readable(stage) -> client.c
 *	pager_mail()         --> attach.c, adopt.c, report.c, runs.c,
 *	                         library.c, home.c
 *	pager_read_done()    --> images.c
 *	pager_tick()         --> retries, eviction in slices, bringing home
 *
 * => fault thread
 * => nothing here allocates from the heap, logs, or blocks after pager_new()
 */
#ifndef PAGER_H
#define PAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contents.h"
#include "planes.h"

struct backend;
struct pager;
struct vm;

/* Which descriptor of a space became readable. */
enum pager_source {
	PAGER_UFFD,  /* its main userfaultfd */
	PAGER_STAGE, /* the one of its staging area */
	PAGER_SOCK,  /* its agent's socket */
};

struct pager_host {
	/*
	 * Tell the pager, with pager_readable(), whenever fd is readable
	 * (also at once if it is now).  unwatch comes before the close.
	 */
	int (*watch)(void *ctx, int fd, uint64_t space, enum pager_source);
	void (*unwatch)(void *ctx, int fd, uint64_t space, enum pager_source);
	uint64_t (*now_us)(void *ctx); /* monotonic */
	/*
	 * Read a file, and tell of it with pager_read_done(), later.  buf
	 * stays until then.  0 or -errno: nothing is told of.
	 */
	int (*read)(void *ctx, int fd, void *buf, uint32_t len, uint64_t at,
	    uint32_t cookie);
	/* close a file that may take its time */
	void (*close)(void *ctx, int fd);
	void *ctx;
};

struct pager_config {
	uint32_t max_groups, max_spaces, max_regions, max_blocks;
	uint64_t max_slots;  /* pages of address space under management */
	uint32_t max_faults; /* waiting at the same time, all clients */
	bool dedup;
	uint8_t dedup_key[CONTENTS_KEY_BYTES]; /* nobody may know it */
};

/* => sizes that suit this machine's memory; no dedup, for want of a key */
void pager_config_default(struct pager_config *);

/* => planes, store and host outlive the pager; 0 or -errno */
int pager_new(const struct pager_config *, struct planes *, struct backend *,
    const struct pager_host *, struct pager **);
void pager_delete(struct pager *); /* accepts NULL */

void pager_readable(struct pager *, uint64_t space, enum pager_source);
void pager_mail(struct pager *, struct mail *); /* answers, now or later */
/* => a read has ended: its bytes or -errno */
void pager_read_done(struct pager *, uint32_t cookie, int result);

/*
 * pager_tick: does what is due and a slice of what can wait
 *
 * => call after every pager_readable(), pager_mail() and
 *    pager_read_done(), and at the time it
 *    returns (now_us scale; UINT64_MAX: nothing is due; <= now: call again
 *    as soon as descriptors have been looked at)
 */
uint64_t pager_tick(struct pager *);

/* For tests and for the checks of a live daemon. */
struct vm *pager_vm(struct pager *);

#endif
