/*
 * snapshots.c: the snapshots that there are, and how one is taken
 *
 *	freeze (worker) --> MAIL_HOLD --> thaw --> HELLO of the holder
 *	                                                   |
 *	            gone <-- MAIL_FORGET <-- READY <-- MAIL_SNAPSHOT
 *
 * The program's threads stand still from the first to the third step: as long
 * as the kernel takes to fork.
 *
 * From MAIL_SNAPSHOT on clones may need the holder, and only the fault plane
 * knows of them.  So a snapshot that is dropped has no name any more, but its
 * holder is the fault plane's to end, when no clone comes from it.  Here it is
 * killed only if it never was a snapshot that anybody could ask for, or if the
 * fault plane does not know it.  A holder that ends by itself takes the
 * snapshot with it: its space is gone then, there is nothing left to forget.
 */
#include "snapshots.h"

#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "assert.h"
#include "cmd.h"
#include "freeze.h"
#include "handshake.h"
#include "hub.h"
#include "log.h"
#include "procfs.h"
#include "roster.h"

#define FREEZE_US 2000000u

struct taking {
	struct mail_hold mail; /* first: a mail is a taking */
	uv_work_t work;
	struct hub *hub;
	struct snapshot *s;
	pid_t agent;
	int ours, theirs; /* the holder's connection, owned; -1 */
	struct freeze *freeze;
	uint64_t frozen_ns;
	int result;
	snapshot_done *done;
	void *ctx;
};

static void
snapshots_free(struct snapshot *s)
{
	for (size_t i = 0; i < s->nthreads; i++) {
		free((void *)s->threads[i].general.bytes);
		free((void *)s->threads[i].fp.bytes);
		free((void *)s->threads[i].xstate.bytes);
	}
	free(s->threads);
	free((char *)s->process.comm);
	free((char *)s->process.args);
	free(s->auxv);
	if (s->pidfd >= 0)
		close(s->pidfd);
	free(s);
}

struct snapshot *
snapshots_find(struct hub *hub, uid_t uid, const char *name)
{
	struct snapshot *s, *other = NULL;

	TAILQ_FOREACH(s, &hub->snapshots, entry) {
		if (strcmp(s->name, name) != 0)
			continue;
		if (s->uid == uid)
			return s;
		other = s;
	}
	return uid == 0 ? other : NULL;
}

static const char *
explain(int result)
{
	switch (result) {
	case -ESRCH:
		return "the process has ended, or is another program now";
	case -EPERM:
		return "pagerd may not stop its threads: it needs "
		       "CAP_SYS_PTRACE";
	case -EBUSY:
		return "a debugger traces it, or another snapshot is being "
		       "taken: try again when that has ended";
	case -ETIMEDOUT:
		return "its threads could not be stopped in time, or it is "
		       "stopped: try again";
	case -EOPNOTSUPP:
		return "it has no agent (a child made by a raw clone)";
	case -EAGAIN:
		return "it cannot fork once more, or has too many snapshots: "
		       "drop some";
	case -ESHUTDOWN:
		return "the daemon is stopping";
	case -ENOSPC:
		return "the daemon has no room for one more: drop some";
	case -ECONNRESET:
		return "the process that was to hold it has ended";
	default:
		return strerror(-result);
	}
}

/* => nothing is lost by it: no clone comes from it */
static void
end_holder(const struct snapshot *s)
{
	if (s->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL,
		    0);
}

static int
ask(struct hub *hub, struct snapshot *s, enum mail_op op,
    void (*done)(struct mail *), void *ctx)
{
	s->mail.m.op = op;
	s->mail.m.done = done;
	s->mail.m.ctx = ctx;
	s->mail.space = s->space;
	return hub_ask(hub, &s->mail.m);
}

static void
taken(struct taking *t, int result)
{
	struct snapshot *s = t->s;

	freeze_end(t->freeze);
	if (t->ours >= 0)
		close(t->ours);
	if (t->theirs >= 0)
		close(t->theirs);
	if (result < 0) {
		end_holder(s);
		TAILQ_REMOVE(&t->hub->snapshots, s, entry);
		snapshots_free(s);
		s = NULL;
	}
	t->done(t->ctx, s, result, explain(result));
	hub_settle(t->hub);
	free(t);
}

/*
 * The holder may have ended while the fault plane looked at it.  And when the
 * daemon stops nobody drops what becomes READY then.
 */
static void
kept(struct mail *m)
{
	struct taking *t = m->ctx;
	struct snapshot *s = t->s;
	int r = m->result;

	hub_answered(t->hub);
	if (r == 0 && roster_space_by_id(&t->hub->roster, s->space) == NULL)
		r = -ECONNRESET;
	if (r == 0 && t->hub->state >= HUB_STOP)
		r = -ESHUTDOWN;
	if (r == 0) {
		s->state = SNAPSHOT_READY;
		log_info("snapshot %s: taken of pid %d in %" PRIu64
			 " us, held by pid %d",
		    s->name, (int)s->process.pid, s->pause_us, (int)s->holder);
	}
	taken(t, r);
}

static void
holder_came(void *ctx, struct roster_space *space)
{
	struct taking *t = ctx;
	struct snapshot *s = t->s;
	int r;

	if (space == NULL) {
		taken(t, -ECONNRESET);
		return;
	}
	s->space = space->id;
	s->holder = space->pid;
	s->pidfd = (int)syscall(SYS_pidfd_open, space->pid, 0);
	r = s->pidfd < 0 ? -errno : ask(t->hub, s, MAIL_SNAPSHOT, kept, t);
	if (r < 0)
		taken(t, r);
}

/*
 * When the daemon stops nobody waits for the holder: the fault plane may not
 * serve it any more, and it ends with its connection.
 */
static void
held(struct mail *m)
{
	struct taking *t = (struct taking *)m;
	int sock = t->ours, r = m->result;

	hub_answered(t->hub);
	freeze_end(t->freeze);
	t->freeze = NULL;
	t->s->pause_us = (uv_hrtime() - t->frozen_ns) / 1000;
	if (r == 0 && t->hub->state >= HUB_STOP)
		r = -ESHUTDOWN;
	if (r < 0) {
		taken(t, r);
		return;
	}
	close(t->theirs);
	t->ours = t->theirs = -1;
	handshake_hold(t->hub, sock, holder_came, t);
}

static int
copy_regset(struct elfcore_regset *to)
{
	void *bytes;

	if (to->len == 0)
		return 0;
	bytes = malloc(to->len);
	if (bytes != NULL)
		memcpy(bytes, to->bytes, to->len);
	to->bytes = bytes;
	return bytes == NULL ? -ENOMEM : 0;
}

/* => its threads as they stand; the main thread first */
static int
copy_threads(struct snapshot *s, const struct freeze *f)
{
	const struct elfcore_thread *from = freeze_threads(f, &s->nthreads);
	int r = 0;

	s->threads = calloc(s->nthreads, sizeof(*s->threads));
	if (s->threads == NULL) {
		s->nthreads = 0;
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->nthreads; i++) {
		struct elfcore_thread *t = &s->threads[i];

		*t = from[i];
		if (copy_regset(&t->general) < 0 || copy_regset(&t->fp) < 0 ||
		    copy_regset(&t->xstate) < 0)
			r = -ENOMEM;
	}
	return r;
}

/* => who it is, for a debugger: what is missing is left empty */
static void
describe(struct snapshot *s)
{
	char *stat, *args;
	size_t len;

	s->process.comm = procfs_read(s->process.pid, "comm", &len);
	if (s->process.comm != NULL)
		((char *)s->process.comm)[strcspn(s->process.comm, "\n")] =
		    '\0';
	args = procfs_read(s->process.pid, "cmdline", &len);
	for (size_t i = 0; args != NULL && i + 1 < len; i++)
		if (args[i] == '\0')
			args[i] = ' ';
	s->process.args = args;
	s->auxv = procfs_read(s->process.pid, "auxv", &s->auxv_len);
	stat = procfs_read(s->process.pid, "stat", &len);
	if (stat != NULL && strrchr(stat, ')') != NULL)
		(void)sscanf(strrchr(stat, ')'), ") %*c %d %d %d",
		    &s->process.ppid, &s->process.pgrp, &s->process.sid);
	free(stat);
}

/* In a worker: it waits until every thread stands still. */
static void
freeze(uv_work_t *work)
{
	struct taking *t = work->data;

	t->frozen_ns = uv_hrtime();
	t->result =
	    freeze_begin(t->s->process.pid, t->agent, FREEZE_US, &t->freeze);
}

static void
frozen(uv_work_t *work, int status)
{
	struct taking *t = work->data;
	int r = status < 0 ? status : t->result;

	hub_answered(t->hub);
	if (r == 0)
		r = copy_threads(t->s, t->freeze);
	if (r == 0)
		r = hub_ask(t->hub, &t->mail.m);
	if (r < 0)
		taken(t, r);
}

static int
connect_holder(struct taking *t)
{
	int fds[2], on = 1;

	/* The holder waits on its end; nobody here waits on ours. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	t->ours = fds[0];
	t->theirs = fds[1];
	if (setsockopt(t->ours, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	t->mail.sock = t->theirs;
	return 0;
}

static struct snapshot *
snapshots_new(struct hub *hub, const struct roster_space *space, uid_t uid,
    const char *name)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->state = SNAPSHOT_TAKING;
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->uid = uid;
	s->process.pid = space->pid;
	s->process.uid = s->uid;
	s->taken = (uint64_t)time(NULL);
	s->pidfd = -1;
	TAILQ_INSERT_TAIL(&hub->snapshots, s, entry);
	return s;
}

void
snapshots_take(struct hub *hub, struct roster_space *space, uid_t uid,
    const char *name, snapshot_done *done, void *ctx)
{
	struct taking *t = calloc(1, sizeof(*t));
	int r;

	if (t == NULL ||
	    (t->s = snapshots_new(hub, space, uid, name)) == NULL) {
		free(t);
		done(ctx, NULL, -ENOMEM, explain(-ENOMEM));
		return;
	}
	t->hub = hub;
	t->agent = space->agent;
	t->ours = t->theirs = -1;
	t->done = done;
	t->ctx = ctx;
	t->mail.m.op = MAIL_HOLD;
	t->mail.m.done = held;
	t->mail.space = space->id;
	t->work.data = t;
	describe(t->s);
	cmd_read_command(t->s->process.pid, t->s->command,
	    sizeof(t->s->command));
	r = connect_holder(t);
	if (r == 0)
		r = uv_queue_work(&hub->loop, &t->work, freeze, frozen);
	if (r < 0)
		taken(t, r);
	else
		hub->asked++;
}

static void
forgotten(struct mail *m)
{
	struct snapshot *s = (struct snapshot *)m;

	hub_answered(m->ctx);
	if (m->result < 0)
		end_holder(s);
	snapshots_free(s);
}

int
snapshots_drop(struct hub *hub, struct snapshot *s)
{
	int r;

	ASSERT(s->state == SNAPSHOT_READY && s->exports == 0);
	r = ask(hub, s, MAIL_FORGET, forgotten, hub);
	if (r < 0)
		return r;
	log_info("snapshot %s: dropped", s->name);
	/* The name is free; it is forgotten()'s. */
	TAILQ_REMOVE(&hub->snapshots, s, entry);
	return 0;
}

void
snapshots_lose(struct hub *hub, uint64_t space)
{
	struct snapshot *s, *next;

	TAILQ_FOREACH_SAFE(s, &hub->snapshots, entry, next) {
		if (s->state != SNAPSHOT_READY || s->space != space)
			continue;
		log_warning("snapshot %s is lost: pid %d, which held it, has "
			    "ended",
		    s->name, (int)s->holder);
		/* An export in progress lets it go. */
		s->space = 0;
		s->exports++;
		snapshots_put(hub, s);
	}
}

void
snapshots_put(struct hub *hub, struct snapshot *s)
{
	s->exports--;
	if (s->exports > 0 || (s->space != 0 && hub->state < HUB_STOP))
		return;
	TAILQ_REMOVE(&hub->snapshots, s, entry);
	snapshots_free(s);
}

uint32_t
snapshots_ready(const struct hub *hub)
{
	const struct snapshot *s;
	uint32_t n = 0;

	TAILQ_FOREACH(s, &hub->snapshots, entry)
		n += s->state == SNAPSHOT_READY && s->space != 0;
	return n;
}

/*
 * Before MAIL_STOP, so that nothing is brought home into holders that no clone
 * needs.  Those that some do need, that are exported, or that could not be
 * asked for are brought home and let go like any other process.
 */
void
snapshots_drop_all(struct hub *hub)
{
	struct snapshot *s, *next;

	TAILQ_FOREACH_SAFE(s, &hub->snapshots, entry, next) {
		if (s->state != SNAPSHOT_READY || s->exports > 0)
			continue;
		if (snapshots_drop(hub, s) < 0) {
			TAILQ_REMOVE(&hub->snapshots, s, entry);
			snapshots_free(s);
		}
	}
}
