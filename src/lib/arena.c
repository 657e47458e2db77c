/*
 * arena.c: the range of addresses that regions are mapped in
 *
 * What is not mapped is reserved, without access: nothing of somebody else's
 * comes to be there, and what is mapped at an address that the daemon names
 * replaces nothing but the reservation.
 *
 * Calls go to the kernel past the shim's mmap(2): it would announce to the
 * agent what we are about to have registered.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "lib.h"

/*
 * A forked child inherits this together with the arena, and a program that is
 * executed has neither: where it is set, what is there is ours.  To look into
 * /proc/self/maps instead would be to guess: MemorySanitizer's shadow is there
 * from end to end as well.  (Under the lock.)
 */
static bool reserved;

static atomic_bool excluded; /* some of it is not managed */

static long
map(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset)
{
	const long ret = syscall(SYS_mmap, addr, len, (long)prot, (long)flags,
	    (long)fd, offset);

	return (ret == -1 ? -errno : ret);
}

void
arena_set_excluded(void)
{
	excluded = true;
}

bool
arena_has_excluded(void)
{
	return (excluded);
}

bool
arena_holds(uint64_t addr, uint64_t len)
{
	return ((addr | len) % PAGERD_PAGE == 0 && len > 0 &&
		addr >= PAGERD_ARENA_START && addr < ARENA_END &&
		len <= ARENA_END - addr);
}

static long
map_reservation(uint64_t addr, uint64_t len, int fixed)
{
	return (map(addr, len, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0));
}

int
arena_open(void)
{
	long ret;

	if (reserved)
		return (0);
	ret = map_reservation(PAGERD_ARENA_START, PAGERD_ARENA_BYTES,
	    MAP_FIXED_NOREPLACE);
	if (ret < 0)
		return ((int)ret);
	/* Whoever does not know the flag takes the address as a hint. */
	if ((uint64_t)ret != PAGERD_ARENA_START) {
		syscall(SYS_munmap, ret, PAGERD_ARENA_BYTES);
		return (-EEXIST);
	}
	reserved = true;
	return (0);
}

int
arena_reserve(uint64_t addr, uint64_t len)
{
	const long ret = map_reservation(addr, len, MAP_FIXED);

	return (ret < 0 ? (int)ret : 0);
}

/*
 * Without MAP_NORESERVE the kernel would refuse a region that is larger than
 * memory, which is what it is for.
 */
int
arena_place(const struct answer *a, const struct manner *how)
{
	const int prot = how->readonly ? PROT_READ : PROT_READ | PROT_WRITE;
	int flags = MAP_FIXED | MAP_NORESERVE;
	long ret;

	flags |= how->shared ? MAP_SHARED : MAP_PRIVATE;
	if (a->fd < 0)
		flags |= MAP_ANONYMOUS;
	ret = map(a->msg.addr, a->msg.len, prot, flags, a->fd,
	    a->fd < 0 ? 0 : a->msg.offset);
	return (ret < 0 ? (int)ret : 0);
}
