/*
 * agent-doorbell.c: the agent's side of the doorbells
 *
 * What stands in a bell was written by the program, and may be anything: it is
 * only ever handed to UFFDIO_REGISTER, which concerns the program's own memory.
 * Whoever sleeps at a bell is woken, whatever stands there.
 *
 * A page that was filled stays so until its bell is made ready again; that
 * interrupts other CPUs, and so is done for many at once.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stddef.h>

#include <pagerd/uffd_abi.h>

#include "agent.h"
#include "doorbell.h"
#include "sys.h"

#define PAGE ((uint64_t)PAGERD_PAGE_SIZE)
#define READ_BATCH 8
#define SPENT_MANY (DOORBELLS / 2)

static long
uffd_register(int fd, uint64_t start, uint64_t len, uint64_t mode)
{
	struct uffdio_register reg = {
		.range = { .start = start, .len = len },
		.mode = mode,
	};

	return (sys3(SYS_ioctl, fd, UFFDIO_REGISTER, &reg));
}

/* Whoever sleeps there goes on, now and from now on. */
static void
give_up(struct agent *a)
{
	agent_disarm(a);
	sys1(SYS_close, a->bell_fd);
	a->bell_fd = -1;
}

static long
empty_pages(struct agent *a, uint32_t first, uint32_t n)
{
	return (sys3(SYS_madvise, doorbell_page(a->bells, first), n * PAGE,
	    MADV_DONTNEED_LOCKED));
}

static void
open_bells(struct agent *a)
{
	struct uffdio_api api = { .api = UFFD_API };
	uint32_t i;

	if (sys3(SYS_ioctl, a->bell_fd, UFFDIO_API, &api) < 0 ||
	    empty_pages(a, 0, DOORBELLS) < 0 ||
	    uffd_register(a->bell_fd, doorbell_page(a->bells, 0),
		DOORBELLS * PAGE, UFFDIO_REGISTER_MODE_MISSING) < 0) {
		give_up(a);
		return;
	}
	for (i = 0; i < DOORBELLS; i++)
		__atomic_store_n(&a->bells->bell[i].state, BELL_READY,
		    __ATOMIC_RELEASE);
	a->bells_open = 1;
}

void
agent_arm(struct agent *a)
{
	if (a->bell_fd >= 0 && !a->bells_open)
		open_bells(a);
	if (a->bell_fd >= 0)
		__atomic_store_n(&a->bells->armed, 1, __ATOMIC_RELAXED);
}

void
agent_disarm(struct agent *a)
{
	if (a->bells != NULL)
		__atomic_store_n(&a->bells->armed, 0, __ATOMIC_RELAXED);
}

/* => it may fail: another userfaultfd has it, or it is gone again */
static void
register_mapping(struct agent *a, const struct bell *b)
{
	const uint64_t len = (b->len + PAGE - 1) / PAGE * PAGE;

	uffd_register(a->main_fd, b->start, len,
	    UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
}

/*
 * wake: the bell's page is filled
 *
 * => EEXIST: two faults were read of one page; ENOENT: the program has changed
 *    the mapping.  Anything else would leave a thread asleep.
 */
static void
wake(struct agent *a, uint32_t i)
{
	struct uffdio_zeropage zero = {
		.range = { .start = doorbell_page(a->bells, i), .len = PAGE },
	};
	long ret;

	ret = sys3(SYS_ioctl, a->bell_fd, UFFDIO_ZEROPAGE, &zero);
	if (ret == -EEXIST || ret == -ENOENT)
		ret = sys3(SYS_ioctl, a->bell_fd, UFFDIO_WAKE, &zero.range);
	if (ret < 0)
		give_up(a);
	if (!a->bell_filled[i])
		a->bells_filled++;
	a->bell_filled[i] = 1;
}

/* Somebody may have touched the page who did not ring (mlockall(2)). */
static void
answer_bell(struct agent *a, uint64_t addr)
{
	const uint64_t i = (addr - doorbell_page(a->bells, 0)) / PAGE;
	const struct bell *b;

	if (i >= DOORBELLS)
		return;
	b = &a->bells->bell[i];
	if (__atomic_load_n(&b->state, __ATOMIC_ACQUIRE) == BELL_RUNG)
		register_mapping(a, b);
	wake(a, (uint32_t)i);
}

void
agent_bells_answer(struct agent *a)
{
	struct uffd_msg msgs[READ_BATCH];
	long n, i;

	n = sys3(SYS_read, a->bell_fd, msgs, sizeof(msgs));
	if (n < 0 && n != -EAGAIN && n != -EINTR)
		give_up(a);
	for (i = 0; i < n / (long)sizeof(msgs[0]); i++) {
		if (a->bell_fd >= 0 && msgs[i].event == UFFD_EVENT_PAGEFAULT)
			answer_bell(a, msgs[i].arg.pagefault.address);
	}
	if (a->bells_filled >= SPENT_MANY)
		agent_bells_renew(a);
}

/*
 * Spent, or filled though nobody rang.  In the second case a thread that takes
 * the bell meanwhile finds the page filled, and is not heard, or empty.
 */
static int
is_used(const struct agent *a, uint32_t i)
{
	const uint32_t state =
	    __atomic_load_n(&a->bells->bell[i].state, __ATOMIC_ACQUIRE);

	return (state == BELL_SPENT ||
		(state == BELL_READY && a->bell_filled[i]));
}

static void
make_ready(struct agent *a, uint32_t first, uint32_t n)
{
	struct bell *b;
	uint32_t i;

	if (empty_pages(a, first, n) < 0)
		return;
	for (i = first; i < first + n; i++) {
		a->bells_filled -= a->bell_filled[i];
		a->bell_filled[i] = 0;
		b = &a->bells->bell[i];
		if (__atomic_load_n(&b->state, __ATOMIC_ACQUIRE) == BELL_SPENT)
			__atomic_store_n(&b->state, BELL_READY,
			    __ATOMIC_RELEASE);
	}
}

void
agent_bells_renew(struct agent *a)
{
	uint32_t i, n;

	if (a->bell_fd < 0 || !a->bells_open)
		return;
	for (i = 0; i < DOORBELLS; i += n + 1) {
		for (n = 0; i + n < DOORBELLS && is_used(a, i + n); n++)
			continue;
		if (n > 0)
			make_ready(a, i, n);
	}
}
