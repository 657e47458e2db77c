/*
 * fixture.c: what the cases of test-shim share
 */
#include "fixture.h"

#include <sys/wait.h>

#include <signal.h>
#include <stdlib.h>

struct fake_space *
client_start(struct run *r)
{
	if (run_start(r) < 0 || atoi(run_line(r)) != r->pid)
		return (NULL);
	return (fake_client(&r->fake, 0));
}

uint64_t
client_adopt(struct run *r, struct fake_space *s, unsigned int npages,
    const char *how)
{
	char command[64];
	uint64_t addr;

	snprintf(command, sizeof(command), "map %u %s", npages, how);
	addr = strtoull(run_ask(r, command), NULL, 16);
	if (addr != 0 && fake_register(s, addr, npages) < 0)
		return (0);
	return (addr);
}

int
status_are(const uint8_t *status, unsigned int n, int value)
{
	while (n-- > 0) {
		if (*status++ != value)
			return (0);
	}
	return (1);
}

int
client_staged(const struct fake_space *s, unsigned int pos, unsigned int page)
{
	uint8_t data[PAGERD_PAGE_SIZE];

	if (fake_peek(s, s->hello.stage_start + pos * PAGE, data, PAGE) < 0)
		return (0);
	return (data[0] == (uint8_t)(page * 7 + 1) &&
		memcmp(data, data + 1, PAGE - 1) == 0);
}

int
client_absent(const struct fake_space *s, uint64_t addr)
{
	uint8_t data;

	return (fake_peek(s, addr, &data, 1) < 0);
}

int
client_zero(const struct fake_space *s, uint64_t addr)
{
	static const uint8_t zero[PAGE];
	uint8_t data[PAGE];

	return (fake_peek(s, addr, data, PAGE) == 0 &&
		memcmp(data, zero, PAGE) == 0);
}

int
client_take(struct run *r, struct fake_space *s, uint64_t addr,
    unsigned int npages)
{
	uint8_t status[PAGERD_STAGE_PAGES];
	const uint64_t run = PAGERD_RUN(addr, npages);
	unsigned int i;

	if (fake_move(&r->fake, s, PAGERD_MOVE_EMPTY_FIRST, &run, 1, status) <
		0 ||
	    !status_are(status, npages, 0))
		return (-1);
	for (i = 0; i < npages; i++) {
		if (fake_keep(&r->fake, s, i, addr + i * PAGE) < 0)
			return (-1);
	}
	return (0);
}

int
client_arm(struct run *r, struct fake_space *s)
{
	return (fake_empty(&r->fake, s));
}

int
client_killed(struct run *r)
{
	int status = run_wait(r);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(strncmp(run_stderr(r), "pagerd: lost the daemon", 23) == 0);
	return (0);
}
