/*
 * fds.h: fake descriptors of the daemon
 *
 * Their numbers are far above real ones and are used again lowest first, as
 * the kernel does: a descriptor used after its close is somebody else's.
 * close() and dup() in the code under test end here (see meson.build).
 */
#ifndef FDS_H
#define FDS_H

#include <stdbool.h>
#include <stdint.h>

#define FDS_FIRST 100000
#define FDS_MAX 4096

enum fd_kind {
	FD_FREE,
	FD_UFFD,
	FD_SOCK,
	FD_MEM,
	FD_PAGEMAP,
	FD_MAPS,
	FD_HOLD,        /* the holder's end of a snapshot's connection */
	FD_FRAMES,      /* a memfd */
	FD_FRAMES_READ, /* one that cannot be written to */
	FD_FILE,        /* a file that came from a client */
};

int fds_open(enum fd_kind, void *object);
/* => fails the run when fd is not of that kind */
void *fds_get(int fd, enum fd_kind);
enum fd_kind fds_kind(int fd); /* FD_FREE: none of ours, or closed */
void fds_close(int fd);
uint32_t fds_used(void);
void fds_list(void); /* traces what is open */
void fds_reset(void);

/* => called before fd is closed; the driver checks that it is not watched */
extern void (*fds_closing)(int fd);

#endif
