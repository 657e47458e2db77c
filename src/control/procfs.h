/*
 * procfs.h: what /proc says of a process (proc(5))
 *
 * => any thread
 */
#ifndef PROCFS_H
#define PROCFS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * => mem, pagemap, maps, smaps and statm, in the order of enum
 *    pagerd_hello_fd from PAGERD_FD_MEM on; 0, or -errno and none is open
 */
int procfs_open_all(pid_t, int *fds);

/* => the file's bytes and a NUL behind them, owned by the caller; or NULL */
char *procfs_read(pid_t, const char *name, size_t *len);

struct procfs_vma {                  /* a line of maps */
	uint64_t start, end, offset; /* bytes */
	int prot;                    /* PROT_* */
	bool shared;
	const char *path; /* "" if it has none; valid during the call */
};

/* => calls vma() for each mapping, until it returns nonzero; 0, -errno or
 *    what vma() returned */
int procfs_maps(pid_t, int (*vma)(void *ctx, const struct procfs_vma *),
    void *ctx);

#endif
