/*
 * snapshots.h: the snapshots that there are, and how one is taken
 *
 * A snapshot is a holder (protocol.h): a fork of the process in which nothing
 * runs, and what the debugger's view of it needs besides memory.  It is its
 * process's memory, so it belongs to that process's user.
 *
 * => control thread
 */
#ifndef SNAPSHOTS_H
#define SNAPSHOTS_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "elfcore.h"
#include "planes.h"

struct hub;
struct roster_space;

enum snapshot_state {
	SNAPSHOT_TAKING, /* the name is taken */
	SNAPSHOT_READY,
};

struct snapshot {
	struct mail_snapshot mail; /* first: a mail is a snapshot */
	TAILQ_ENTRY(snapshot) entry;
	enum snapshot_state state;
	char name[GROUP_NAME_MAX];
	uid_t uid;
	char command[32];               /* for people */
	struct elfcore_process process; /* strings owned */
	struct elfcore_thread *threads; /* owned, also their registers */
	size_t nthreads;
	char *auxv; /* owned */
	size_t auxv_len;
	uint64_t taken;    /* seconds since 1970 */
	uint64_t pause_us; /* its threads stood still for so long */
	uint64_t space;    /* the holder's */
	pid_t holder;
	int pidfd;        /* of the holder, owned; -1 */
	uint32_t exports; /* that read from it now */
};

TAILQ_HEAD(snapshot_list, snapshot);

/* => NULL: uid has none of that name; root also finds another user's */
struct snapshot *snapshots_find(struct hub *, uid_t, const char *name);

/*
 * snapshots_take: of a process that has an agent; it will be uid's
 *
 * => done() is called once: 0, or -errno and why in one line (then s is NULL)
 */
typedef void snapshot_done(void *ctx, struct snapshot *, int result,
    const char *why);
void snapshots_take(struct hub *, struct roster_space *, uid_t uid,
    const char *name, snapshot_done *, void *ctx);

/*
 * snapshots_drop: of one that is READY and that nobody exports
 *
 * => 0: its name is free, and its holder ends when the last clone of it has;
 *    -errno: nothing has changed
 */
int snapshots_drop(struct hub *, struct snapshot *);
/* => how many spaces are holders */
uint32_t snapshots_ready(const struct hub *);
/* => an export of it has ended */
void snapshots_put(struct hub *, struct snapshot *);
/* => a space is gone: was it a holder? */
void snapshots_lose(struct hub *, uint64_t space);
/* => the daemon is about to stop, and holders end with it */
void snapshots_drop_all(struct hub *);

#endif
