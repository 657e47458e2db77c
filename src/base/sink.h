/*
 * sink.h: somewhere to write to, from front to back, with gaps
 *
 *	a file		gaps are holes
 *	a block device	gaps are zeros, as far as it was asked for
 *	a pipe		the same
 *
 * => any thread; may block, but not on a pipe that nobody reads
 */
#ifndef SINK_H
#define SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink {
	int fd; /* not owned */
	bool holes;
	bool pipe;
	uint64_t at, size; /* zeros are written up to there; bytes */
};

/*
 * sink_open: what it has is gone; then there will be size bytes
 *
 * => 0; -EINVAL: nothing that can be written so; -ENOSPC: it is smaller; or
 *    another -errno
 */
int sink_open(struct sink *, int fd, uint64_t size);
/*
 * => at is not below where the last put ended
 * => 0, -ETIMEDOUT (nobody has read the pipe for long), or another -errno
 */
int sink_put(struct sink *, const void *, size_t len, uint64_t at);
/* => all of it was written; as of sink_put() */
int sink_end(struct sink *);

#endif
