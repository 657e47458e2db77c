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
 *	pager_store_ready()  --> stores.c
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
#include "stores.h"

struct parcel;
struct pager;
struct vm;
struct work;

/* Which descriptor of a space became readable. */
enum pager_source {
	PAGER_UFFD, /* its main userfaultfd */
	PAGER_SOCK, /* its agent's socket */
};

struct pager_host {
	/*
	 * Tell the pager, with pager_readable(), whenever fd is readable
	 * (also at once if it is now).  unwatch comes before the close.
	 */
	int (*watch)(void *ctx, int fd, uint64_t space, enum pager_source);
	void (*unwatch)(void *ctx, int fd, uint64_t space, enum pager_source);
	uint64_t (*now_ns)(void *ctx); /* monotonic */
	/*
	 * Read a file, and tell of it with pager_read_done(), later.  buf
	 * stays until then.  0 or -errno: nothing is told of.
	 */
	int (*read)(void *ctx, int fd, void *buf, uint32_t len, uint64_t at,
	    uint32_t cookie);
	/* close a file that may take its time */
	void (*close)(void *ctx, int fd);
	/*
	 * Have another thread do its work (parcel.h), and then tell the pager,
	 * with pager_packed(), in the order of these calls.
	 */
	void (*pack)(void *ctx, struct parcel *);
	/*
	 * Have another thread do it, and then tell the pager, with
	 * pager_worked(), in the order of these calls.  It may block.
	 */
	void (*work)(void *ctx, struct work *);
	/* The fault thread stays on cpu, or, -1, nowhere in particular. */
	void (*stays)(void *ctx, int cpu);
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

/* => planes, stores and host outlive the pager; 0 or -errno */
int pager_new(const struct pager_config *, struct planes *,
    const struct stack_spec *, uint32_t nstacks, const struct pager_host *,
    struct pager **);
void pager_delete(struct pager *); /* accepts NULL */

/*
 * pager_looked: what is told of from now on was seen by one look
 *
 * => call before the pager_readable() that one look brings
 * => late: reports were there before anybody waited for them, and may be as
 *    old as the last look
 */
void pager_looked(struct pager *, bool late);
void pager_readable(struct pager *, uint64_t space, enum pager_source);
void pager_mail(struct pager *, struct mail *); /* answers, now or later */
/* => after its work.run() */
void pager_packed(struct pager *, struct parcel *);
/* => backend_fd() of a store was readable */
void pager_store_ready(struct pager *, uint32_t number);
void pager_worked(struct pager *, struct work *); /* after its run() */
/* => a read has ended: its bytes or -errno */
void pager_read_done(struct pager *, uint32_t cookie, int result);

/*
 * pager_tick: does what is due and a slice of what can wait
 *
 * => call after every pager_readable(), pager_mail(), pager_packed(),
 *    pager_read_done(), pager_store_ready(), pager_worked(), and at the time
 *    it returns (now_us scale; UINT64_MAX: nothing is due; <= now: call again
 *    as soon as descriptors have been looked at)
 */
uint64_t pager_tick(struct pager *);

/* For tests and for the checks of a live daemon. */
struct vm *pager_vm(struct pager *);

#endif
