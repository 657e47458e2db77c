/*
 * victim.c: a program that others look at: "victim frames", to be dumped;
 * "victim busy" and others, to be stopped and let go
 *
 * It exits with 0 if nothing odd has happened to it.
 */
#include "victim.h"

#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct victim_shared *shared;

/* What the test asks a debugger for. */
int victim_number = 20261123;
char *victim_text;
char victim_zeros[1 << 20];

static void
need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "victim: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static pthread_t
start(void *(*run)(void *))
{
	pthread_t t;

	need(pthread_create(&t, NULL, run, NULL) == 0, "pthread_create");
	return t;
}

static void
is_ready(void)
{
	atomic_fetch_add(&shared->ready, 1);
}

static void *
inner_spin(void *arg)
{
	volatile int local_number = 4711;

	is_ready();
	while (atomic_load(&shared->finish) == 0)
		local_number = 4711;
	return local_number == 4711 ? arg : NULL;
}

static void *
outer_spin(void *arg)
{
	return inner_spin(arg);
}

static void *
inner_sleep(void *arg)
{
	is_ready();
	need(sleep(3600) == 0, "sleep");
	return arg;
}

static void *
outer_sleep(void *arg)
{
	return inner_sleep(arg);
}

static void *
inner_read(void *arg)
{
	char c;

	is_ready();
	need(read(VICTIM_PIPE, &c, 1) == 1, "read");
	return arg;
}

static void *
outer_read(void *arg)
{
	return inner_read(arg);
}

static void
wait_in_main(pthread_t t)
{
	is_ready();
	pthread_join(t, NULL);
}

/* It is killed when the test has seen it. */
static int
frames(void)
{
	victim_text = strdup("text on the heap");
	(void)start(outer_sleep);
	(void)start(outer_read);
	wait_in_main(start(outer_spin));
	return 0;
}

static void *
spin(void *arg)
{
	is_ready();
	while (atomic_load(&shared->finish) == 0)
		atomic_fetch_add(&shared->spins, 1);
	return arg;
}

static int
spin_once(void *arg)
{
	(void)arg;
	atomic_fetch_add(&shared->spare_spins, 1);
	return 0;
}

/*
 * A thread that the C library knows nothing of: it takes none of its locks,
 * which those who stand still may hold.
 */
static void
have_spun(void)
{
	static _Alignas(16) char stack[65536];
	static _Atomic int32_t tid;
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			  CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
			  CLONE_CHILD_CLEARTID;
	int32_t now;

	need(clone(spin_once, stack + sizeof(stack), flags, NULL, &tid, NULL,
		 &tid) > 0,
	    "clone");
	while ((now = atomic_load(&tid)) != 0)
		(void)syscall(SYS_futex, &tid, FUTEX_WAIT, now, NULL, NULL, 0);
}

/* Now and then it has a thread do it. */
static void *
spin_spared(void *arg)
{
	need(prctl(PR_SET_NAME, "spared") == 0, "prctl");
	atomic_store(&shared->spare, gettid());
	is_ready();
	while (atomic_load(&shared->finish) == 0) {
		for (int i = 0; i < 1000; i++)
			atomic_fetch_add(&shared->spare_spins, 1);
		have_spun();
	}
	return arg;
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *
nap(void *arg)
{
	const struct timespec t = { .tv_nsec = VICTIM_NAP_MS * 1000000 };
	int64_t before;

	is_ready();
	while (atomic_load(&shared->finish) == 0) {
		before = now_ms();
		need(nanosleep(&t, NULL) == 0, "nanosleep");
		need(now_ms() - before >= VICTIM_NAP_MS - 1, "slept too short");
		atomic_fetch_add(&shared->naps, 1);
	}
	return arg;
}

static void *
wait_on_futex(void *arg)
{
	is_ready();
	while (atomic_load(&shared->futex) == 0)
		need(syscall(SYS_futex, &shared->futex, FUTEX_WAIT, 0, NULL,
			 NULL, 0) == 0 ||
			 errno == EAGAIN,
		    "futex");
	return arg;
}

/*
 * A thread that makes its successor and ends: whoever looks for threads is
 * late.
 */
static void *
relay(void *arg)
{
	pthread_attr_t attr;
	pthread_t t;

	atomic_fetch_add(&shared->made, 1);
	if (atomic_load(&shared->finish) != 0) {
		atomic_fetch_sub(&shared->relays, 1);
		return arg;
	}
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	need(pthread_create(&t, &attr, relay, arg) == 0, "relay");
	pthread_attr_destroy(&attr);
	return arg;
}

static void
count_plain(int sig)
{
	(void)sig;
	atomic_fetch_add(&shared->plain, 1);
}

static void
count_queued(int sig)
{
	(void)sig;
	atomic_fetch_add(&shared->queued, 1);
}

static void
unexpected(int sig)
{
	(void)sig;
	_exit(2);
}

/* The main thread alone takes signals: the others' calls are not to fail. */
static void
take_signals(sigset_t *mine)
{
	signal(SIGUSR1, count_plain);
	signal(SIGRTMIN, count_queued);
	signal(SIGTRAP, unexpected);
	sigemptyset(mine);
	sigaddset(mine, SIGUSR1);
	sigaddset(mine, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, mine, NULL);
}

static int
busy(void)
{
	void *(*const run[])(void *) = { spin, spin_spared, nap, wait_on_futex,
		inner_read };
	enum {
		N = sizeof(run) / sizeof(run[0])
	};
	pthread_t threads[N];
	sigset_t mine;

	take_signals(&mine);
	for (int i = 0; i < N; i++)
		threads[i] = start(run[i]);
	for (int i = 0; i < VICTIM_RELAYS; i++) {
		atomic_fetch_add(&shared->relays, 1);
		pthread_detach(start(relay));
	}
	pthread_sigmask(SIG_UNBLOCK, &mine, NULL);
	is_ready();
	for (int i = 0; i < N; i++)
		pthread_join(threads[i], NULL);
	while (atomic_load(&shared->relays) > 0)
		(void)usleep(1000);
	return 0;
}

/* The main thread ends first. */
static int
headless(void)
{
	(void)start(spin);
	pthread_exit(NULL);
}

/* Not to be stopped until its child has ended. */
static int
in_vfork(void)
{
	pid_t pid;
	int status;

	is_ready();
	pid = vfork();
	if (pid == 0) {
		while (atomic_load(&shared->finish) == 0)
			(void)usleep(1000);
		_exit(0);
	}
	need(waitpid(pid, &status, 0) == pid && status == 0, "vfork");
	return 0;
}

static void *page;

static void *
touch(void *arg)
{
	is_ready();
	need(*(volatile char *)page == 0, "page");
	return arg;
}

/* A page that does not come until it is told to finish. */
static int
faulting(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	pthread_t t;

	need(fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0, "userfaultfd");
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(page != MAP_FAILED, "mmap");
	reg.range = (struct uffdio_range){ (uintptr_t)page, 4096 };
	need(ioctl(fd, UFFDIO_REGISTER, &reg) == 0, "register");
	t = start(touch);
	while (atomic_load(&shared->finish) == 0)
		(void)usleep(1000);
	need(ioctl(fd, UFFDIO_ZEROPAGE,
		 &(struct uffdio_zeropage){ .range = reg.range }) == 0,
	    "zeropage");
	pthread_join(t, NULL);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} modes[] = { { "frames", frames }, { "busy", busy },
		{ "headless", headless }, { "vfork", in_vfork },
		{ "fault", faulting } };

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
	    VICTIM_FD, 0);
	need(shared != MAP_FAILED && argc == 2, "start");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) == 0)
			return modes[i].run();
	}
	return 3;
}
