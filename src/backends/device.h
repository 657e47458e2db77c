/*
 * device.h: somewhere slow that has bytes: what spill.h keeps pages on
 *
 *	submit() ... descriptor readable, reap() --> the request has ended
 *
 * A device does what it is asked in any order, as much of it at a time as it
 * likes.  Requests that overlap are the caller's to avoid.
 *
 * => fault thread only, but for reserve() and discard()
 * => nothing on the fault thread allocates, logs, or blocks after open
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_ALIGN 4096u /* of buffers; no block is larger */

enum device_op {
	DEVICE_READ,
	DEVICE_WRITE,
};

struct device_request { /* the caller's; the device's from submit() to reap() */
	enum device_op op;
	uint64_t offset; /* bytes, a multiple of the device's block */
	uint32_t len;    /* bytes, the same; not 0 */
	void *buf;       /* at a multiple of DEVICE_ALIGN */
	int result;      /* 0: all of it; or -errno */
	TAILQ_ENTRY(device_request) entry;
};

TAILQ_HEAD(device_queue, device_request);

struct device_info {
	uint64_t size;  /* bytes; what cannot be had may be less: reserve() */
	uint32_t block; /* bytes, a power of two: 512 to DEVICE_ALIGN */
	bool reserves;  /* reserve() must come before what is written there */
	bool discards;  /* discard() gives something back */
};

struct device_ops {
	const char *name; /* file, nbd */
	size_t (*state_size)(void);
	/*
	 * Control thread; may block and allocate.  args: what follows the
	 * name and its colon.
	 * => 0, or -errno with one line in err that says what to do
	 */
	int (*open)(void *state, const char *args, struct device_info *,
	    char *err, size_t errlen);
	/* What was submitted is not waited for longer than a second. */
	void (*close)(void *state);
	/* All buffers will be in there: it may be registered.  May be NULL. */
	void (*memory)(void *state, void *start, size_t len);
	/* => readable when reap() has something, constant */
	int (*fd)(const void *state);
	void (*submit)(void *state, struct device_request *);
	/* => one that has ended, or NULL: none has, and the fd is quiet */
	struct device_request *(*reap)(void *state);
	/*
	 * Any other thread, one at a time; may block.  There is room for what
	 * will be written there: 0, -ENOSPC (later perhaps), -EIO.
	 */
	int (*reserve)(void *state, uint64_t offset, uint64_t len);
	/* As that; what is there is not needed any more; it may read as
	 * anything, and must be reserved again. */
	void (*discard)(void *state, uint64_t offset, uint64_t len);
};

#endif
