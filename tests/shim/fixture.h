/*
 * fixture.h: what the cases of test-shim share
 *
 * A case gets a run of which nothing has been started, sets its options, and
 * starts it; what it leaves running is ended for it.  It returns 0, SKIPPED, or
 * -1: CHECK() does so, having printed what was wrong.
 */
#ifndef SHIM_TEST_FIXTURE_H
#define SHIM_TEST_FIXTURE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "run.h"

#define PAGE ((uint64_t)PAGERD_PAGE_SIZE)

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);    \
			printf("# line: %s\n# stderr: %s\n", r->line,          \
			    run_stderr(r));                                    \
			return (-1);                                           \
		}                                                              \
	} while (0)
#define CHECK_SAYS(command, answer)                                            \
	CHECK(strcmp(run_ask(r, command), answer) == 0)
#define SKIPPED 1 /* a case that did not even start a client */
#define EXITED(status) ((status) << 8)
#define CASE(name)                                                             \
	{                                                                      \
#name, case_##name                                             \
	}

struct test_case {
	const char *name; /* NULL ends a table */
	int (*run)(struct run *);
};

extern const struct test_case attach_cases[]; /* who is managed, who is not */
extern const struct test_case move_cases[];   /* pages leave, and come back */
extern const struct test_case mmap_cases[];   /* new mappings, doorbells */
extern const struct test_case fork_cases[];   /* children, other programs */
extern const struct test_case end_cases[];    /* of daemon, agent, program */

/* => the client runs, is managed, and has said its process id; or NULL */
struct fake_space *client_start(struct run *);
/* => the address of npages of its memory that are registered now, or 0 */
uint64_t client_adopt(struct run *, struct fake_space *, unsigned int npages,
    const char *how);
/* Captures npages from addr, and keeps them for refilling.  => 0 or -1 */
int client_take(struct run *, struct fake_space *, uint64_t addr,
    unsigned int npages);
/*
 * The agent has been asked for something: what the program maps from now on
 * is announced.
 */
int client_arm(struct run *, struct fake_space *);
/* => has staging page pos what the page of client_adopt() had? */
int client_staged(const struct fake_space *, unsigned int pos,
    unsigned int page);
int client_absent(const struct fake_space *, uint64_t addr);
/* => the page is there, or not registered, and has no bytes */
int client_zero(const struct fake_space *, uint64_t addr);
/* => 0: it was ended because it has lost the daemon, and says so */
int client_killed(struct run *);
/* => have all n pages this status? */
int status_are(const uint8_t *status, unsigned int n, int value);

#endif
