/*
 * fuse.h: a file of a file system that does not always answer
 */
#ifndef FUSE_H
#define FUSE_H

#include <stddef.h>

/*
 * fuse_file: a file of len bytes whose pages have tags (live_tag(1, i)); reads
 * behind `answers` bytes hang, until fuse_end()
 *
 * => a descriptor; needs root, and leaves the mount namespace
 */
int fuse_file(size_t len, size_t answers);
void fuse_end(void);

#endif
