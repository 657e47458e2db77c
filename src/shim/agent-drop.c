/*
 * agent-drop.c: DROP, in a thread of its own
 *
 *	run --MREMAP_DONTUNMAP--> spare --unmap--> gone
 *	     (waits until the daemon
 *	      has read of it)
 *
 * The mapping stays where it is, with a hole in it: its next fault is the
 * daemon's.  madvise(2) would make the same hole, but the event that tells of
 * it is the one that the program's own madvise(2) causes, and the program gets
 * something else back than we; nobody but us remaps into our area.
 *
 * The wait ends only if the daemon reads: the agent must not be the one that
 * waits, or nobody would end the process when the daemon is gone.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>

#include <pagerd/uffd_abi.h>

#include "agent.h"
#include "sys.h"

#define PAGE ((uint64_t)PAGERD_PAGE_SIZE)

/* Nothing that moved away may be seen of a child, nor its place be taken. */
static void
close_spare(const struct agent *a, uint64_t len)
{
	struct uffdio_range range = { .start = a->spare, .len = len };

	sys3(SYS_ioctl, a->main_fd, UFFDIO_UNREGISTER, &range);
	sys6(SYS_mmap, a->spare, len, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/*
 * What was registered, and so is dropped with the daemon's knowledge, is so
 * still in its new place.
 */
static int
is_registered(const struct agent *a, uint64_t len)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = a->spare, .len = len },
	};

	return (sys3(SYS_ioctl, a->main_fd, UFFDIO_WRITEPROTECT, &wp) !=
		-ENOENT);
}

/*
 * drop_some: [src, src + len), if it is of one mapping
 *
 * => the kernel would take the lock off a mapping that is locked: MADV_COLD
 *    refuses those, and does no harm
 * => if the daemon has given us up and let the program go meanwhile, its memory
 *    has gone just now: it must not go on
 * => returns 0 or -errno; -EFAULT: it is not one mapping
 */
static long
drop_some(struct agent *a, uint64_t src, uint64_t len)
{
	long ret;

	if (agent_is_late(a))
		return (-ECANCELED);
	ret = sys3(SYS_madvise, src, PAGE, MADV_COLD);
	if (ret < 0)
		return (ret);
	ret = sys5(SYS_mremap, src, len, len,
	    MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, a->spare);
	if (ret < 0 && ret > -4096)
		return (ret);
	if (agent_is_late(a) && !is_registered(a, len))
		agent_lost(a);
	close_spare(a, len);
	return (0);
}

static long
drop_run(struct agent *a, uint64_t src, uint32_t npages)
{
	long ret = drop_some(a, src, npages * PAGE);

	if (ret != -EFAULT)
		return (ret);
	for (ret = 0; npages > 0 && ret != -ECANCELED; npages--) {
		ret = drop_some(a, src, PAGE);
		src += PAGE;
	}
	return (ret);
}

static void
drop_main(void *arg)
{
	struct agent *a = arg;
	const struct agent_drop *d = &a->drop;
	long ret = 0;

	for (uint32_t i = 0; i < d->nruns && ret != -ECANCELED; i++)
		ret = drop_run(a, PAGERD_RUN_ADDR(d->runs[i]),
		    PAGERD_RUN_PAGES(d->runs[i]));
	sys3(SYS_madvise, a->spare, PAGERD_STAGE_PAGES * PAGE, MADV_DONTFORK);
	agent_send_done(a, d->seq, 0);
	agent_end_thread(0);
}

/* The one before has answered, and may not quite have ended yet. */
static void
wait_gone(struct agent_drop *d)
{
	int32_t tid;

	while ((tid = __atomic_load_n(&d->tid, __ATOMIC_ACQUIRE)) != 0)
		sys4(SYS_futex, &d->tid, FUTEX_WAIT, tid, NULL);
}

void
agent_drop(struct agent *a)
{
	const struct pagerd_msg_drop *m = &a->in.move;
	struct agent_drop *d = &a->drop;
	long ret;

	wait_gone(d);
	d->seq = m->seq;
	d->nruns = m->nruns;
	for (uint32_t i = 0; i < m->nruns; i++)
		d->runs[i] = m->runs[i];
	a->pages_out = 1;
	ret = sys_clone_thread(AGENT_DROP_CLONE,
	    (void *)(uintptr_t)a->drop_stack, &d->tid, drop_main, a);
	if (ret < 0)
		agent_send_done(a, d->seq, ret);
}
