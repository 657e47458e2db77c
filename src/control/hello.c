/*
 * hello.c: is a client's HELLO one that can be believed?
 *
 * The descriptors are looked at so that the fault plane never calls a
 * userfaultfd's ioctl on, or waits for, something else.
 */
#include "hello.h"

#include <sys/vfs.h>

#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "packet.h"

#define ADDRESS_END (UINT64_C(1) << 56) /* of any address space */
#define STAGE_BYTES ((uint64_t)PAGERD_STAGE_PAGES * PAGERD_PAGE_SIZE)

static const char *const fd_names[PAGERD_FDS_EXEC] = {
	[PAGERD_FD_MEM] = "mem",
	[PAGERD_FD_PAGEMAP] = "pagemap",
	[PAGERD_FD_MAPS] = "maps",
	[PAGERD_FD_SMAPS] = "smaps",
	[PAGERD_FD_ROLLUP] = "smaps_rollup",
	[PAGERD_FD_STATM] = "statm",
	[PAGERD_FD_MAIN] = NULL, /* a userfaultfd */
};

static bool
is_page(uint64_t addr)
{
	return addr != 0 && addr % PAGERD_PAGE_SIZE == 0 &&
	       addr <= ADDRESS_END - PAGERD_PAGE_SIZE;
}

static const char *
check_addresses(const struct pagerd_msg_hello *h)
{
	uint64_t end;

	if (!is_page(h->area_start) || !is_page(h->area_len) ||
	    !is_page(h->stage_start) || !is_page(h->anchor_start))
		return "HELLO names an address that is none";
	end = h->area_start + h->area_len;
	if (end > ADDRESS_END)
		return "HELLO names an area that is too large";
	if (h->stage_start < h->area_start || h->stage_start >= end ||
	    end - h->stage_start < STAGE_BYTES)
		return "HELLO names a staging area outside its area";
	if (h->anchor_start >= h->area_start && h->anchor_start < end)
		return "HELLO names an anchor inside its area";
	return NULL;
}

/* => how many descriptors come with it; -1: no kind that is expected here */
static int
nfds_of(uint32_t kind, bool hold)
{
	if (hold)
		return kind == PAGERD_HELLO_HOLD ? PAGERD_FDS_HOLD : -1;
	if (kind == PAGERD_HELLO_EXEC)
		return PAGERD_FDS_EXEC;
	return kind == PAGERD_HELLO_FORK ? PAGERD_FDS_FORK : -1;
}

const char *
hello_check(const struct packet *p, bool hold)
{
	const struct pagerd_msg_hello *h = &p->u.hello;

	if (p->len < sizeof(p->u.hdr) || h->hdr.size != p->len)
		return "the first packet is damaged";
	if (h->hdr.version != PAGERD_PROTOCOL_VERSION)
		return "the daemon speaks another version of the protocol: "
		       "use the preload library that came with it";
	if (h->hdr.type != PAGERD_MSG_HELLO || p->len != sizeof(*h))
		return "the first packet is not HELLO";
	if (nfds_of(h->kind, hold) < 0)
		return "HELLO is of an unknown kind";
	if (p->nfds != nfds_of(h->kind, hold))
		return "HELLO came with a wrong number of descriptors";
	return check_addresses(h);
}

static bool
is_uffd(const char *link)
{
	return strcmp(link, "anon_inode:[userfaultfd]") == 0;
}

static bool
is_proc_file(int fd, const char *link, const char *name)
{
	const char *slash = strrchr(link, '/');
	struct statfs fs;

	return slash != NULL && strcmp(slash + 1, name) == 0 &&
	       fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

const char *
hello_check_fds(const struct packet *p)
{
	char path[64], link[256];
	ssize_t n;
	bool ok;
	int i;

	for (i = 0; i < p->nfds; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", p->fds[i]);
		n = readlink(path, link, sizeof(link) - 1);
		if (n < 0)
			return "the daemon cannot look at descriptors: "
			       "/proc is not there";
		link[n] = '\0';
		ok = fd_names[i] == NULL
			 ? is_uffd(link)
			 : is_proc_file(p->fds[i], link, fd_names[i]);
		if (!ok)
			return "HELLO came with a descriptor of a wrong kind";
	}
	return NULL;
}
