/*
 * groups.h: making and closing groups
 *
 * => control thread
 */
#ifndef GROUPS_H
#define GROUPS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

struct hub;
struct roster_group;
struct varlink;

struct group_order {
	const char *name; /* NULL: "run-<number>" */
	uid_t uid;
	uint64_t limit_bytes; /* 0: none */
	const char *store;    /* NULL: the default */
	bool ephemeral;
	struct varlink *owner; /* ephemeral: lives at least as long */
	/* Control thread, later; group is NULL if result is not 0. */
	void (*done)(struct roster_group *, int result, void *ctx);
	void *ctx;
};

/*
 * => 0: done() will be called; -EEXIST: the name is taken; -ENOENT: there is
 *    no such store; -errno
 */
int groups_make(struct hub *, const struct group_order *);

/* => 0: done() will be called, -EBUSY: it has spaces; -errno */
int groups_close(struct roster_group *, void (*done)(int result, void *ctx),
    void *ctx);

/* The control connection has ended: its ephemeral groups may end too. */
void groups_orphan(struct hub *, const struct varlink *owner);

/* Closes the group if it is ephemeral, an orphan and without spaces. */
void groups_reap(struct roster_group *);

/* => at the end, when the fault plane has stopped: forgets all of them */
void groups_free_all(struct hub *);

#endif
