/*
 * test-freeze.c: a busy process is stopped and let go, and does not notice
 */
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "elfcore.h"
#include "freeze.h"
#include "test.h"
#include "watch.h"

#define SOON_US 5000000u
#define NBUSY 6u /* threads of "busy" that get ready */

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool
exited_well(int status)
{
	if (status != 0)
		printf("# wait status 0x%x\n", (unsigned int)status);
	return status == 0;
}

static struct freeze *
freeze(const struct watch *w, pid_t spare)
{
	struct freeze *f = NULL;
	int r = freeze_begin(w->pid, spare, SOON_US, &f);

	if (r < 0)
		printf("# freeze_begin: %s\n", strerror(-r));
	CHECK(r == 0 && f != NULL);
	return f;
}

/* Every thread is stopped, has registers, and the main one comes first. */
static void
check_threads(const struct watch *w, const struct freeze *f)
{
	const struct elfcore_thread *t;
	size_t n;

	t = freeze_threads(f, &n);
	CHECK(n >= NBUSY - 1);
	CHECK(t[0].tid == w->pid);
	for (size_t i = 0; i < n; i++) {
		CHECK(watch_state(w->pid, t[i].tid) == 't');
		CHECK(t[i].tid != atomic_load(&w->shared->spare));
		CHECK(t[i].general.len > 0 && t[i].fp.len > 0);
	}
}

static void
test_stands_still(void)
{
	struct watch w;
	uint64_t spins, spare, made;

	watch_start(&w, "busy", NBUSY);
	for (int i = 0; i < 50; i++) {
		struct freeze *f = freeze(&w, atomic_load(&w.shared->spare));

		spins = atomic_load(&w.shared->spins);
		spare = atomic_load(&w.shared->spare_spins);
		made = atomic_load(&w.shared->made);
		check_threads(&w, f);
		WATCH_UNTIL(atomic_load(&w.shared->spare_spins) > spare);
		CHECK(atomic_load(&w.shared->spins) == spins);
		CHECK(atomic_load(&w.shared->made) == made);
		freeze_end(f);
		WATCH_UNTIL(atomic_load(&w.shared->spins) > spins);
		WATCH_UNTIL(atomic_load(&w.shared->made) > made);
	}
	CHECK(exited_well(watch_finish(&w)));
}

/*
 * Sleeps, futexes and reads that are interrupted again and again; victim.c
 * sees to it that none fails or ends early.
 */
static void
test_system_calls_go_on(void)
{
	struct watch w;
	uint64_t naps;
	struct freeze *f;

	watch_start(&w, "busy", NBUSY);
	naps = atomic_load(&w.shared->naps);
	for (int i = 0; i < 300; i++) {
		f = freeze(&w, 0);
		freeze_end(f);
		if (i % 10 == 0)
			watch_pause(VICTIM_NAP_MS);
	}
	CHECK(atomic_load(&w.shared->naps) > naps);
	CHECK(exited_well(watch_finish(&w)));
}

static void
test_signals_are_kept(void)
{
	struct watch w;
	struct freeze *f;
	uint32_t plain;

	watch_start(&w, "busy", NBUSY);
	for (uint32_t i = 0; i < 50; i++) {
		/* On their way when it is stopped, and while it is. */
		CHECK(sigqueue(w.pid, SIGRTMIN, (union sigval){ 0 }) == 0);
		f = freeze(&w, 0);
		plain = atomic_load(&w.shared->plain);
		CHECK(sigqueue(w.pid, SIGRTMIN, (union sigval){ 0 }) == 0);
		CHECK(kill(w.pid, SIGUSR1) == 0);
		watch_pause(1);
		CHECK(atomic_load(&w.shared->plain) == plain);
		freeze_end(f);
		WATCH_UNTIL(atomic_load(&w.shared->plain) == plain + 1);
		WATCH_UNTIL(atomic_load(&w.shared->queued) == 2 * (i + 1));
	}
	CHECK(exited_well(watch_finish(&w)));
}

/* What test_signal_storm() and its thread share. */
struct storm {
	pid_t pid;
	_Atomic bool over;
	uint32_t sent;
};

static void *
send_signals(void *arg)
{
	struct storm *s = arg;

	while (!atomic_load(&s->over)) {
		for (int i = 0; i < 50; i++) /* fails if many are pending */
			s->sent += sigqueue(s->pid, SIGRTMIN,
				       (union sigval){ 0 }) == 0;
		(void)usleep(50); /* others are to get a turn */
	}
	return NULL;
}

/* Threads are stopped by signals, too, which must then arrive all the same. */
static void
test_signal_storm(void)
{
	struct storm storm = { 0 };
	pthread_t sender;
	struct watch w;

	watch_start(&w, "busy", NBUSY);
	storm.pid = w.pid;
	CHECK(pthread_create(&sender, NULL, send_signals, &storm) == 0);
	for (int i = 0; i < 200; i++) {
		freeze_end(freeze(&w, 0));
		sched_yield();
	}
	atomic_store(&storm.over, true);
	pthread_join(sender, NULL);
	WATCH_UNTIL(atomic_load(&w.shared->queued) == storm.sent);
	CHECK(storm.sent > 200);
	CHECK(exited_well(watch_finish(&w)));
}

static bool
has_stopped(const struct watch *w)
{
	int status;

	return waitpid(w->pid, &status, WUNTRACED | WNOHANG) == w->pid &&
	       WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
}

static void
check_stopped(const struct watch *w)
{
	uint64_t spins;

	WATCH_UNTIL(watch_all_are(w->pid, 'T'));
	spins = atomic_load(&w->shared->spins);
	watch_pause(20);
	CHECK(watch_all_are(w->pid, 'T'));
	CHECK(atomic_load(&w->shared->spins) == spins);
}

static void
check_running(const struct watch *w)
{
	uint64_t spins = atomic_load(&w->shared->spins);

	WATCH_UNTIL(atomic_load(&w->shared->spins) > spins);
}

static void
test_job_control(void)
{
	struct watch w;
	struct freeze *f;

	watch_start(&w, "busy", NBUSY);
	for (int i = 0; i < 10; i++) {
		/* Stopped before, and stays so, with nothing told twice. */
		kill(w.pid, SIGSTOP);
		WATCH_UNTIL(has_stopped(&w));
		freeze_end(freeze(&w, 0));
		check_stopped(&w);
		CHECK(!has_stopped(&w));
		/* Continued meanwhile. */
		f = freeze(&w, 0);
		kill(w.pid, SIGCONT);
		freeze_end(f);
		check_running(&w);
		/* Stopped meanwhile. */
		f = freeze(&w, 0);
		kill(w.pid, SIGSTOP);
		freeze_end(f);
		WATCH_UNTIL(has_stopped(&w));
		check_stopped(&w);
		kill(w.pid, SIGCONT);
		check_running(&w);
	}
	CHECK(exited_well(watch_finish(&w)));
}

/* Stopped by a signal while it is being frozen: one comes first. */
static void
test_job_control_races(void)
{
	struct watch w;
	struct freeze *f;

	watch_start(&w, "busy", NBUSY);
	for (int i = 0; i < 100; i++) {
		kill(w.pid, SIGSTOP);
		f = freeze(&w, 0);
		if (i % 2 == 0)
			kill(w.pid, SIGCONT);
		freeze_end(f);
		if (i % 2 != 0) {
			check_stopped(&w);
			kill(w.pid, SIGCONT);
		}
		check_running(&w);
		while (has_stopped(&w))
			;
	}
	CHECK(exited_well(watch_finish(&w)));
}

static void
test_dead_leader(void)
{
	struct watch w;
	struct freeze *f;
	size_t n;

	watch_start(&w, "headless", 1);
	WATCH_UNTIL(watch_state(w.pid, w.pid) == 'Z');
	f = freeze(&w, 0);
	CHECK(freeze_threads(f, &n)[0].tid != w.pid && n == 1);
	freeze_end(f);
	check_running(&w);
	CHECK(exited_well(watch_finish(&w)));
}

/* A thread that waits for a page does not stand in the way. */
static void
test_missing_page(void)
{
	struct watch w;
	struct freeze *f;
	size_t n;

	watch_start(&w, "fault", 1);
	for (int i = 0; i < 20; i++) {
		f = freeze(&w, 0);
		(void)freeze_threads(f, &n);
		CHECK(n == 2);
		freeze_end(f);
		watch_pause(2);
	}
	CHECK(exited_well(watch_finish(&w)));
}

/* => what stands in the way of it; nothing is left behind by that */
static int
refused(pid_t pid, uint64_t within_us)
{
	struct freeze *f = NULL;
	int r = freeze_begin(pid, 0, within_us, &f);

	CHECK(f == NULL);
	return r;
}

static void
test_deadline(void)
{
	uint64_t before = now_us();
	struct watch w;

	watch_start(&w, "vfork", 1);
	before = now_us();
	CHECK(refused(w.pid, 100000) == -ETIMEDOUT);
	CHECK(now_us() - before >= 100000 && now_us() - before < 2000000);
	CHECK(exited_well(watch_finish(&w)));
	watch_start(&w, "busy", NBUSY);
	CHECK(refused(w.pid, 0) == -ETIMEDOUT);
	check_running(&w);
	freeze_end(freeze(&w, 0));
	CHECK(exited_well(watch_finish(&w)));
}

static void
test_refused(void)
{
	struct freeze *f;
	struct watch w;

	watch_start(&w, "busy", NBUSY);
	f = freeze(&w, 0);
	CHECK(refused(w.pid, SOON_US) == -EBUSY);
	freeze_end(f);
	check_running(&w);
	CHECK(refused(getpid(), SOON_US) == -EPERM);
	/* Dead, and not yet waited for; then gone. */
	kill(w.pid, SIGKILL);
	WATCH_UNTIL(watch_state(w.pid, w.pid) == 'Z');
	CHECK(refused(w.pid, SOON_US) == -ESRCH);
	watch_kill(&w);
	CHECK(refused(w.pid, SOON_US) == -ESRCH);
	CHECK(refused(-1, SOON_US) == -ESRCH);
	freeze_end(NULL);
}

static void
test_killed_meanwhile(void)
{
	struct freeze *f;
	struct watch w;

	for (int i = 0; i < 20; i++) {
		watch_start(&w, "busy", NBUSY);
		f = freeze(&w, 0);
		kill(w.pid, SIGKILL);
		freeze_end(f);
		watch_kill(&w); /* returns: it can be waited for */
	}
}

static const struct test tests[] = {
	{ "stands still", test_stands_still },
	{ "system calls go on", test_system_calls_go_on },
	{ "signals are kept", test_signals_are_kept },
	{ "signal storm", test_signal_storm },
	{ "job control", test_job_control },
	{ "job control races", test_job_control_races },
	{ "a main thread that has ended", test_dead_leader },
	{ "a missing page", test_missing_page },
	{ "deadline", test_deadline },
	{ "refused", test_refused },
	{ "killed meanwhile", test_killed_meanwhile },
};

TEST_MAIN(tests)
