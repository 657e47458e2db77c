/*
 * fake-plane.h: what the files of the fake fault plane share
 *
 *	fake-plane.c		the thread, groups, clients, wishes
 *	fake-reports.c		what is asked about them
 *	fake-library.c		memory that programs ask for, and its names
 *	fake-stores.c		backends, and where groups keep what they have
 *	fake-snapshots.c	holders, snapshots, and their clones
 *
 * What answers a mail returns the mail's result.
 */
#ifndef FAKE_PLANE_H
#define FAKE_PLANE_H

#include <sys/types.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pagerd/protocol.h"
#include "planes.h"
#include "stores.h"

#define MAX 512
#define HELD 1 /* no result: the answer comes later */

struct fake_group {
	uint32_t id; /* 0: free */
	uid_t uid;
	uint64_t limit;
	char name[GROUP_NAME_MAX];
	struct gauge gauge;
	uint32_t nspaces;
};

struct fake_space {
	uint64_t id; /* 0: free */
	struct fake_group *group;
	pid_t pid;
	uid_t uid;
	int fds[6], nfds; /* fds[0] is the socket */
	struct gauge gauge;
	struct mail_range ranges[MAX];
	size_t nranges;
	int64_t adopted_pages;
	struct mail_library *held; /* an ADVISE; NULL: none */
	uint64_t origin;           /* it is a clone of that space; 0: none */
	pid_t holder;              /* a child of ours; 0: it is none */
	bool snapshot, forgotten;
};

struct fake_object {
	uid_t uid;
	char name[PAGERD_NAME_BYTES]; /* empty: free */
	uint64_t bytes;
};

struct plane {
	struct planes *planes;
	pthread_t thread;
	struct stack_spec stacks[STORES];
	uint32_t nstacks;
	struct fake_group groups[MAX];
	struct fake_space spaces[MAX];
	struct fake_object objects[MAX];
	uint32_t last_group;
	uint64_t last_space, kicks;
	struct mail_hold *late; /* answered at the end; NULL: none */
	struct mail_stop *stop; /* asked for */
};

/* => or NULL; of id 0: one that is free */
struct fake_group *fake_group_find(struct plane *, uint32_t id);
struct fake_space *fake_space_find(struct plane *, uint64_t id);
/* => or NULL: there is no room */
struct fake_space *fake_space_new(struct plane *, struct fake_group *);
/* => it is free; nobody is told */
void fake_space_drop(struct plane *, struct fake_space *);
/* => told of and free, and so is a snapshot that only waited for it */
void fake_space_gone(struct plane *, struct fake_space *);
void fake_tell(struct plane *, enum notice_kind, struct fake_space *);

int fake_list_groups(struct plane *, struct mail_groups *);
int fake_list_spaces(struct plane *, struct mail_spaces *);
int fake_list_regions(struct plane *, struct mail_regions *);
int fake_list_objects(struct plane *, struct mail_objects *);
int fake_count_usage(struct plane *, struct mail_usage *);
int fake_map_space(struct plane *, struct mail_map *);
int fake_stats(struct plane *, struct mail_stats *);
int fake_check(struct plane *, struct mail_check *);

/* => a page goes to that stack; 0, or -EINVAL: there is no such stack */
int fake_put(struct plane *, uint32_t stack);
int fake_list_stores(struct plane *, struct mail_stores *);
int fake_drain(struct plane *, const struct mail_drain *);

int fake_library(struct plane *, struct mail_library *); /* or HELD */
int fake_unlink_object(struct plane *, const struct mail_unlink *);

int fake_hold(struct plane *, struct mail_hold *); /* or HELD */
int fake_snapshot(struct plane *, struct mail_snapshot *);
int fake_forget(struct plane *, struct mail_snapshot *);

#endif
