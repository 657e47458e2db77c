/*
 * backend.h: a place where contents go when they leave a client
 *
 * A backend keeps packed pages (pack.h) and names each by a handle.  The rest
 * of pagerd calls the backend_*() functions only: they check the contract,
 * count, and call the table.
 *
 * Storing is over when store() returns: what a device has not got yet the
 * backend keeps in memory, and when it has too much of that it says "later".
 * Reading may take time: peek() says BACKEND_WAIT until what want() has begun
 * is done; whoever wants the page asks again when the backend's descriptor was
 * readable, and ready() has been called.
 *
 *	store() --> handle --> want(), peek() ... ready(), peek() --> free()
 *	                  |
 *	                  +--> names(), moved(): the backend moves an object
 *
 * To add a backend: copy null.c, fill the table, add one line to builtin.h
 * and one to meson.build, one section to pagerd-backends(7), and run the
 * backend suite: it takes every entry of backend_list[] by itself.
 *
 * => fault thread only after backend_open(); packing is anybody's (pack.h)
 * => no hook may allocate from the heap, log, or block after open
 */
#ifndef BACKEND_H
#define BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hist.h"
#include "pack.h"
#include "work.h"

#define BACKEND_PAGE PACK_PAGE
#define BACKEND_HANDLE_BITS 56 /* handles fit in so many bits */
#define BACKEND_HANDLE_MAX ((UINT64_C(1) << BACKEND_HANDLE_BITS) - 1)

struct backend;

/* Positive outcome of peek: not in memory; want() it, and ask after ready() */
#define BACKEND_WAIT 1

struct backend_stats {
	uint64_t pages;          /* handles alive */
	uint64_t same_filled;    /* of them, pages kept without bytes */
	uint64_t incompressible; /* of them, pages kept whole */
	uint64_t stored_bytes;   /* payload after compression */
	uint64_t used_bytes; /* memory or space taken, headers and gaps too */
	uint64_t capacity_bytes;       /* 0: no limit */
	uint64_t stores, loads, frees; /* calls that succeeded */
	uint64_t errors;               /* calls that failed */
	/* Of a device; all 0 if there is none. */
	uint64_t reads, read_bytes, writes, written_bytes; /* that succeeded */
	uint64_t retries; /* of those that failed at first */
	uint64_t moved;   /* objects that made way */
	bool failing;     /* the last one failed */
	/* Each, retries included; the backend's.  NULL: there is no device. */
	const struct hist *read_ns, *write_ns;
};

/* What a backend may ask for, on the fault thread. */
struct backend_host {
	uint64_t (*now_ns)(void *ctx); /* monotonic */
	/* => never fails; it may block there, and is done in its turn */
	void (*work)(void *ctx, struct work *);
	/* => is the object that was stored for owner at handle, still? */
	bool (*names)(void *ctx, uint32_t owner, uint64_t handle);
	/* It is at another handle from now on; the old one is forgotten. */
	void (*moved)(void *ctx, uint32_t owner, uint64_t from, uint64_t to);
	void *ctx;
};

struct backend_ops {
	const char *name; /* as in --store NAME:ARGS */
	const char *help; /* one line: what ARGS are */
	size_t (*state_size)(void);
	/*
	 * Parses args (may be NULL), gets what it needs.  Control thread,
	 * before the plane starts; the only hook that may block or allocate.
	 * On failure writes one line to err and returns -errno.
	 */
	int (*open)(void *state, const char *args, char *err, size_t errlen);
	void (*close)(void *state);
	/* Once, before anything is stored.  May be NULL. */
	void (*attach)(void *state, const struct backend_host *);
	/*
	 * Keeps a copy of a packed page; its bytes stay the caller's.
	 * => 0, -ENOSPC (full), -EIO, -EAGAIN (too much is on its way: later)
	 */
	int (*store)(void *state, const struct packed *, uint32_t owner,
	    uint64_t *handle);
	/*
	 * => 0: the packed page, its bytes valid until the next call of any
	 *    hook; BACKEND_WAIT; -EIO (unreadable, and will be)
	 */
	int (*peek)(void *state, uint64_t handle, struct packed *);
	/*
	 * The first is asked for, the others will be: reads of what is not in
	 * memory begin, as far as there is room.  What was read stays until
	 * it was peeked at, or for a while.  NULL: peek() never waits.
	 */
	void (*want)(void *state, const uint64_t *handles, uint32_t n);
	void (*free)(void *state, uint64_t handle);
	void (*stats)(const void *state, struct backend_stats *);
	/* => readable when something has ended, constant; NULL: never */
	int (*fd)(const void *state);
	/* It was; or, called at any time, nothing happens. */
	void (*ready)(void *state);
	/*
	 * What can wait: a slice of it.  => when to call again, host's ns;
	 * UINT64_MAX: when something was called.  May be NULL.
	 */
	uint64_t (*step)(void *state);
	/* => what was stored is on the device, or never will be: for tests
	 *    and at the end.  May be NULL. */
	bool (*idle)(const void *state);
	/*
	 * After a restart: handle is alive.  May be NULL when the backend
	 * cannot survive its process.
	 */
	int (*revive)(void *state, uint64_t handle);
};

extern const struct backend_ops *const backend_list[]; /* NULL ends it */

/*
 * backend_open: open "name" or "name:args"
 *
 * => returns 0; -EINVAL (no such backend or bad args) or -errno, with one
 *    line in err
 */
int backend_open(const char *spec, struct backend **, char *err, size_t errlen);
void backend_close(struct backend *); /* accepts NULL */

void backend_attach(struct backend *, const struct backend_host *);

/*
 * backend_store: keep what pack_page() has made of a page
 *
 * => owner: who is asked, and told, when it is to move; not 0
 * => 0, -ENOSPC, -EIO, -EAGAIN
 */
int backend_store(struct backend *, const struct packed *, uint32_t owner,
    uint64_t *handle);
int backend_peek(struct backend *, uint64_t handle, struct packed *);
void backend_want(struct backend *, const uint64_t *handles, uint32_t n);
/*
 * backend_same: does the stored page have these bytes?
 *
 * => 1 or 0, all of them compared; 0 also if one had to wait for the answer;
 *    -EIO (unreadable)
 */
int backend_same(struct backend *, uint64_t handle, const void *page);
void backend_free(struct backend *, uint64_t handle);
int backend_fd(const struct backend *); /* => -1: there is none */
void backend_ready(struct backend *);
uint64_t backend_step(struct backend *);
bool backend_idle(const struct backend *);
void backend_stats(const struct backend *, struct backend_stats *);
const char *backend_name(const struct backend *);

#endif
