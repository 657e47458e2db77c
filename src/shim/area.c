/*
 * area.c: the memory of an agent, and starting one in it
 *
 * Runs in the program's own threads, also in the child of a fork() of many
 * threads: raw system calls only.
 */
#include <sys/mman.h>

#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <stddef.h>
#include <time.h>

#include "agent.h"
#include "area.h"
#include "sys.h"

#define PAGE ((size_t)PAGERD_PAGE_SIZE)
#define DROP_STACK_OFFSET PAGE
#define GUARD_OFFSET (DROP_STACK_OFFSET + AGENT_DROP_STACK_PAGES * PAGE)
#define STACK_OFFSET (GUARD_OFFSET + PAGE)
#define STATE_OFFSET (STACK_OFFSET + AGENT_STACK_PAGES * PAGE)
#define STATE_LEN ((sizeof(struct agent) + PAGE - 1) / PAGE * PAGE)
/* Neighbours of the same kind would be joined whenever it is unregistered. */
#define STAGE_GUARD_OFFSET (STATE_OFFSET + STATE_LEN)
#define STAGE_OFFSET (STAGE_GUARD_OFFSET + PAGE)
#define SPARE_OFFSET (STAGE_OFFSET + PAGERD_STAGE_PAGES * PAGE)
#define SPARE_LEN (PAGERD_STAGE_PAGES * PAGE)
#define AREA_LEN (SPARE_OFFSET + SPARE_LEN)

/*
 * The agent shares memory, signal handlers and identity with the program, but
 * neither descriptors nor root and working directory.
 */
#define AGENT_CLONE                                                            \
	(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |             \
	    CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

char *
area_map_private(size_t len, int prot)
{
	long ret;

	ret = sys6(SYS_mmap, NULL, len, prot,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return (ret < 0 && ret > -4096 ? NULL : (char *)ret);
}

struct agent *
area_map(void)
{
	struct agent *a;
	char *area;

	area = area_map_private(AREA_LEN, PROT_READ | PROT_WRITE);
	if (area == NULL)
		return (NULL);
	if (sys3(SYS_madvise, area, AREA_LEN, MADV_DONTFORK) < 0 ||
	    sys3(SYS_mprotect, area, PAGE, PROT_NONE) < 0 ||
	    sys3(SYS_mprotect, area + GUARD_OFFSET, PAGE, PROT_NONE) < 0 ||
	    sys3(SYS_mprotect, area + STAGE_GUARD_OFFSET, PAGE, PROT_NONE) <
		0 ||
	    sys3(SYS_mprotect, area + SPARE_OFFSET, SPARE_LEN, PROT_NONE) < 0) {
		sys2(SYS_munmap, area, AREA_LEN);
		return (NULL);
	}
	a = (struct agent *)(void *)(area + STATE_OFFSET);
	a->hello.area_start = (uintptr_t)area;
	a->hello.area_len = AREA_LEN;
	a->hello.stage_start = (uintptr_t)area + STAGE_OFFSET;
	a->drop_stack = (uintptr_t)area + GUARD_OFFSET;
	a->spare = (uintptr_t)area + SPARE_OFFSET;
	a->sock = a->main_fd = a->bell_fd = -1;
	a->pid_fd = a->stat_fd = -1;
	return (a);
}

void
area_unmap(struct agent *a)
{
	sys2(SYS_munmap, a->hello.area_start, AREA_LEN);
}

/*
 * The timeout is for a thread that was killed in the middle, by a sandbox for
 * example: the wake that its end sends goes to the other word.
 */
static void
wait_phase(struct agent *a)
{
	const struct timespec look = { .tv_sec = 1 };
	struct timespec left;

	while (__atomic_load_n(&a->phase, __ATOMIC_ACQUIRE) == AGENT_STARTING &&
	       __atomic_load_n(&a->tid, __ATOMIC_ACQUIRE) != 0) {
		left = look;
		sys4(SYS_futex, &a->phase, FUTEX_WAIT, AGENT_STARTING, &left);
	}
}

static void
wait_gone(struct agent *a)
{
	int32_t tid;

	while ((tid = __atomic_load_n(&a->tid, __ATOMIC_ACQUIRE)) != 0)
		sys4(SYS_futex, &a->tid, FUTEX_WAIT, tid, NULL);
}

int
area_start(struct agent *a)
{
	long ret;

	a->phase = AGENT_STARTING;
	ret = sys_clone_thread(AGENT_CLONE, a, &a->tid, agent_main, a);
	if (ret < 0)
		return ((int)ret);
	wait_phase(a);
	if (__atomic_load_n(&a->phase, __ATOMIC_ACQUIRE) == AGENT_RUNNING)
		return (0);
	wait_gone(a);
	return (AREA_FAILED);
}

/*
 * The pages around the anchor have other access rights, so that it can never
 * become one mapping with memory of the program.
 */
uint64_t
anchor_map(void)
{
	char *guard;

	guard = area_map_private(3 * PAGE, PROT_NONE);
	if (guard == NULL)
		return (0);
	if (sys3(SYS_mprotect, guard + PAGE, PAGE, PROT_READ) < 0 ||
	    sys3(SYS_madvise, guard + PAGE, PAGE, MADV_WIPEONFORK) < 0) {
		sys2(SYS_munmap, guard, 3 * PAGE);
		return (0);
	}
	return ((uintptr_t)guard + PAGE);
}

void
anchor_unmap(uint64_t anchor)
{
	sys2(SYS_munmap, anchor - PAGE, 3 * PAGE);
}
