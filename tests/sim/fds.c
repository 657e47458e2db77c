/*
 * fds.c: fake descriptors of the daemon
 */
#include "fds.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "agent_fake.h"
#include "ctx.h"
#include "sim.h"

static struct {
	enum fd_kind kind;
	void *object;
} fds[FDS_MAX];

void (*fds_closing)(int fd);

int __wrap_close(int fd);
int __real_close(int fd);
int __wrap_dup(int fd);
int __real_dup(int fd);

int
fds_open(enum fd_kind kind, void *object)
{
	for (int i = 0; i < FDS_MAX; i++) {
		if (fds[i].kind != FD_FREE)
			continue;
		fds[i].kind = kind;
		fds[i].object = object;
		if (kind == FD_UFFD)
			ctx_get(object);
		return FDS_FIRST + i;
	}
	sim_fail("the daemon keeps %d descriptors", FDS_MAX);
}

enum fd_kind
fds_kind(int fd)
{
	int i = fd - FDS_FIRST;

	return i >= 0 && i < FDS_MAX ? fds[i].kind : FD_FREE;
}

void *
fds_get(int fd, enum fd_kind kind)
{
	if (fds_kind(fd) != kind)
		sim_fail("descriptor %d is %d, used as %d", fd,
		    (int)fds_kind(fd), (int)kind);
	return fds[fd - FDS_FIRST].object;
}

void
fds_close(int fd)
{
	int i = fd - FDS_FIRST;
	enum fd_kind kind = fds_kind(fd);

	if (kind == FD_FREE)
		sim_fail("close(%d): not open", fd);
	if (fds_closing != NULL)
		fds_closing(fd);
	sim_trace("close(%d) kind %d", fd, (int)kind);
	fds[i].kind = FD_FREE;
	if (kind == FD_UFFD)
		ctx_put(fds[i].object);
	else if (kind == FD_SOCK)
		agent_hangup(fds[i].object);
	fds[i].object = NULL;
}

uint32_t
fds_used(void)
{
	uint32_t n = 0;

	for (int i = 0; i < FDS_MAX; i++)
		n += fds[i].kind != FD_FREE;
	return n;
}

void
fds_list(void)
{
	for (int i = 0; i < FDS_MAX; i++)
		if (fds[i].kind != FD_FREE)
			sim_trace("still open: %d kind %d", FDS_FIRST + i,
			    (int)fds[i].kind);
}

void
fds_reset(void)
{
	memset(fds, 0, sizeof(fds));
}

int
__wrap_close(int fd)
{
	if (fd < FDS_FIRST)
		return __real_close(fd);
	fds_close(fd);
	return 0;
}

int
__wrap_dup(int fd)
{
	enum fd_kind kind = fds_kind(fd);

	if (fd < FDS_FIRST)
		return __real_dup(fd);
	SIM_CHECK(kind == FD_UFFD || kind == FD_MEM || kind == FD_PAGEMAP);
	if (kind != FD_UFFD && !sim.settling && sim_one_in(50)) {
		errno = EMFILE;
		return -1;
	}
	return fds_open(kind, fds_get(fd, kind));
}
