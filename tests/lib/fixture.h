/*
 * fixture.h: a fake daemon, a handle on it, and what is in the arena
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"
#include "test.h"

#define PAGE PAGERD_PAGE
#define ARENA_END (PAGERD_ARENA_START + PAGERD_ARENA_BYTES)
#define AT(n) (PAGERD_ARENA_START + (uint64_t)(n)*PAGE)
#define PTR(addr) ((void *)(uintptr_t)(addr))
#define NUM(ptr) ((uint64_t)(uintptr_t)(ptr))

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INSTRUMENTED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(INSTRUMENTED)
#define INSTRUMENTED 1
#elif !defined(INSTRUMENTED)
#define INSTRUMENTED 0
#endif

static struct fake fake;
static struct pagerd *p;
static unsigned int open_fds;

/*
 * Is all of the arena mapped, and nothing of [addr, addr + len) with any
 * access but perms?
 */
__attribute__((unused)) static bool
arena_is(uint64_t addr, uint64_t len, const char *perms)
{
	uint64_t start, end, at = PAGERD_ARENA_START;
	char line[512], found[8];
	bool ok = true;
	FILE *f = fopen("/proc/self/maps", "re");

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		CHECK(sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &start, &end,
			  found) == 3);
		if (end <= PAGERD_ARENA_START || start >= ARENA_END)
			continue;
		ok = ok && start <= at;
		at = end;
		if (start < addr + len && end > addr)
			ok = ok && strcmp(found, perms) == 0;
	}
	fclose(f);
	return (ok && at >= ARENA_END);
}

__attribute__((unused)) static bool
arena_is_empty(void)
{
	return (arena_is(PAGERD_ARENA_START, PAGERD_ARENA_BYTES, "---p"));
}

/*
 * valgrind keeps limits to itself, has its own idea of MAP_FIXED_NOREPLACE
 * (-EINVAL), and puts the stack below the arena.
 */
__attribute__((unused)) static bool
in_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return (preload != NULL && strstr(preload, "vgpreload") != NULL);
}

static unsigned int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return (n);
}

/* The fake closes its end when it gets to it. */
__attribute__((unused)) static bool
fds_are(unsigned int n)
{
	int tries;

	for (tries = 0; tries < 2000 && count_fds() != n; tries++)
		usleep(1000);
	return (count_fds() == n);
}

static void
begin(void)
{
	CHECK(fake_start(&fake) == 0);
	CHECK(pagerd_open(fake.path, &p) == 0);
	open_fds = count_fds();
}

/* => the tests unmap what they map */
static void
end(void)
{
	pagerd_close(p);
	p = NULL;
	CHECK(fake_stop(&fake) == 0);
	CHECK(arena_is_empty());
}

/* A lie ends the session. */
__attribute__((unused)) static void
open_again(void)
{
	pagerd_close(p);
	CHECK(pagerd_open(fake.path, &p) == 0);
}

__attribute__((unused)) static void
unmap(void *addr, uint64_t len)
{
	CHECK(pagerd_unmap(p, addr, len) == 0);
	fake_unmapped(&fake, NUM(addr), len);
}

/* => what fn returned in a child of ours: 0 to 127 */
__attribute__((unused)) static int
in_child(int (*fn)(void))
{
	int status;
	const pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(fn());
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return (WEXITSTATUS(status));
}

#endif
