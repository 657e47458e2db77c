/*
 * session.c: what libpagerd asks for, over a connection of its own
 *
 *	               REQUEST
 *	SESSION_IDLE ----------> SESSION_BUSY
 *	 |        ^                 |      |
 *	 |        +----- REPLY -----+      | nobody is there to reply to,
 *	 | end of file, no REQUEST,        | the daemon stops
 *	 | the daemon stops                v
 *	 +-------------------------> SESSION_END
 *
 * While it is BUSY nobody looks at its socket: the next request waits there,
 * and a client that left is noticed when it is replied to.  So a session never
 * ends before what it has asked for.
 *
 * A session is its process's, which the kernel knows since it connected.  It
 * does not keep a daemon alive, and nothing that it maps depends on it.
 */
#include "session.h"

#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "assert.h"
#include "hub.h"
#include "imagefile.h"
#include "log.h"
#include "packet.h"
#include "planes.h"
#include "roster.h"
#include "settings.h"
#include "snapshots.h"

#define UNDER_WAY 1 /* the reply comes later */

enum session_state {
	SESSION_IDLE,
	SESSION_BUSY,
	SESSION_END,
};

struct session {
	struct mail_library mail; /* first: a mail is a session */
	TAILQ_ENTRY(session) entry;
	struct hub *hub;
	enum session_state state; /* set by enter() */
	int sock;                 /* owned */
	int peer;                 /* pidfd of who connected, owned */
	struct ucred cred;
	uv_poll_t poll;
};

static void on_readable(uv_poll_t *, int, int);

static void
enter(struct session *s, enum session_state state)
{
	ASSERT(s->state != SESSION_END && s->state != state);
	s->state = state;
}

static void
handle_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* => why: NULL if that is how sessions end */
static void
end(struct session *s, const char *why)
{
	if (why != NULL)
		log_info("pid %d, uid %u: session closed: %s", (int)s->cred.pid,
		    s->cred.uid, why);
	else
		log_debug("pid %d: session has ended", (int)s->cred.pid);
	enter(s, SESSION_END);
	TAILQ_REMOVE(&s->hub->sessions, s, entry);
	/* Before its number can be another socket's. */
	uv_close((uv_handle_t *)&s->poll, handle_closed);
	close(s->sock);
	close(s->peer);
}

/* => the session may be gone */
static void
wait_request(struct session *s)
{
	int r = uv_poll_start(&s->poll, UV_READABLE, on_readable);

	if (r < 0)
		end(s, strerror(-r));
}

/* => with the mail's descriptor, if all went well; it is closed here */
static int
send_reply(struct session *s, int result)
{
	struct pagerd_msg_reply *reply = &s->mail.reply;
	int r;

	reply->hdr = (struct pagerd_msg){
		.version = PAGERD_PROTOCOL_VERSION,
		.type = PAGERD_MSG_REPLY,
		.size = sizeof(*reply),
	};
	reply->result = result;
	r = packet_send(s->sock, reply, sizeof(*reply),
	    result == 0 ? s->mail.fd : -1);
	if (s->mail.fd >= 0)
		close(s->mail.fd);
	s->mail.fd = -1;
	return r;
}

/* => what was asked for is done; the session may be gone */
static void
finish(struct session *s, int result)
{
	int r = send_reply(s, result);

	if (r == -EPIPE || r == -ECONNRESET) {
		end(s, NULL);
	} else if (r < 0) {
		end(s, strerror(-r));
	} else if (s->hub->state >= HUB_STOP) {
		end(s, "the daemon is stopping");
	} else {
		enter(s, SESSION_IDLE);
		wait_request(s);
	}
}

static void
answered(struct mail *m)
{
	struct session *s = (struct session *)m;

	hub_answered(s->hub);
	finish(s, m->result);
}

static int
ask(struct session *s, uint64_t space)
{
	int r;

	s->mail.m.op = MAIL_LIBRARY;
	s->mail.m.done = answered;
	s->mail.space = space;
	r = hub_ask(s->hub, &s->mail.m);
	return r < 0 ? r : UNDER_WAY;
}

static void
taken(void *ctx, struct snapshot *snapshot, int result, const char *why)
{
	struct session *s = ctx;

	(void)snapshot;
	if (result < 0)
		log_info("pid %d, uid %u: no snapshot was taken: %s",
		    (int)s->cred.pid, s->cred.uid, why);
	finish(s, result);
}

/* => the session may be gone: it is told at once of what cannot begin */
static int
take(struct session *s, struct roster_space *space)
{
	const char *name = s->mail.request.name;

	if (!group_name_valid(name))
		return -EINVAL;
	if (snapshots_find(s->hub, s->cred.uid, name) != NULL)
		return -EEXIST;
	snapshots_take(s->hub, space, s->cred.uid, name, taken, s);
	return UNDER_WAY;
}

static int
drop(struct session *s)
{
	struct snapshot *snapshot;

	snapshot = snapshots_find(s->hub, s->cred.uid, s->mail.request.name);
	if (snapshot == NULL || snapshot->state != SNAPSHOT_READY)
		return -ENOENT;
	if (snapshot->exports > 0)
		return -EBUSY;
	return snapshots_drop(s->hub, snapshot);
}

/*
 * A clone is another process's memory: only its own user's.  Root may look at
 * every user's snapshots, but has no business in having their contents mapped.
 */
static int
clone_of(struct session *s)
{
	struct snapshot *snapshot;

	snapshot = snapshots_find(s->hub, s->cred.uid, s->mail.request.name);
	if (snapshot == NULL || snapshot->state != SNAPSHOT_READY)
		return -ENOENT;
	if (snapshot->uid != s->cred.uid)
		return -EACCES;
	/* An export still has it, but its holder has ended. */
	if (snapshot->space == 0)
		return -ENOENT;
	s->mail.snapshot = snapshot->space;
	return 0;
}

/* => the file that came with it may be an image; else it is closed, too */
static int
map_file(struct session *s, struct packet *p)
{
	int r;

	if (p->nfds != 1)
		return -EBADF;
	r = imagefile_look(p->fds[0], &s->mail.file);
	if (r == 0)
		p->fds[0] = -1;
	return r;
}

/*
 * => NULL: it is not managed
 * => looked up for each request: its space comes when its agent does, and goes
 *    with exec; what comes after it must not be served in its name
 */
static struct roster_space *
find_space(struct session *s)
{
	struct pollfd pfd = { .fd = s->peer, .events = POLLIN };

	if (poll(&pfd, 1, 0) != 0)
		return NULL;
	return roster_space_by_pid(&s->hub->roster, s->cred.pid);
}

/* => the result, or UNDER_WAY, and then the session may be gone */
static int
carry_out(struct session *s, struct packet *p)
{
	const struct pagerd_msg_request *q = &s->mail.request;
	struct roster_space *space;
	int r = 0;

	if (s->hub->state >= HUB_STOP)
		return -ESHUTDOWN;
	space = find_space(s);
	if (space == NULL)
		return -ESRCH;
	if (memchr(q->name, '\0', sizeof(q->name)) == NULL)
		return -EINVAL;
	switch (q->op) {
	case PAGERD_OP_SNAPSHOT:
		return take(s, space);
	case PAGERD_OP_DROP:
		return drop(s);
	case PAGERD_OP_CLONE:
		r = clone_of(s);
		break;
	case PAGERD_OP_MAP_FILE:
		r = map_file(s, p);
		break;
	}
	if (r < 0)
		return r;
	r = ask(s, space->id);
	if (r < 0 && s->mail.file.fd >= 0)
		close(s->mail.file.fd);
	return r;
}

/* => NULL when all is well, else why not */
static const char *
check(const struct packet *p)
{
	const struct pagerd_msg *hdr = &p->u.hdr;

	if (p->len < sizeof(*hdr) || hdr->size != p->len)
		return "a packet is damaged";
	if (hdr->version != PAGERD_PROTOCOL_VERSION)
		return "it speaks another version of the protocol";
	if (hdr->type != PAGERD_MSG_REQUEST || p->len != sizeof(p->u.request))
		return "a packet is not REQUEST";
	if (p->nfds > (p->u.request.op == PAGERD_OP_MAP_FILE))
		return "a REQUEST came with descriptors";
	return NULL;
}

/* => the session may be gone; the packet's descriptors are */
static void
serve(struct session *s, struct packet *p)
{
	const char *bad = check(p);
	int r;

	if (bad != NULL) {
		packet_close_fds(p);
		end(s, bad);
		return;
	}
	uv_poll_stop(&s->poll);
	enter(s, SESSION_BUSY);
	memset(&s->mail, 0, sizeof(s->mail));
	s->mail.fd = -1;
	s->mail.file.fd = -1;
	s->mail.request = p->u.request;
	r = carry_out(s, p);
	packet_close_fds(p);
	if (r != UNDER_WAY)
		finish(s, r);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct session *s = poll->data;
	struct packet packet;
	int r;

	(void)events;
	r = status < 0 ? status : packet_receive(s->sock, &packet);
	if (r == -EAGAIN)
		return;
	if (r == 1)
		serve(s, &packet);
	else if (r == -EMSGSIZE)
		end(s, "a packet is too long");
	else if (r == 0 || r == -ECONNRESET)
		end(s, NULL);
	else
		end(s, strerror(-r));
}

static struct session *
session_new(struct hub *hub, int sock, const struct ucred *cred)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->hub = hub;
	s->state = SESSION_IDLE;
	s->sock = sock;
	s->cred = *cred;
	s->peer = packet_peer(sock);
	if (s->peer < 0 || uv_poll_init(&hub->loop, &s->poll, sock) < 0) {
		if (s->peer >= 0)
			close(s->peer);
		free(s);
		return NULL;
	}
	s->poll.data = s;
	TAILQ_INSERT_TAIL(&hub->sessions, s, entry);
	return s;
}

void
session_start(struct hub *hub, int sock, const struct ucred *cred,
    struct packet *packet)
{
	struct session *s = session_new(hub, sock, cred);

	if (s == NULL) {
		log_info("pid %d, uid %u: no session: it has ended, or the "
			 "daemon has no memory or descriptors left",
		    (int)cred->pid, cred->uid);
		packet_close_fds(packet);
		close(sock);
		return;
	}
	serve(s, packet);
}

void
session_stop_all(struct hub *hub)
{
	struct session *s, *next;

	TAILQ_FOREACH_SAFE(s, &hub->sessions, entry, next) {
		if (s->state == SESSION_IDLE)
			end(s, "the daemon is stopping");
	}
}
