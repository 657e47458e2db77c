#include "holder.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "sys.h"

/* The number of the userfaultfd is kept for its own, see holder_main(). */
static void
close_all(struct agent *a)
{
	int32_t *const fds[] = { &a->bell_fd, &a->pid_fd, &a->stat_fd };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			sys1(SYS_close, *fds[i]);
		*fds[i] = -1;
	}
	sys1(SYS_close, a->main_fd);
	a->bells = NULL; /* nobody is here to ring */
}

/* => from the anchor: the daemon answers the fault with who we are */
static int
find_out(struct agent *a)
{
	const struct pagerd_anchor *anchor;

	anchor = (const struct pagerd_anchor *)(uintptr_t)a->hello.anchor_start;
	if (anchor->magic != PAGERD_ANCHOR_MAGIC)
		return (-1);
	a->hello.space_id = anchor->space_id;
	for (size_t i = 0; i < PAGERD_TOKEN_BYTES; i++)
		a->hello.space_token[i] = anchor->space_token[i];
	return (0);
}

/*
 * holder_main: what the agent is in the child
 *
 * => its connection and its userfaultfd get the numbers that the parent's had,
 *    as the system calls that are left to it know only those
 * => whatever goes wrong ends it: the daemon sees the connection go
 */
static void __attribute__((noreturn)) holder_main(struct agent *a, int sock)
{
	sys2(SYS_prctl, PR_SET_NAME, "pagerd-holder");
	close_all(a);
	if (sys3(SYS_dup3, sock, a->sock, O_CLOEXEC) == a->sock) {
		sys1(SYS_close, sock);
		a->nholders = 0;
		a->pages_out = 0;
		a->staging = 0;
		a->drop.tid = 0; /* it may have been ending */
		a->pid = (int32_t)sys0(SYS_getpid);
		a->hello.kind = PAGERD_HELLO_HOLD;
		a->hello.agent_tid = (uint32_t)a->pid;
		if (find_out(a) == 0 && agent_hello(a) == 0)
			agent_serve(a);
	}
	for (;;)
		sys1(SYS_exit_group, 1);
}

/*
 * The area is not inherited but now: the child goes on in it.  What staging
 * holds is the daemon's already.
 */
static long
fork_here(struct agent *a, int sock)
{
	const uint64_t area = a->hello.area_start, len = a->hello.area_len;
	long pid;

	pid = sys3(SYS_madvise, area, len, MADV_DOFORK);
	if (pid < 0)
		return (pid);
	pid = sys5(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0)
		holder_main(a, sock);
	sys3(SYS_madvise, area, len, MADV_DONTFORK);
	return (pid);
}

long
holder_start(struct agent *a, int sock)
{
	long pid = -EAGAIN;

	holder_reap(a);
	if (a->nholders < AGENT_HOLDERS_MAX)
		pid = fork_here(a, sock);
	if (pid > 0)
		a->holders[a->nholders++] = (int32_t)pid;
	sys1(SYS_close, sock);
	return (pid < 0 ? pid : 0);
}

void
holder_reap(struct agent *a)
{
	uint32_t i = 0;

	while (i < a->nholders) {
		if (sys4(SYS_wait4, a->holders[i], NULL, WNOHANG | __WALL,
			NULL) == 0)
			i++;
		else
			a->holders[i] = a->holders[--a->nholders];
	}
}
