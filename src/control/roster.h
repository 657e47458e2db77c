/*
 * roster.h: the groups and spaces that the control plane knows
 *
 * => control thread
 */
#ifndef ROSTER_H
#define ROSTER_H

#include <sys/queue.h>
#include <sys/tree.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "alarm.h"
#include "pace.h"
#include "planes.h"

struct catalog_store;
struct hub;
struct varlink;

struct roster_space {
	RB_ENTRY(roster_space) node;     /* by id */
	TAILQ_ENTRY(roster_space) entry; /* of its group */
	uint64_t id;
	struct roster_group *group;
	pid_t pid;                /* 0: its agent has not come yet */
	pid_t agent;              /* its agent's thread, as it says itself */
	struct gauge *gauge;      /* the fault plane's, until SPACE_GONE */
	int statm, smaps, rollup; /* owned; -1: its agent is to come */
	uint64_t area_start, area_end, anchor_start; /* never adopted */

	/* watch.c */
	struct alarm alarm;    /* for when it runs */
	int64_t anon_pages;    /* last sample */
	int64_t foreign_pages; /* of them, unknown to the model */
	int64_t shared_pages;  /* of them, counted in other spaces too */
	int64_t scanned_pages; /* foreign that the last scan has seen */
	uint32_t unseen;       /* looks in a row that did not count */
	bool scanning;         /* a MAIL_ADOPT is under way */
	bool scan_again;       /* and another one is wanted */
};

enum roster_state {
	ROSTER_NEW, /* MAIL_GROUP_NEW is under way; the name is taken */
	ROSTER_OPEN,
	ROSTER_CLOSING, /* MAIL_GROUP_CLOSE is under way */
};

struct roster_group {
	TAILQ_ENTRY(roster_group) entry;
	enum roster_state state; /* set in groups.c */
	struct hub *hub;
	uint32_t id;
	uid_t uid; /* owner */
	char name[GROUP_NAME_MAX];
	uint8_t token[TOKEN_BYTES];
	uint64_t limit_bytes; /* 0: none */
	const struct catalog_store *store;
	bool ephemeral;
	struct varlink *owner; /* ephemeral: NULL when it has ended */
	struct gauge *gauge;   /* the fault plane's, until closed */
	TAILQ_HEAD(, roster_space) spaces;
	uint32_t nspaces;

	/* watch.c */
	uv_timer_t timer;
	struct pace pace;
	bool adopted;         /* or about to be, for the first time: */
	bool settled;         /* that is over */
	bool forked;          /* spaces may share pages */
	int64_t shared_pages; /* sum over the spaces */
	int64_t last_pages;   /* what pace compares with */
	int64_t seen_gauge;   /* gauge.foreign_pages before it was sampled */
	int64_t seen_foreign; /* at the last sample */
	uint64_t seen_us;
	double rate; /* of foreign memory's growth of late, pages a us */
	uint64_t pss_due_ms; /* not before, uv_now() scale */
	uint64_t pss_backoff;
};

RB_HEAD(roster_tree, roster_space);

struct roster {
	TAILQ_HEAD(, roster_group) groups;
	struct roster_tree spaces;
	uint32_t ngroups, nspaces;
};

void roster_init(struct roster *);

/* => NULL: none; groups that are NEW have no id and no token yet */
struct roster_group *roster_group_by_id(struct roster *, uint32_t id);
struct roster_group *roster_group_by_name(struct roster *, const char *);
struct roster_group *roster_group_by_token(struct roster *,
    const uint8_t token[TOKEN_BYTES]);
struct roster_space *roster_space_by_id(struct roster *, uint64_t id);
/* => the newest: one whose agent has come */
struct roster_space *roster_space_by_pid(struct roster *, pid_t);

/* => the space of this id in the group, made if need be; NULL: no memory */
struct roster_space *roster_space_add(struct roster *, struct roster_group *,
    uint64_t id);
void roster_space_remove(struct roster *, struct roster_space *); /* frees */

void roster_group_add(struct roster *, struct roster_group *);
/* => it has no spaces; the memory stays the caller's */
void roster_group_remove(struct roster *, struct roster_group *);

#endif
