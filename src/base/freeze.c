/*
 * freeze.c: all threads of a process stand still, for a moment
 *
 *	listed --SEIZE, INTERRUPT--> SEIZED --waitpid--> STOPPED --DETACH--> on
 *	                               |
 *	                               +--exited--> forgotten
 *
 * The list of threads is read again until it names nobody new, and as many as
 * the process has: who stands still makes no threads, so that then there are
 * no others.  That it names nobody new would not do: the kernel may end the
 * list early, where a thread is just going away.
 *
 * Each is stopped by PTRACE_INTERRUPT, or by a signal that was on its way to
 * it; that one is handed back at the end.  Nothing is ever restarted under
 * trace, so PTRACE_LISTEN is not needed: a thread that is in a group-stop when
 * it is detached goes back to it, or on if SIGCONT has come.
 */
#include "freeze.h"

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "assert.h"
#include "elfcore.h"

#define STACK_BYTES (256u << 10)
#define REGSET_MAX (64u << 10)
#define PAUSE_MIN_US 10u
#define PAUSE_MAX_US 1000u
#define NAME_BYTES 17 /* of a thread, with a newline */

enum tracee_state {
	TRACEE_SEIZED,
	TRACEE_STOPPED,
	TRACEE_GONE,
};

struct tracee {
	pid_t tid;
	enum tracee_state state;
	int signal; /* stopped while it was delivered; 0: none */
};

struct freeze {
	pid_t pid, spare;
	char spare_name[NAME_BYTES];
	uint64_t deadline_us;
	DIR *tasks;             /* /proc/PID/task */
	size_t left_alone;      /* on the list as it was read last */
	struct tracee *tracees; /* owned, by tid */
	size_t n, capacity;
	struct elfcore_thread *threads; /* owned, as are their registers */
	size_t nthreads;
	pthread_t tracer;
	sem_t ready, over; /* tracer: result is there; may let go */
	int result;
	uint8_t regset[REGSET_MAX]; /* as it comes */
};

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* => the pause after this one */
static unsigned int
pause_us(unsigned int us)
{
	struct timespec t = { .tv_nsec = (long)us * 1000 };

	(void)nanosleep(&t, NULL);
	return us < PAUSE_MAX_US / 2 ? 2 * us : PAUSE_MAX_US;
}

/* => where in the list tid is, or would be */
static size_t
place_of(const struct freeze *f, pid_t tid)
{
	size_t low = 0, high = f->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (f->tracees[middle].tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
make_room(struct freeze *f)
{
	size_t capacity = f->capacity == 0 ? 64 : 2 * f->capacity;
	struct tracee *tracees;

	if (f->n < f->capacity)
		return 0;
	tracees = reallocarray(f->tracees, capacity, sizeof(*tracees));
	if (tracees == NULL)
		return -ENOMEM;
	f->tracees = tracees;
	f->capacity = capacity;
	return 0;
}

static void
forget_gone(struct freeze *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (f->tracees[i].state != TRACEE_GONE)
			f->tracees[kept++] = f->tracees[i];
	}
	f->n = kept;
}

/* What /proc says of a thread. */
struct status {
	char state;
	int tracer;
	size_t nthreads; /* of its process */
};

/* => false: there is none */
static bool
read_status(const struct freeze *f, pid_t tid, struct status *s)
{
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)f->pid,
	    (int)tid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	*s = (struct status){ 0 };
	while (fgets(line, sizeof(line), file) != NULL) {
		(void)sscanf(line, "State: %c", &s->state);
		(void)sscanf(line, "TracerPid: %d", &s->tracer);
		(void)sscanf(line, "Threads: %zu", &s->nthreads);
	}
	fclose(file);
	return s->state != '\0';
}

static bool
has_exited(const struct status *s)
{
	return s->state == 'Z' || s->state == 'X';
}

/*
 * refused: a thread could not be seized
 *
 * => 1: it is gone, look at the list again; 0: a main thread that has ended
 *    before the others, which stays on the list; or -errno
 */
static int
refused(struct freeze *f, pid_t tid, int error)
{
	struct status s;

	if (error == ESRCH)
		return 1;
	if (error != EPERM)
		return -error;
	if (!read_status(f, tid, &s))
		return 1;
	if (!has_exited(&s))
		return s.tracer != 0 ? -EBUSY : -EPERM;
	if (tid != f->pid)
		return 1;
	f->left_alone++;
	return 0;
}

/* => the name of a thread, or an empty one: it is gone */
static void
read_name(const struct freeze *f, pid_t tid, char name[NAME_BYTES])
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)f->pid,
	    (int)tid);
	name[0] = '\0';
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(name, NAME_BYTES, file) == NULL)
		name[0] = '\0';
	fclose(file);
}

static bool
is_spared(const struct freeze *f, pid_t tid)
{
	char name[NAME_BYTES];

	if (tid == f->spare || f->spare == 0)
		return tid == f->spare;
	read_name(f, tid, name);
	return name[0] != '\0' && strcmp(name, f->spare_name) == 0;
}

/* => 1: one more, or one less; 0: nothing new; -errno */
static int
seize(struct freeze *f, pid_t tid)
{
	size_t i = place_of(f, tid);
	int r;

	if (i < f->n && f->tracees[i].tid == tid)
		return 0;
	if (is_spared(f, tid)) {
		f->left_alone++;
		return 0;
	}
	r = make_room(f);
	if (r < 0)
		return r;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
		return refused(f, tid, errno);
	memmove(&f->tracees[i + 1], &f->tracees[i],
	    (f->n - i) * sizeof(f->tracees[0]));
	f->tracees[i] = (struct tracee){ .tid = tid };
	f->n++;
	/* Fails if it ends just now: waiting for it tells. */
	(void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	return 1;
}

/* => 1: the list has changed; 0: it has not; -errno */
static int
seize_listed(struct freeze *f)
{
	const struct dirent *entry;
	int r, changed = 0;

	f->left_alone = 0;
	rewinddir(f->tasks);
	while (errno = 0, (entry = readdir(f->tasks)) != NULL) {
		int tid = atoi(entry->d_name); /* 0: "." and ".." */

		r = tid > 0 ? seize(f, tid) : 0;
		if (r < 0)
			return r;
		changed |= r;
	}
	if (errno != 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return changed;
}

/* => as waitpid(2) reported it */
static void
tracee_waited(struct tracee *t, int status)
{
	if (!WIFSTOPPED(status)) {
		t->state = TRACEE_GONE;
		return;
	}
	t->state = TRACEE_STOPPED;
	if (status >> 16 == 0)
		t->signal = WSTOPSIG(status);
}

/*
 * A main thread that has ended before the others is not reported until they
 * have, too.
 */
static bool
is_dead_leader(const struct freeze *f, const struct tracee *t)
{
	struct status s;

	return t->tid == f->pid &&
	       (!read_status(f, t->tid, &s) || has_exited(&s));
}

static int
wait_for(struct freeze *f, struct tracee *t)
{
	unsigned int us = PAUSE_MIN_US;
	int status;
	pid_t r;

	while (t->state == TRACEE_SEIZED) {
		r = waitpid(t->tid, &status, __WALL | WNOHANG);
		if (r == t->tid)
			tracee_waited(t, status);
		else if (r < 0 && errno == ECHILD)
			t->state = TRACEE_GONE;
		else if (r < 0 && errno != EINTR)
			return -errno;
		else if (now_us() >= f->deadline_us)
			return -ETIMEDOUT;
		else if (us == PAUSE_MAX_US && is_dead_leader(f, t))
			t->state = TRACEE_GONE;
		else
			us = pause_us(us);
	}
	return 0;
}

/* => 1: look at the list again; or -errno */
static int
wait_for_all(struct freeze *f)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->n; i++)
		r = wait_for(f, &f->tracees[i]);
	forget_gone(f);
	return r < 0 ? r : 1;
}

/* => 0: it is gone */
static size_t
count_threads(const struct freeze *f)
{
	struct status s;

	return read_status(f, f->pid, &s) ? s.nthreads : 0;
}

/*
 * A thread that ends while they are listed may cut the list short, and those
 * that are left alone end when they like: the same number before and after it.
 *
 * => 1: the process has threads that the list did not name; 0; -ESRCH
 */
static int
is_incomplete(const struct freeze *f, size_t before)
{
	size_t after = count_threads(f);

	if (f->n == 0 || after == 0)
		return -ESRCH;
	return before != after || after != f->n + f->left_alone;
}

static int
stop_all(struct freeze *f)
{
	int r;

	do {
		size_t before = count_threads(f);

		r = seize_listed(f);
		if (r > 0)
			r = wait_for_all(f);
		else if (r == 0)
			r = is_incomplete(f, before);
		if (r > 0 && now_us() >= f->deadline_us)
			r = -ETIMEDOUT;
	} while (r > 0);
	return r;
}

/* => a regset that this machine does not have is empty; 0 or -errno */
static int
read_regset(struct freeze *f, pid_t tid, unsigned int type,
    struct elfcore_regset *out)
{
	struct iovec iov = { .iov_base = f->regset,
		.iov_len = sizeof(f->regset) };
	void *bytes;

	if (ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)type, &iov) < 0)
		return errno == ESRCH ? -ESRCH : 0;
	bytes = malloc(iov.iov_len);
	if (bytes == NULL)
		return -ENOMEM;
	memcpy(bytes, f->regset, iov.iov_len);
	*out = (struct elfcore_regset){ bytes, iov.iov_len };
	return 0;
}

static int
read_thread(struct freeze *f, const struct tracee *t,
    struct elfcore_thread *out)
{
	int r;

	out->tid = t->tid;
	out->signal = t->signal;
	r = read_regset(f, t->tid, NT_PRSTATUS, &out->general);
	if (r == 0)
		r = read_regset(f, t->tid, NT_PRFPREG, &out->fp);
	if (r == 0)
		r = read_regset(f, t->tid, NT_X86_XSTATE, &out->xstate);
	return r;
}

static int
read_registers(struct freeze *f)
{
	size_t leader = place_of(f, f->pid);
	struct elfcore_thread first;
	int r = 0;

	f->threads = calloc(f->n, sizeof(f->threads[0]));
	if (f->threads == NULL)
		return -ENOMEM;
	f->nthreads = f->n;
	for (size_t i = 0; r == 0 && i < f->n; i++)
		r = read_thread(f, &f->tracees[i], &f->threads[i]);
	if (r == 0 && leader < f->n) {
		first = f->threads[leader];
		f->threads[leader] = f->threads[0];
		f->threads[0] = first;
	}
	return r;
}

static void
wait_semaphore(sem_t *s)
{
	while (sem_wait(s) < 0)
		ASSERT(errno == EINTR);
}

/*
 * Who was killed meanwhile, or could not be stopped in time, cannot be
 * detached: the end of this thread does it.
 */
static void
let_go(struct freeze *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct tracee *t = &f->tracees[i];

		if (t->state == TRACEE_STOPPED)
			(void)ptrace(PTRACE_DETACH, t->tid, NULL,
			    (void *)(uintptr_t)t->signal);
	}
}

static void *
tracer_main(void *arg)
{
	struct freeze *f = arg;

	f->result = stop_all(f);
	if (f->result == 0)
		f->result = read_registers(f);
	if (f->result < 0)
		let_go(f);
	sem_post(&f->ready);
	wait_semaphore(&f->over);
	if (f->result == 0)
		let_go(f);
	return NULL;
}

/* It takes no signals: they are for the threads that were there before. */
static int
tracer_start(struct freeze *f)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int r;

	r = pthread_attr_init(&attr);
	if (r != 0)
		return -r;
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&f->tracer, &attr, tracer_main, f);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

static void
freeze_free(struct freeze *f)
{
	for (size_t i = 0; i < f->nthreads; i++) {
		free((void *)f->threads[i].general.bytes);
		free((void *)f->threads[i].fp.bytes);
		free((void *)f->threads[i].xstate.bytes);
	}
	free(f->threads);
	free(f->tracees);
	if (f->tasks != NULL)
		closedir(f->tasks);
	sem_destroy(&f->ready);
	sem_destroy(&f->over);
	free(f);
}

static int
open_tasks(struct freeze *f)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)f->pid);
	f->tasks = opendir(path);
	if (f->tasks == NULL)
		return errno == ENOENT ? -ESRCH : -errno;
	return 0;
}

int
freeze_begin(pid_t pid, pid_t spare, uint64_t within_us, struct freeze **out)
{
	struct freeze *f = calloc(1, sizeof(*f));
	int r;

	if (f == NULL)
		return -ENOMEM;
	f->pid = pid;
	f->spare = spare;
	f->deadline_us = now_us() + within_us;
	sem_init(&f->ready, 0, 0);
	sem_init(&f->over, 0, 0);
	r = open_tasks(f);
	if (r == 0 && spare != 0)
		read_name(f, spare, f->spare_name);
	if (r == 0)
		r = tracer_start(f);
	if (r < 0) {
		freeze_free(f);
		return r;
	}
	wait_semaphore(&f->ready);
	if (f->result < 0) {
		r = f->result;
		freeze_end(f);
		return r;
	}
	*out = f;
	return 0;
}

const struct elfcore_thread *
freeze_threads(const struct freeze *f, size_t *n)
{
	*n = f->nthreads;
	return f->threads;
}

void
freeze_end(struct freeze *f)
{
	if (f == NULL)
		return;
	sem_post(&f->over);
	pthread_join(f->tracer, NULL);
	freeze_free(f);
}
