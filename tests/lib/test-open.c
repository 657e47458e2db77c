/*
 * Handles: who gets one, who does not, and what is left behind.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "fixture.h"

static int
open_and_close(void)
{
	struct pagerd *q = NULL;
	const int ret = pagerd_open(fake.path, &q);

	pagerd_close(q);
	return (-ret);
}

static int
open_taken(void)
{
	void *mem = mmap(PTR(AT(1000)), PAGE, PROT_READ,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return (mem == MAP_FAILED ? 127 : open_and_close());
}

static int
open_limited(void)
{
	const struct rlimit limit = { UINT64_C(1) << 39, UINT64_C(1) << 39 };

	return (setrlimit(RLIMIT_AS, &limit) < 0 ? 127 : open_and_close());
}

/* What is in the way for one open is not taken for ours by the next. */
static int
open_taken_twice(void)
{
	return (open_taken() == EEXIST ? open_and_close() : 127);
}

static void
open_arena(void)
{
	if (in_valgrind())
		return;
	CHECK(fake_start(&fake) == 0);
	CHECK(in_child(open_taken) == EEXIST);
	CHECK(in_child(open_taken_twice) == EEXIST);
	if (!INSTRUMENTED)
		CHECK(in_child(open_limited) == ENOMEM);
	CHECK(in_child(open_and_close) == 0);
	CHECK(fake_stop(&fake) == 0);
}

static void
open_close(void)
{
	begin();
	CHECK(fake_count(&fake, PAGERD_OP_OPEN) == 1);
	CHECK(arena_is_empty());
	pagerd_close(NULL);
	end();
}

static void
open_environment(void)
{
	struct pagerd *q = NULL;

	CHECK(unsetenv("PAGERD_SOCKET") == 0);
	CHECK(pagerd_open(NULL, &q) == -ESRCH);
	CHECK(setenv("PAGERD_SOCKET", "", 1) == 0);
	CHECK(pagerd_open(NULL, &q) == -ESRCH && q == NULL);
	begin();
	CHECK(setenv("PAGERD_SOCKET", fake.path, 1) == 0);
	CHECK(pagerd_open(NULL, &q) == 0 && q != NULL);
	pagerd_close(q);
	CHECK(unsetenv("PAGERD_SOCKET") == 0);
	end();
}

static void
open_nobody(void)
{
	char path[sizeof(fake.path) + 8], long_path[200];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock;

	begin();
	snprintf(path, sizeof(path), "%s2", fake.path);
	CHECK(pagerd_open(path, &p) == -ENOENT);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, path, sizeof(path));
	CHECK(bind(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(pagerd_open(path, &p) == -ECONNREFUSED);
	CHECK(close(sock) == 0 && unlink(path) == 0);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	CHECK(pagerd_open(long_path, &p) == -ENAMETOOLONG);
	CHECK(fds_are(open_fds));
	end();
}

/* Who listens is who it was as it began to. */
static int
listen_as(const char *path, uid_t uid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	CHECK(bind(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(syscall(SYS_setresuid, -1, uid, -1) == 0);
	CHECK(listen(sock, 1) == 0);
	CHECK(syscall(SYS_setresuid, -1, 0, -1) == 0);
	return (sock);
}

static void
open_stranger(void)
{
	char path[sizeof(fake.path) + 8];
	int sock;

	if (getuid() != 0 || geteuid() != 0)
		return;
	begin();
	snprintf(path, sizeof(path), "%s2", fake.path);
	sock = listen_as(path, 65534);
	pagerd_close(p);
	CHECK(pagerd_open(path, &p) == -EPERM);
	CHECK(pagerd_open(fake.path, &p) == 0);
	CHECK(close(sock) == 0 && unlink(path) == 0);
	end();
}

struct expectation {
	enum fake_lie lie;
	int error;
};

static void
open_lies(uint32_t op, const struct expectation *e, size_t n)
{
	struct pagerd *q = NULL;

	for (; n > 0; n--, e++) {
		fake_lies(&fake, e->lie, op, 0);
		CHECK(pagerd_open(fake.path, &q) == e->error);
		CHECK(q == NULL && fds_are(open_fds));
	}
}

static void
open_welcome_lies(void)
{
	static const struct expectation lies[] = {
		{ LIE_VERSION, -EPROTONOSUPPORT },
		{ LIE_TYPE, -EPROTO },
		{ LIE_SIZE, -EPROTO },
		{ LIE_TINY, -EPROTO },
		{ LIE_LONG, -EPROTO },
		{ LIE_HANG_UP, -ECONNRESET },
		{ LIE_REFUSED, -ECONNREFUSED },
		{ LIE_NO_FD, -EPROTO },
		{ LIE_ONE_MORE_FD, -EPROTO },
		{ LIE_MANY_FDS, -EPROTO },
	};

	begin();
	open_lies(FAKE_WELCOME, lies, sizeof(lies) / sizeof(lies[0]));
	end();
}

static void
open_reply_lies(void)
{
	static const struct expectation lies[] = {
		{ LIE_VERSION, -EPROTONOSUPPORT },
		{ LIE_TYPE, -EPROTO },
		{ LIE_SIZE, -EPROTO },
		{ LIE_SHORT, -EPROTO },
		{ LIE_TINY, -EPROTO },
		{ LIE_LONG, -EPROTO },
		{ LIE_HANG_UP, -ECONNRESET },
		{ LIE_REFUSED, -ECONNREFUSED },
		{ LIE_ONE_MORE_FD, -EPROTO },
		{ LIE_MANY_FDS, -EPROTO },
		{ LIE_POSITIVE, -EPROTO },
		{ LIE_NO_ERRNO, -EPROTO },
		{ LIE_ERROR_WITH_FD, -EPROTO },
	};
	struct pagerd *q;

	begin();
	open_lies(PAGERD_OP_OPEN, lies, sizeof(lies) / sizeof(lies[0]));
	fake_fails(&fake, -ESRCH, PAGERD_OP_OPEN, 0);
	CHECK(pagerd_open(fake.path, &q) == -ESRCH);
	end();
}

static void
open_two(void)
{
	struct pagerd *q;
	void *a, *b;

	begin();
	CHECK(pagerd_open(fake.path, &q) == 0);
	CHECK(pagerd_map(p, NULL, PAGE, NULL, 0, 0, &a) == 0);
	CHECK(pagerd_map(q, NULL, PAGE, NULL, 0, 0, &b) == 0 && a != b);
	memset(b, 1, PAGE);
	pagerd_close(q);
	CHECK(*(char *)b == 1);
	unmap(b, PAGE);
	unmap(a, PAGE);
	end();
}

static void *kept;

static int
child_is_refused(void)
{
	struct pagerd_region r;
	void *mem;

	if (pagerd_map(p, NULL, PAGE, NULL, 0, 0, &mem) != -ECHILD ||
	    pagerd_unmap(p, kept, PAGE) != -ECHILD ||
	    pagerd_extend(p, kept, 2 * PAGE) != -ECHILD ||
	    pagerd_unlink(p, "x") != -ECHILD)
		return (1);
	if (pagerd_snapshot(p, "x") != -ECHILD ||
	    pagerd_drop(p, "x") != -ECHILD || pagerd_clone(p, "x") != -ECHILD)
		return (2);
	if (pagerd_query(p, kept, &r) != -ECHILD ||
	    pagerd_advise(p, kept, PAGE, PAGERD_COLD) != -ECHILD ||
	    pagerd_advise(p, kept, PAGE, PAGERD_PIN) != -ECHILD ||
	    pagerd_advise(p, kept, PAGE, PAGERD_WILLNEED) != -ECHILD ||
	    pagerd_advise(p, kept, PAGE, PAGERD_EXCLUDE) != -ECHILD)
		return (3);
	pagerd_close(p);
	return (*(char *)kept == 42 ? 0 : 4);
}

/* It has the memory, and the arena. */
static int
child_opens_its_own(void)
{
	struct pagerd *q;
	void *mem;

	pagerd_close(p);
	if (pagerd_open(fake.path, &q) != 0)
		return (1);
	if (pagerd_map(q, NULL, PAGE, NULL, 0, 0, &mem) != 0)
		return (2);
	memset(mem, 1, PAGE);
	if (*(char *)kept != 42 || pagerd_unmap(q, kept, PAGE) != 0 ||
	    pagerd_unmap(q, mem, PAGE) != 0)
		return (3);
	pagerd_close(q);
	return (arena_is_empty() ? 0 : 4);
}

static void
open_forked(void)
{
	begin();
	CHECK(pagerd_map(p, NULL, PAGE, NULL, 0, 0, &kept) == 0);
	*(char *)kept = 42;
	CHECK(in_child(child_is_refused) == 0);
	CHECK(in_child(child_opens_its_own) == 0);
	/* What a child closes is not our session. */
	CHECK(pagerd_advise(p, kept, PAGE, PAGERD_COLD) == 0);
	CHECK(arena_is(NUM(kept), PAGE, "rw-p"));
	unmap(kept, PAGE);
	end();
}

static void *
map_page(void *arg)
{
	static void *mem;

	(void)arg;
	CHECK(pagerd_map(p, NULL, PAGE, NULL, 0, 0, &mem) == 0);
	pthread_testcancel();
	return (mem);
}

static int forked; /* atomic */

static int
nothing(void)
{
	return (0);
}

static void *
fork_now(void *arg)
{
	(void)arg;
	CHECK(in_child(nothing) == 0);
	__atomic_store_n(&forked, 1, __ATOMIC_SEQ_CST);
	return (NULL);
}

static void
open_fork_waits(void)
{
	pthread_t mapper, forker;
	void *mem;

	begin();
	fake_hold(&fake, PAGERD_OP_ARM);
	CHECK(pthread_create(&mapper, NULL, map_page, NULL) == 0);
	fake_wait_held(&fake);
	CHECK(pthread_create(&forker, NULL, fork_now, NULL) == 0);
	usleep(100000);
	CHECK(!__atomic_load_n(&forked, __ATOMIC_SEQ_CST));
	fake_let_go(&fake);
	CHECK(pthread_join(mapper, &mem) == 0);
	CHECK(pthread_join(forker, NULL) == 0 && forked);
	CHECK(fake_all_armed(&fake));
	unmap(mem, PAGE);
	end();
}

/* A thread that is cancelled meanwhile finishes first. */
static void
open_cancelled(void)
{
	struct pagerd_region r;
	pthread_t mapper;
	void *ret;

	begin();
	fake_hold(&fake, PAGERD_OP_MAP);
	CHECK(pthread_create(&mapper, NULL, map_page, NULL) == 0);
	fake_wait_held(&fake);
	CHECK(pthread_cancel(mapper) == 0);
	fake_let_go(&fake);
	CHECK(pthread_join(mapper, &ret) == 0 && ret == PTHREAD_CANCELED);
	CHECK(pagerd_query(p, NULL, &r) == 0 && fake_all_armed(&fake));
	unmap(r.addr, PAGE);
	end();
}

static void
ignore(int sig)
{
	(void)sig;
}

static void
open_interrupted(void)
{
	const struct sigaction sa = { .sa_handler = ignore };
	pthread_t mapper;
	void *mem;
	int i;

	begin();
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	fake_hold(&fake, PAGERD_OP_MAP);
	CHECK(pthread_create(&mapper, NULL, map_page, NULL) == 0);
	fake_wait_held(&fake);
	for (i = 0; i < 10; i++) {
		CHECK(pthread_kill(mapper, SIGUSR1) == 0);
		usleep(2000);
	}
	fake_let_go(&fake);
	CHECK(pthread_join(mapper, &mem) == 0);
	CHECK(fake_count(&fake, PAGERD_OP_MAP) == 1);
	unmap(mem, PAGE);
	end();
}

static const struct test tests[] = {
	{ "the arena belongs to somebody else", open_arena }, /* the first */
	{ "open and close", open_close },
	{ "the path is in the environment", open_environment },
	{ "nobody is there", open_nobody },
	{ "somebody else is there", open_stranger },
	{ "a welcome that cannot be", open_welcome_lies },
	{ "a first reply that cannot be", open_reply_lies },
	{ "two handles", open_two },
	{ "a handle is not its child's", open_forked },
	{ "a fork waits for what is half mapped", open_fork_waits },
	{ "a thread is cancelled in a request", open_cancelled },
	{ "signals in a request", open_interrupted },
};

TEST_MAIN(tests)
