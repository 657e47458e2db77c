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
	uint32_t reserved;
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
	/*
	 * Recency (reclaim.c): pages are stamped with epoch when they are
	 * installed; the sweep takes those at least min_age epochs old.
	 */
	uint8_t epoch;
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
