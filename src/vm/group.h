/*
 * group.h: spaces that share a budget
 */
#ifndef GROUP_H
#define GROUP_H

#include <sys/queue.h>

#include <stdint.h>

#include "counts.h"
#include "size.h"
#include "watermark.h"

struct object;
struct space;
struct vm;

#define GROUP_NAME_BYTES 64

struct group_record { /* truth */
	uint64_t in_use;
	uint64_t limit_bytes; /* 0: none */
	uint32_t uid;
	uint32_t stack; /* of stores, where its pages go */
	uint8_t token[TOKEN_BYTES];
	char name[GROUP_NAME_BYTES];
};

struct group { /* index */
	uint32_t index;
	struct group_record *rec;
	struct watermarks marks;
	TAILQ_HEAD(, space) spaces;
	uint32_t nspaces;
	TAILQ_HEAD(, object) objects; /* whose frames count here */
	struct counts counts;         /* of spaces and objects */
	/* Of reclaim.c: what pages are stamped with, and what is old. */
	uint16_t epoch;
	uint16_t aged; /* the epoch in which min_age changed */
	uint8_t min_age;
	uint64_t installs; /* since the epoch began */
};

/* => 0 or -ENOSPC */
int group_new(struct vm *, const struct group_record *, struct group **);
/* => must have no spaces; its objects count against nobody from now on */
void group_free(struct vm *, struct group *);
struct group *group_get(struct vm *, uint32_t index); /* NULL: none */
void group_set_limit(struct group *, uint64_t limit_bytes);

#endif
