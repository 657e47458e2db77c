/*
 * backend.h: a place where contents go when they leave a client
 *
 * A backend keeps pages (BACKEND_PAGE bytes) and names each by a handle.  The
 * rest of pagerd calls the backend_*() functions only: they check the
 * contract, count, and call the table.
 *
 * To add a backend: copy null.c, fill the table, add one line to builtin.h
 * and one to meson.build, one section to pagerd-backends(7), and run the
 * backend suite: it takes every entry of backend_list[] by itself.
 *
 * => fault thread only after backend_open()
 * => no hook may allocate from the heap, log, or block after open
 */
#ifndef BACKEND_H
#define BACKEND_H

#include <stddef.h>
#include <stdint.h>

#define BACKEND_PAGE 4096u
#define BACKEND_HANDLE_BITS 56 /* handles fit in so many bits */
#define BACKEND_HANDLE_MAX ((UINT64_C(1) << BACKEND_HANDLE_BITS) - 1)

struct backend;

struct backend_stats {
	uint64_t pages;          /* handles alive */
	uint64_t same_filled;    /* of them, pages kept without bytes */
	uint64_t incompressible; /* of them, pages kept whole */
	uint64_t stored_bytes;   /* payload after compression */
	uint64_t used_bytes; /* memory or space taken, headers and gaps too */
	uint64_t capacity_bytes;       /* 0: no limit */
	uint64_t stores, loads, frees; /* calls that succeeded */
	uint64_t errors;               /* calls that failed */
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
	/*
	 * Keeps a copy of page; the buffer stays the caller's.
	 * => 0, -ENOSPC (full), -EIO
	 */
	int (*store)(void *state, const void *page, uint64_t *handle);
	/* Writes the page's bytes to page.  => 0 or -EIO (unreadable) */
	int (*load)(void *state, uint64_t handle, void *page);
	void (*free)(void *state, uint64_t handle);
	void (*stats)(const void *state, struct backend_stats *);
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

int backend_store(struct backend *, const void *page, uint64_t *handle);
int backend_load(struct backend *, uint64_t handle, void *page);
/*
 * backend_same: does the stored page have these bytes?
 *
 * => 1 or 0, all of them compared; -EIO (unreadable)
 */
int backend_same(struct backend *, uint64_t handle, const void *page);
void backend_free(struct backend *, uint64_t handle);
void backend_stats(const struct backend *, struct backend_stats *);
const char *backend_name(const struct backend *);

#endif
