/*
 * elfcore.h: a process as an ELF core file, for debuggers
 *
 * The formats are those of core(5) and elf(5): one PT_NOTE segment that tells
 * of the process and its threads, and a PT_LOAD for each piece of memory.  The
 * file is of this machine's own kind, 64 bits wide; registers come as the
 * regsets of ptrace(2) and are not looked into.
 *
 * => any thread; may block, and takes 1 MiB for as long as it writes
 */
#ifndef ELFCORE_H
#define ELFCORE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELFCORE_PAGE 4096u
#define ELFCORE_READ_MAX (1u << 20) /* bytes asked for at once */

struct elfcore_regset {
	const void *bytes;
	size_t len; /* 0: the thread has none */
};

struct elfcore_thread {
	pid_t tid;
	int signal; /* about to be delivered to it; 0: none */
	struct elfcore_regset general; /* NT_PRSTATUS: must be there */
	struct elfcore_regset fp;      /* NT_PRFPREG */
	struct elfcore_regset xstate;  /* NT_X86_XSTATE */
};

struct elfcore_process {
	pid_t pid, ppid, pgrp, sid;
	uid_t uid;
	gid_t gid;
	const char *comm; /* both are cut to what the format has room for */
	const char *args; /* separated by blanks */
};

struct elfcore_file { /* mapped at [start, end) */
	uint64_t start, end;
	uint64_t offset; /* bytes, page aligned */
	const char *path;
};

/* Ascending, page aligned, not empty, not overlapping. */
struct elfcore_segment {
	uint64_t start, len;
	int prot;     /* PROT_*, as of mmap(2) */
	bool in_file; /* left out: a debugger takes it from the mapped file */
};

/* What read() says of a piece, unless it returns -errno. */
enum elfcore_read {
	ELFCORE_DATA,
	ELFCORE_ZERO,       /* all of it; buf was not filled */
	ELFCORE_UNREADABLE, /* some of it; buf was not filled */
};

struct elfcore {
	struct elfcore_process process;
	const struct elfcore_thread *threads; /* a debugger shows [0] first */
	size_t nthreads;                      /* at least 1 */
	const void *auxv;                     /* as /proc/PID/auxv has it */
	size_t auxv_len;
	const struct elfcore_file *files;
	size_t nfiles;
	const struct elfcore_segment *segments;
	size_t nsegments;
	/*
	 * read: fill buf with [addr, addr + len), whole pages of one segment
	 *
	 * => of a piece that is UNREADABLE each page is asked for again alone
	 * => enum elfcore_read, or -errno: then elfcore_write() fails with it
	 */
	int (*read)(void *ctx, uint64_t addr, void *buf, size_t len);
	void *ctx;
};

struct elfcore_stats {
	uint64_t file_bytes;       /* as long as the file is */
	uint64_t data_bytes;       /* contents that were written */
	uint64_t zero_bytes;       /* left as holes */
	uint64_t unreadable_bytes; /* left as holes, too: they read zero */
};

/*
 * elfcore_write: write the core to fd, from its beginning; what was there is
 * gone
 *
 * => fd is a file that does not append, a block device, or a pipe (sink.h)
 * => 0; -EINVAL (the description is inconsistent, or fd is something else),
 *    -ENOSPC (a device that is too small), -EFBIG, -ENOMEM, -errno of a write
 *    or of read(); then the file is of no use
 */
int elfcore_write(const struct elfcore *, int fd, struct elfcore_stats *);

#endif
