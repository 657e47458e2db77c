/*
 * handshake.c: a client between connect and READY
 *
 *	                               ATTACH_LOOK
 *	                                 +----+
 *	                                 v    |
 *	HS_HELLO --(HELLO is good)--> HS_ATTACH --(taken over)--> HS_END
 *	    |                             |                         ^
 *	    +--- deadline, end of file ---+---- (refused) ----------+
 *	    +--- HELLO is bad: REFUSED --------------------------->-+
 *	    +--- REQUEST: a session (session.c) ------------------>-+
 *
 * In HS_ATTACH the fault plane decides; the descriptors are still ours, and
 * become its own (but smaps and statm) if it says yes.  A client that
 * misbehaves ends its own handshake and nothing else.
 */
#include "handshake.h"

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"
#include "hello.h"
#include "hub.h"
#include "log.h"
#include "packet.h"
#include "procfs.h"
#include "roster.h"
#include "session.h"
#include "settings.h"
#include "smaps.h"
#include "watch.h"

enum handshake_state {
	HS_HELLO,
	HS_ATTACH,
	HS_END,
};

struct handshake {
	struct mail_attach mail; /* first: a mail is a handshake */
	TAILQ_ENTRY(handshake) entry;
	struct hub *hub;
	enum handshake_state state; /* set by enter() */
	int sock;                   /* owned until taken over */
	struct ucred cred;
	struct packet packet; /* owns its descriptors until taken over */
	handshake_done *done; /* a holder's: NULL once told, or a client's */
	void *ctx;
	bool hold;
	struct mail_range *wiped; /* owned */
	size_t nwiped;
	bool wiped_lost; /* there was no memory for one */
	uv_poll_t poll;
	uv_timer_t deadline;
	int nhandles; /* open, of the two above */
	bool polling; /* poll is one of them */
};

static void
handle_closed(uv_handle_t *handle)
{
	struct handshake *h = handle->data;

	h->nhandles--;
	if (h->nhandles > 0 || h->state != HS_END)
		return;
	free(h->wiped);
	free(h);
}

/*
 * => while the socket is still ours: later its number may be another
 *    client's, who would lose the loop's attention in its place
 */
static void
stop_polling(struct handshake *h)
{
	if (h->polling)
		uv_close((uv_handle_t *)&h->poll, handle_closed);
	h->polling = false;
}

/* => s: the holder's space; NULL: it will not come */
static void
tell(struct handshake *h, struct roster_space *s)
{
	handshake_done *done = h->done;

	h->done = NULL;
	if (done != NULL)
		done(h->ctx, s);
}

static void
enter(struct handshake *h, enum handshake_state state)
{
	ASSERT(state > h->state);
	h->state = state;
	if (state != HS_END)
		return;
	tell(h, NULL);
	stop_polling(h);
	packet_close_fds(&h->packet);
	if (h->sock >= 0)
		close(h->sock);
	TAILQ_REMOVE(&h->hub->handshakes, h, entry);
	uv_close((uv_handle_t *)&h->deadline, handle_closed);
	hub_settle(h->hub);
}

static void
refuse(struct handshake *h, const char *reason)
{
	struct pagerd_msg_refused msg = {
		.hdr = {
			.version = PAGERD_PROTOCOL_VERSION,
			.type = PAGERD_MSG_REFUSED,
			.size = sizeof(msg),
		},
	};

	snprintf(msg.reason, sizeof(msg.reason), "%s", reason);
	log_info("pid %d, uid %u: refused: %s", (int)h->cred.pid, h->cred.uid,
	    reason);
	packet_send(h->sock, &msg, sizeof(msg), -1);
	enter(h, HS_END);
}

/* Somebody else has them now. */
static void
hand_over(struct handshake *h)
{
	h->sock = -1;
	h->packet.nfds = 0;
}

/* => NULL: it cannot be watched */
static struct roster_space *
enlist(struct handshake *h)
{
	const struct mail_attach *m = &h->mail;
	struct roster *roster = &h->hub->roster;
	int smaps = h->packet.fds[PAGERD_FD_SMAPS];
	int rollup = h->packet.fds[PAGERD_FD_ROLLUP];
	int statm = h->packet.fds[PAGERD_FD_STATM];
	struct roster_group *g;
	struct roster_space *s = NULL;

	g = roster_group_by_id(roster, m->group_out);
	if (g != NULL)
		s = roster_space_add(roster, g, m->space);
	if (s == NULL || s->statm >= 0) {
		log_warning("pid %d: cannot be watched: %s", (int)m->pid,
		    g == NULL   ? "its group is unknown"
		    : s != NULL ? "its space has come twice"
				: "out of memory");
		close(smaps);
		close(rollup);
		close(statm);
		return NULL;
	}
	s->pid = m->pid;
	s->agent = (pid_t)h->packet.u.hello.agent_tid;
	s->gauge = m->gauge;
	s->smaps = smaps;
	s->rollup = rollup;
	s->statm = statm;
	s->area_start = m->area_start;
	s->area_end = m->area_start + m->area_len;
	s->anchor_start = m->anchor_start;
	g->forked = g->forked || m->fork;
	log_debug("group %s: pid %d joined", g->name, (int)m->pid);
	watch_joined(g);
	return s;
}

static void
add_wiped(const struct smaps_vma *v, void *ctx)
{
	struct handshake *h = ctx;
	struct mail_range *more;

	if (!v->wiped)
		return;
	more = reallocarray(h->wiped, h->nwiped + 1, sizeof(*more));
	if (more == NULL) {
		h->wiped_lost = true;
		return;
	}
	h->wiped = more;
	h->wiped[h->nwiped++] = (struct mail_range){ v->start, v->end };
}

/*
 * What the fault plane has of its parent is not all there in a child.
 *
 * => false: who knows
 */
static bool
find_wiped(struct handshake *h)
{
	int r = smaps_read(h->packet.fds[PAGERD_FD_SMAPS], add_wiped, h);

	if (r < 0 || h->wiped_lost)
		return false;
	h->mail.wiped = h->wiped;
	h->mail.nwiped = h->nwiped;
	h->mail.looked = true;
	return true;
}

static void
ask(struct handshake *h)
{
	if (hub_ask(h->hub, &h->mail.m) < 0)
		refuse(h, "the daemon is stopping or overloaded: try again");
}

static void
attached(struct mail *m)
{
	struct handshake *h = (struct handshake *)m;

	hub_answered(h->hub);
	if (m->result == ATTACH_LOOK) {
		if (find_wiped(h))
			ask(h);
		else
			refuse(h, "its memory map cannot be read");
		return;
	}
	if (m->result < 0) {
		h->mail.reason[sizeof(h->mail.reason) - 1] = '\0';
		refuse(h, h->mail.reason[0] != '\0' ? h->mail.reason
						    : strerror(-m->result));
		return;
	}
	tell(h, enlist(h));
	hand_over(h);
	enter(h, HS_END);
}

static void
fill_mail(struct handshake *h, uint32_t group)
{
	const struct pagerd_msg_hello *hello = &h->packet.u.hello;
	const int *fds = h->packet.fds;
	struct mail_attach *m = &h->mail;

	m->m.op = MAIL_ATTACH;
	m->m.done = attached;
	m->group = group;
	m->pid = h->cred.pid;
	m->agent = (pid_t)h->packet.u.hello.agent_tid;
	m->uid = h->cred.uid;
	m->fork = hello->kind != PAGERD_HELLO_EXEC;
	m->fork_space = hello->space_id;
	memcpy(m->fork_token, hello->space_token, sizeof(m->fork_token));
	m->area_start = hello->area_start;
	m->area_len = hello->area_len;
	m->stage_start = hello->stage_start;
	m->anchor_start = hello->anchor_start;
	m->sock = h->sock;
	m->uffd_main = m->fork ? -1 : fds[PAGERD_FD_MAIN];
	m->mem = fds[PAGERD_FD_MEM];
	m->pagemap = fds[PAGERD_FD_PAGEMAP];
	m->maps = fds[PAGERD_FD_MAPS];
}

/*
 * A holder has neither said who it is when it connected, nor may it open
 * files: its packet's credentials tell, and we open them for it.
 *
 * => NULL when all is well, else why not
 */
static const char *
identify(struct handshake *h)
{
	struct packet *p = &h->packet;
	struct pollfd pfd = { .fd = h->sock };
	int off = 0;

	h->cred = p->cred;
	(void)setsockopt(h->sock, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	if (h->cred.pid == 0 ||
	    procfs_open_all(h->cred.pid, &p->fds[PAGERD_FD_MEM]) < 0)
		return "its files in /proc cannot be opened";
	p->nfds = PAGERD_FDS_FORK;
	/* Still connected: so the pid was its own all the time. */
	if (poll(&pfd, 1, 0) != 0)
		return "it has ended";
	return NULL;
}

static void
attach(struct handshake *h)
{
	const struct pagerd_msg_hello *hello = &h->packet.u.hello;
	struct roster_group *g = NULL;
	const char *bad;

	bad = hello_check(&h->packet, h->hold);
	if (bad == NULL && h->hold)
		bad = identify(h);
	if (bad == NULL)
		bad = hello_check_fds(&h->packet);
	if (bad == NULL && hello->kind == PAGERD_HELLO_EXEC) {
		g = roster_group_by_token(&h->hub->roster, hello->group_token);
		if (g == NULL)
			bad = "there is no such group: PAGERD_GROUP is not "
			      "(any more) a token of this daemon";
	}
	if (bad != NULL) {
		refuse(h, bad);
		return;
	}
	fill_mail(h, g != NULL ? g->id : 0);
	stop_polling(h);
	uv_timer_stop(&h->deadline);
	enter(h, HS_ATTACH);
	ask(h);
}

static bool
is_session(const struct handshake *h)
{
	return !h->hold && h->packet.len >= sizeof(h->packet.u.hdr) &&
	       h->packet.u.hdr.type == PAGERD_MSG_REQUEST;
}

/* Nobody else may watch or close its socket when the session begins. */
static void
become_session(struct handshake *h)
{
	struct packet packet = h->packet;
	int sock = h->sock;

	stop_polling(h);
	hand_over(h);
	enter(h, HS_END);
	session_start(h->hub, sock, &h->cred, &packet);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct handshake *h = poll->data;
	int r;

	(void)events;
	if (h->state != HS_HELLO)
		return;
	r = status < 0 ? status : packet_receive(h->sock, &h->packet);
	if (r == -EAGAIN)
		return;
	if (r == 1 && is_session(h)) {
		become_session(h);
	} else if (r == 1) {
		attach(h);
	} else if (r == -EMSGSIZE) {
		refuse(h, "the first packet is too long");
	} else if (r == -ENOBUFS) {
		refuse(h, "the daemon has no descriptors left: raise "
			  "LimitNOFILE");
	} else {
		log_debug("pid %d: left before HELLO", (int)h->cred.pid);
		enter(h, HS_END);
	}
}

static void
on_deadline(uv_timer_t *timer)
{
	struct handshake *h = timer->data;

	if (h->state == HS_HELLO)
		refuse(h, "no HELLO came in time");
}

static int
welcome(struct handshake *h)
{
	const struct pagerd_msg_welcome msg = {
		.hdr = {
			.version = PAGERD_PROTOCOL_VERSION,
			.type = PAGERD_MSG_WELCOME,
			.size = sizeof(msg),
		},
	};
	socklen_t len = sizeof(h->cred);

	if (getsockopt(h->sock, SOL_SOCKET, SO_PEERCRED, &h->cred, &len) < 0)
		return -errno;
	return packet_send(h->sock, &msg, sizeof(msg), h->hub->setup->device);
}

static struct handshake *
handshake_new(struct hub *hub, int sock)
{
	struct handshake *h;

	h = calloc(1, sizeof(*h));
	if (h == NULL || uv_poll_init(&hub->loop, &h->poll, sock) < 0) {
		log_warning("a client was dropped: out of memory");
		free(h);
		close(sock);
		return NULL;
	}
	uv_timer_init(&hub->loop, &h->deadline);
	h->hub = hub;
	h->state = HS_HELLO;
	h->sock = sock;
	h->nhandles = 2;
	h->polling = true;
	h->poll.data = h->deadline.data = h;
	TAILQ_INSERT_TAIL(&hub->handshakes, h, entry);
	return h;
}

static void
wait_hello(struct handshake *h)
{
	if (uv_poll_start(&h->poll, UV_READABLE, on_readable) < 0) {
		enter(h, HS_END);
		return;
	}
	uv_timer_start(&h->deadline, on_deadline,
	    h->hub->setup->settings->client_timeout_ms, 0);
}

void
handshake_start(struct hub *hub, int sock)
{
	struct handshake *h = handshake_new(hub, sock);

	if (h == NULL)
		return;
	if (welcome(h) < 0)
		enter(h, HS_END);
	else
		wait_hello(h);
}

void
handshake_hold(struct hub *hub, int sock, handshake_done *done, void *ctx)
{
	struct handshake *h = handshake_new(hub, sock);

	if (h == NULL) {
		done(ctx, NULL);
		return;
	}
	h->hold = true;
	h->done = done;
	h->ctx = ctx;
	wait_hello(h);
}

void
handshake_drop_all(struct hub *hub)
{
	struct handshake *h, *next;

	TAILQ_FOREACH_SAFE(h, &hub->handshakes, entry, next) {
		if (h->state == HS_HELLO)
			refuse(h, "the daemon is stopping");
	}
}
