#include "peer.h"

#include <sys/ioctl.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"
#include "proc_abi.h"

#define PAGE UINT64_C(4096)
#define PAGEMAP_BATCH 512

int
peer_read(int mem, uint64_t addr, void *buf, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = pread(mem, buf, len, (off_t)addr);
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ESRCH;
		buf = (char *)buf + n;
		addr += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * A poisoned page has a swap entry of the last type there is (the kernel's
 * SWP_PTE_MARKER).  Types are shown to privileged readers only.
 */
static bool
is_swapped(uint64_t entry)
{
	return (entry >> 62 & 1) && (entry & 31) != 31;
}

static uint8_t
flags_of(uint64_t entry)
{
	return (uint8_t)((entry >> 63 & 1 ? PEER_PRESENT : 0) |
			 (is_swapped(entry) ? PEER_SWAPPED : 0) |
			 (entry >> 57 & 1 ? PEER_PROTECTED : 0) |
			 (entry >> 56 & 1 ? PEER_EXCLUSIVE : 0));
}

/* A short read is the end of the address space: nothing is there. */
static int
pagemap_read(int pagemap, uint64_t addr, size_t npages, uint64_t *entries)
{
	size_t bytes = npages * sizeof(*entries);
	ssize_t n = pread(pagemap, entries, bytes,
	    (off_t)(addr / PAGE * sizeof(*entries)));

	if (n < 0)
		return -errno;
	memset((char *)entries + n, 0, bytes - (size_t)n);
	return 0;
}

int
peer_pages(int pagemap, uint64_t addr, size_t npages, uint8_t *flags)
{
	uint64_t entries[PAGEMAP_BATCH];

	while (npages > 0) {
		size_t n = npages < PAGEMAP_BATCH ? npages : PAGEMAP_BATCH;
		int r = pagemap_read(pagemap, addr, n, entries);

		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++)
			*flags++ = flags_of(entries[i]);
		addr += n * PAGE;
		npages -= n;
	}
	return 0;
}

ssize_t
peer_scan(int pagemap, enum peer_kind kind, uint64_t *addr, uint64_t end,
    struct peer_run *runs, size_t max)
{
	struct page_region found[64];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = *addr,
		.end = end,
		.vec = (uintptr_t)found,
		.vec_len = max < 64 ? max : 64,
		.category_inverted = kind == PEER_ZERO ? 0 : PAGE_IS_PFNZERO,
		.category_mask = PAGE_IS_PFNZERO,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PFNZERO | PAGE_IS_WRITTEN,
	};
	int n = ioctl(pagemap, PAGEMAP_SCAN, &arg);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		runs[i] = (struct peer_run){
			.addr = found[i].start,
			.npages = (found[i].end - found[i].start) / PAGE,
			.protected = !(found[i].categories & PAGE_IS_WRITTEN),
		};
	*addr = arg.walk_end;
	return n;
}

static bool
vma_of_line(const char *line, struct peer_vma *vma)
{
	uint64_t inode;
	char perms[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %" SCNu64,
		&vma->start, &vma->end, perms, &inode) != 4)
		return false;
	vma->read = perms[0] == 'r';
	vma->write = perms[1] == 'w';
	vma->exec = perms[2] == 'x';
	vma->shared = perms[3] == 's';
	vma->file = inode != 0;
	vma->stack = strstr(line, "[stack]") != NULL;
	return true;
}

/* Kernels before 6.11: the text of the file. */
static int
vma_by_text(int maps, uint64_t addr, struct peer_vma *vma)
{
	char line[512];
	int fd = dup(maps), r = -ENOENT;
	FILE *f;

	if (fd < 0)
		return -errno;
	if (lseek(fd, 0, SEEK_SET) < 0 || (f = fdopen(fd, "r")) == NULL) {
		(void)close(fd);
		return -EIO;
	}
	while (r < 0 && fgets(line, sizeof(line), f) != NULL)
		if (vma_of_line(line, vma) && vma->end > addr)
			r = 0;
	(void)fclose(f);
	return r;
}

static int
procmap_query(int maps, struct procmap_query *q)
{
	int r = ioctl(maps, PROCMAP_QUERY, q) < 0 ? -errno : 0;

	if (r == -ENAMETOOLONG) { /* not a name that we look for */
		q->vma_name_size = 0;
		q->vma_name_addr = 0;
		r = ioctl(maps, PROCMAP_QUERY, q) < 0 ? -errno : 0;
	}
	return r;
}

int
peer_vma_from(int maps, uint64_t addr, struct peer_vma *vma)
{
	char name[16] = "";
	struct procmap_query q = {
		.size = sizeof(q),
		.query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
		.query_addr = addr,
		.vma_name_size = sizeof(name),
		.vma_name_addr = (uintptr_t)name,
	};
	int r = procmap_query(maps, &q);

	if (r == -ENOTTY)
		return vma_by_text(maps, addr, vma);
	if (r < 0)
		return r;
	*vma = (struct peer_vma){
		.start = q.vma_start,
		.end = q.vma_end,
		.read = q.vma_flags & PROCMAP_QUERY_VMA_READABLE,
		.write = q.vma_flags & PROCMAP_QUERY_VMA_WRITABLE,
		.exec = q.vma_flags & PROCMAP_QUERY_VMA_EXECUTABLE,
		.shared = q.vma_flags & PROCMAP_QUERY_VMA_SHARED,
		.file = q.inode != 0,
		.stack = strcmp(name, "[stack]") == 0,
	};
	return 0;
}

int
peer_vma(int maps, uint64_t addr, struct peer_vma *vma)
{
	int r = peer_vma_from(maps, addr, vma);

	return r == 0 && vma->start > addr ? -ENOENT : r;
}
