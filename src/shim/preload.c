/*
 * preload.c: what happens in the program's own threads
 *
 *	program starts --> constructor: agent, handshake --> main()
 *	fork() --> child: who am I (anchor)? --> agent, handshake --> returns
 *
 * A child that cannot have an agent goes on without: the daemon got its
 * userfaultfd from the kernel and serves its faults all the same.  Nothing of
 * the program's is changed: descriptors, signals, environment, errno.
 */
#include <sys/mman.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "area.h"
#include "doorbell.h"
#include "sys.h"

#define KERNEL_SIGSET_BYTES 8 /* what the kernel calls sigsetsize */

/*
 * How to be managed, kept for forked children; the environment is the
 * program's to change.
 */
static struct shim {
	int managed; /* this process has been, and not been told otherwise */
	struct sockaddr_un addr;
	socklen_t addr_len;
	uint8_t group_token[PAGERD_TOKEN_BYTES];
	uint64_t anchor;         /* inherited at the same address, but empty */
	struct doorbells *bells; /* the same; NULL: there are none */
} shim; /* starting thread; afterwards only the one thread of a new child */

struct sigmask {
	uint64_t bits;
};

static void
block_signals(struct sigmask *old)
{
	const struct sigmask all = { ~UINT64_C(0) };

	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, old, KERNEL_SIGSET_BYTES);
}

static void
restore_signals(const struct sigmask *old)
{
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, old, NULL, KERNEL_SIGSET_BYTES);
}

/*
 * write_stderr: with signals blocked
 *
 * => a SIGPIPE that this raises is taken back, one that was there stays
 */
static void
write_stderr(const char *line, size_t len)
{
	const uint64_t sigpipe = UINT64_C(1) << (SIGPIPE - 1);
	const struct timespec now = { 0 };
	uint64_t pending = 0;

	sys2(SYS_rt_sigpending, &pending, KERNEL_SIGSET_BYTES);
	if (sys3(SYS_write, STDERR_FILENO, line, len) == -EPIPE &&
	    (pending & sigpipe) == 0)
		sys4(SYS_rt_sigtimedwait, &sigpipe, NULL, &now,
		    KERNEL_SIGSET_BYTES);
}

static void __attribute__((format(printf, 1, 2)))
unmanaged(const char *fmt, ...)
{
	static const char tail[] = ": this program runs unmanaged\n";
	char line[512] = "pagerd: ";
	size_t len = strlen(line);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - sizeof(tail), fmt, ap);
	va_end(ap);
	if (n > 0)
		len = strlen(line);
	memcpy(line + len, tail, sizeof(tail) - 1);
	write_stderr(line, len + sizeof(tail) - 1);
}

static void
explain_failure(const struct agent *a)
{
	static const char *const what[] = {
		[STEP_WELCOME] = "the daemon's greeting",
		[STEP_UFFD] = "cannot make a userfaultfd",
		[STEP_PROC] = "cannot open the files in /proc/self",
		[STEP_HELLO] = "cannot send to the daemon",
		[STEP_READY] = "the daemon's answer",
	};
	const char *path = a->addr.sun_path;

	if (a->phase != AGENT_FAILED)
		unmanaged("the agent thread was killed as it started");
	else if (a->step == STEP_REFUSED)
		unmanaged("refused by the daemon: %s", a->reason);
	else if (a->step == STEP_PEER)
		unmanaged("%s: the daemon there is neither root nor the user "
			  "of this program",
		    path);
	else if (a->error == EPROTONOSUPPORT)
		unmanaged("%s: the daemon there speaks another version of the "
			  "protocol",
		    path);
	else if (a->step == STEP_CONNECT)
		unmanaged("cannot connect to %s: %s", path, strerror(a->error));
	else
		unmanaged("%s: %s", what[a->step], strerror(a->error));
}

/* => returns -1 if text is not a token; token is then undefined */
static int
parse_token(const char *text, uint8_t *token)
{
	static const char digits[] = "0123456789abcdef";
	const char *d;
	size_t i;

	if (strlen(text) != 2 * PAGERD_TOKEN_BYTES)
		return (-1);
	for (i = 0; i < 2 * PAGERD_TOKEN_BYTES; i++) {
		if ((d = strchr(digits, text[i] | 0x20)) == NULL)
			return (-1);
		token[i / 2] = (uint8_t)(token[i / 2] << 4 | (d - digits));
	}
	return (0);
}

/* => returns 0, or -1 after saying so */
static int
read_environment(const char *path, const char *group)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(shim.addr.sun_path)) {
		unmanaged("%s is not a path of 1 to %zu bytes",
		    PAGERD_ENV_SOCKET, sizeof(shim.addr.sun_path) - 1);
		return (-1);
	}
	if (parse_token(group, shim.group_token) < 0) {
		unmanaged("%s is not %d hexadecimal digits", PAGERD_ENV_GROUP,
		    2 * PAGERD_TOKEN_BYTES);
		return (-1);
	}
	shim.addr.sun_family = AF_UNIX;
	memcpy(shim.addr.sun_path, path, len + 1);
	shim.addr_len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return (0);
}

static struct agent *
new_agent(enum pagerd_hello_kind kind)
{
	struct agent *a;

	a = area_map();
	if (a == NULL)
		return (NULL);
	a->addr = shim.addr;
	a->addr_len = shim.addr_len;
	a->euid = (uint32_t)sys0(SYS_geteuid);
	a->hello.hdr.version = PAGERD_PROTOCOL_VERSION;
	a->hello.hdr.type = PAGERD_MSG_HELLO;
	a->hello.hdr.size = sizeof(a->hello);
	a->hello.kind = kind;
	a->hello.anchor_start = shim.anchor;
	a->bells = shim.bells;
	return (a);
}

/* => returns 0, or -1 after saying so, with everything unmapped */
static int
start_first_agent(void)
{
	struct agent *a;
	int ret;

	shim.anchor = anchor_map();
	shim.bells = doorbells_map();
	a = shim.anchor != 0 ? new_agent(PAGERD_HELLO_EXEC) : NULL;
	if (a == NULL) {
		unmanaged("no room for the agent in this address space");
		goto unmap;
	}
	memcpy(a->hello.group_token, shim.group_token, PAGERD_TOKEN_BYTES);
	ret = area_start(a);
	if (ret == 0) {
		__atomic_store_n(&doorbells, shim.bells, __ATOMIC_RELEASE);
		return (0);
	}
	if (ret < 0)
		unmanaged("cannot start the agent thread: %s", strerror(-ret));
	else
		explain_failure(a);
unmap:
	if (a != NULL)
		area_unmap(a);
	if (shim.anchor != 0)
		anchor_unmap(shim.anchor);
	doorbells_unmap(shim.bells);
	return (-1);
}

/*
 * start_child_agent: in the only thread of a forked child
 *
 * => reading the anchor waits for the daemon, which answers with who we are;
 *    it reads zero if nobody serves us, as after RELEASE
 * => our own children find it empty again (MADV_WIPEONFORK)
 */
static void
start_child_agent(void)
{
	const struct pagerd_anchor *anchor;
	struct agent *a;

	anchor = (const struct pagerd_anchor *)(uintptr_t)shim.anchor;
	if (anchor->magic != PAGERD_ANCHOR_MAGIC) {
		shim.managed = 0;
		return;
	}
	a = new_agent(PAGERD_HELLO_FORK);
	if (a != NULL) {
		a->hello.space_id = anchor->space_id;
		memcpy(a->hello.space_token, anchor->space_token,
		    PAGERD_TOKEN_BYTES);
	}
	if (a != NULL && area_start(a) != 0)
		area_unmap(a);
}

static void
after_fork_in_child(void)
{
	struct sigmask old;

	if (!shim.managed)
		return;
	block_signals(&old);
	start_child_agent();
	restore_signals(&old);
}

static void
start_managed(const char *path, const char *group)
{
	static const char no_fork[] =
	    "pagerd: forked children of this program run without an agent\n";
	struct sigmask old;

	block_signals(&old);
	if (sysconf(_SC_PAGESIZE) != PAGERD_PAGE_SIZE)
		unmanaged("pages of this kernel are not %u bytes",
		    PAGERD_PAGE_SIZE);
	else if (read_environment(path, group) == 0 && start_first_agent() == 0)
		shim.managed = 1;
	if (shim.managed &&
	    pthread_atfork(NULL, NULL, after_fork_in_child) != 0)
		write_stderr(no_fork, sizeof(no_fork) - 1);
	restore_signals(&old);
}

static void __attribute__((constructor)) shim_init(void)
{
	const char *path = secure_getenv(PAGERD_ENV_SOCKET);
	const char *group = secure_getenv(PAGERD_ENV_GROUP);
	const int saved_errno = errno;

	if (path != NULL && group != NULL)
		start_managed(path, group);
	errno = saved_errno;
}
