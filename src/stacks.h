/*
 * stacks.h: the stores of the configuration, opened
 */
#ifndef STACKS_H
#define STACKS_H

#include <stddef.h>
#include <stdint.h>

#include "stores.h"

struct backend;
struct catalog;

struct stacks {
	struct stack_spec specs[STORES]; /* for plane_start() */
	uint32_t nspecs;
	struct backend *backends[STORES]; /* owned; tiers of the specs */
	uint32_t nbackends;
};

/*
 * stacks_open: every store of the catalog, in the order of its numbers
 *
 * => before the fault plane starts; *stacks is all zero, and stays where it is
 * => 0 or -errno, with one line in err: then what could be opened is open
 */
int stacks_open(struct stacks *, const struct catalog *, char *err,
    size_t errlen);
void stacks_close(struct stacks *);

#endif
