/*
 * watch.c: a running victim.c, seen from its test
 */
#include "watch.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "assert.h"

void
watch_pause(unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void
run_victim(const char *mode, int memory, int input)
{
	const char *path = getenv("VICTIM");

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Out of the way first: either may be the other's number. */
	memory = fcntl(memory, F_DUPFD, 10);
	input = fcntl(input, F_DUPFD, 10);
	if (path != NULL && dup2(memory, VICTIM_FD) >= 0 &&
	    dup2(input, VICTIM_PIPE) >= 0)
		execl(path, path, mode, (char *)NULL);
	_exit(127);
}

void
watch_start(struct watch *w, const char *mode, uint32_t ready)
{
	int memory, pipes[2];

	memory = memfd_create("victim", MFD_CLOEXEC);
	ASSERT(memory >= 0 && pipe2(pipes, O_CLOEXEC) == 0);
	ASSERT(ftruncate(memory, sizeof(*w->shared)) == 0);
	w->shared = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED, memory, 0);
	ASSERT(w->shared != MAP_FAILED);
	w->pipe = pipes[1];
	w->pid = fork();
	ASSERT(w->pid >= 0);
	if (w->pid == 0)
		run_victim(mode, memory, pipes[0]);
	close(memory);
	close(pipes[0]);
	for (int left = 10000; atomic_load(&w->shared->ready) < ready; left--) {
		ASSERT(left > 0);
		watch_pause(1);
	}
	watch_pause(20); /* from saying so to the system call */
}

static int
end(struct watch *w)
{
	int status;

	while (waitpid(w->pid, &status, 0) < 0)
		ASSERT(errno == EINTR);
	munmap(w->shared, sizeof(*w->shared));
	close(w->pipe);
	return status;
}

int
watch_finish(struct watch *w)
{
	atomic_store(&w->shared->finish, 1);
	atomic_store(&w->shared->futex, 1);
	syscall(SYS_futex, &w->shared->futex, FUTEX_WAKE, INT_MAX, NULL, NULL,
	    0);
	ASSERT(write(w->pipe, "x", 1) == 1);
	return end(w);
}

void
watch_kill(struct watch *w)
{
	kill(w->pid, SIGKILL);
	(void)end(w);
}

char
watch_state(pid_t pid, pid_t tid)
{
	char path[64], line[128], state = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid,
	    (int)tid);
	f = fopen(path, "re");
	if (f == NULL)
		return state;
	while (fgets(line, sizeof(line), f) != NULL)
		(void)sscanf(line, "State: %c", &state);
	fclose(f);
	return state;
}

bool
watch_all_are(pid_t pid, char state)
{
	const struct dirent *entry;
	char path[32];
	bool all = true;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (tasks == NULL)
		return false;
	while (all && (entry = readdir(tasks)) != NULL)
		all = entry->d_name[0] == '.' ||
		      watch_state(pid, atoi(entry->d_name)) == state;
	closedir(tasks);
	return all;
}
