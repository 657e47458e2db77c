/*
 * others.c: programs that a client program starts, and talks to
 */
#include "others.h"

#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
live_start(struct live_other *o, char *const argv[])
{
	int down[2], up[2];

	if (pipe2(down, O_CLOEXEC) < 0 || pipe2(up, O_CLOEXEC) < 0)
		live_die("pipe: %s", strerror(errno));
	o->pid = fork();
	if (o->pid < 0)
		live_die("fork: %s", strerror(errno));
	if (o->pid == 0) {
		dup2(down[0], STDIN_FILENO);
		dup2(up[1], STDOUT_FILENO);
		execv("/proc/self/exe", argv);
		_exit(126);
	}
	close(down[0]);
	close(up[1]);
	o->in = down[1];
	o->out = up[0];
}

void
live_say(int fd, uint64_t word)
{
	if (write(fd, &word, sizeof(word)) != sizeof(word))
		live_die("the other one is gone: %s", strerror(errno));
}

uint64_t
live_hear(int fd)
{
	uint64_t word = 0;

	if (read(fd, &word, sizeof(word)) != sizeof(word))
		live_die("the other one is gone");
	return word;
}

uint64_t
live_ask_all(const struct live_other *o, unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += live_hear(o[i].out);
	for (unsigned int i = 0; i < n; i++)
		live_say(o[i].in, 0);
	return sum;
}

uint64_t
live_pss(const void *addr)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kib;
	uint64_t sum = 0;
	bool inside = false;
	char line[512];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside =
			    start <= (uintptr_t)addr && (uintptr_t)addr < end;
		else if (inside && sscanf(line, "Pss: %lu kB", &kib) == 1)
			sum += kib * 1024;
	}
	if (f != NULL)
		fclose(f);
	return sum;
}
