/*
 * control.c: the control plane: start, loop, end
 *
 * Everything here runs on one thread and one libuv loop.  The loop ends when
 * the last handle is closed, so nothing that was opened can be forgotten.
 */
#include "control.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"
#include "groups.h"
#include "handshake.h"
#include "hub.h"
#include "listen.h"
#include "log.h"
#include "notices.h"
#include "notify.h"
#include "planes.h"
#include "session.h"
#include "settings.h"
#include "varlink.h"
#include "watch.h"

#define ACCEPT_BATCH 64
#define ACCEPT_PAUSE_MS 100
#define STATUS_MS 200
#define BACKLOG 4096

static const int stop_signals[HUB_NSIGNALS] = { SIGTERM, SIGINT, SIGHUP };

static void
hub_enter(struct hub *hub, enum hub_state state)
{
	ASSERT(state > hub->state);
	hub->state = state;
}

int
hub_ask(struct hub *hub, struct mail *m)
{
	int r;

	if (hub->state >= HUB_STOP && m->op != MAIL_STOP)
		return -ESHUTDOWN;
	r = planes_ask(hub->setup->planes, m);
	if (r == 0)
		hub->asked++;
	return r;
}

void
hub_answered(struct hub *hub)
{
	ASSERT(hub->asked > 0);
	hub->asked--;
}

static void
close_handle(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void
on_stopped(struct mail *m)
{
	struct hub *hub = m->ctx;
	const struct mail_stop *s = &hub->stop;

	hub_answered(hub);
	hub->stopped = true;
	if (m->result < 0 || s->lost_pages > 0) {
		log_error("%" PRIu64 " pages of %" PRIu32 " processes could "
			  "not be brought home, %" PRIu64 " were: %s",
		    s->lost_pages, s->nlost_spaces, s->home_pages,
		    m->result < 0 ? strerror(-m->result)
				  : "there was no memory for them");
		hub->result = m->result < 0 ? m->result : -ENOMEM;
		return;
	}
	log_info("stopped: %" PRIu64 " pages were brought home", s->home_pages);
}

void
hub_stop(struct hub *hub, const char *why, int result)
{
	int r;

	if (hub->state >= HUB_STOP)
		return;
	log_info("stopping: %s", why);
	notify_stopping();
	/* The last that may be asked for before the end. */
	snapshots_drop_all(hub);
	hub_enter(hub, HUB_STOP);
	hub->result = result;
	close_handle(&hub->client_poll);
	close_handle(&hub->client_pause);
	close_handle(&hub->control_pipe);
	listeners_stop(hub->setup->listeners);
	handshake_drop_all(hub);
	session_stop_all(hub);
	watch_stop(hub);
	hub->stop.m.op = MAIL_STOP;
	hub->stop.m.done = on_stopped;
	hub->stop.m.ctx = hub;
	r = hub_ask(hub, &hub->stop.m);
	/* There is always room for this one. */
	ASSERT(r == 0);
}

/* Every request is answered: nobody refers to anything any more. */
static void
end(struct hub *hub)
{
	size_t i;

	hub_enter(hub, HUB_END);
	varlink_close_all(hub);
	groups_free_all(hub);
	watch_end(hub);
	close_handle(&hub->mail_poll);
	close_handle(&hub->watchdog);
	close_handle(&hub->status);
	close_handle(&hub->patience);
	for (i = 0; i < HUB_NSIGNALS; i++)
		close_handle(&hub->signals[i]);
}

/* What is waited for last may be a worker, and no mail. */
static void
end_if_over(struct hub *hub)
{
	if (hub->state == HUB_STOP && hub->stopped && hub->asked == 0)
		end(hub);
}

void
hub_settle(struct hub *hub)
{
	end_if_over(hub);
	if (hub->state != HUB_SERVE)
		return;
	if (!uv_is_active((uv_handle_t *)&hub->status))
		uv_timer_again(&hub->status);
	if (hub->first_over && hub->roster.nspaces == snapshots_ready(hub) &&
	    TAILQ_EMPTY(&hub->handshakes))
		hub_stop(hub, "the command has ended", 0);
}

static void
on_status(uv_timer_t *timer)
{
	struct hub *hub = timer->data;
	char text[64];

	uv_timer_stop(timer);
	snprintf(text, sizeof(text),
	    "%" PRIu32 " groups, %" PRIu32 " processes", hub->roster.ngroups,
	    hub->roster.nspaces);
	notify_status(text);
}

static void
on_mail(uv_poll_t *poll, int status, int events)
{
	struct hub *hub = poll->data;

	(void)status;
	(void)events;
	planes_control_dispatch(hub->setup->planes, notices_take, hub);
	end_if_over(hub);
}

static void
on_signal(uv_signal_t *handle, int signum)
{
	struct hub *hub = handle->data;

	if (hub->state >= HUB_STOP) {
		log_info("%s again: still bringing pages home",
		    strsignal(signum));
		return;
	}
	hub_stop(hub, strsignal(signum), 0);
}

static void
on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	notify_alive();
}

/* A private daemon whose maker died before it connected serves nobody. */
static void
on_patience(uv_timer_t *timer)
{
	struct hub *hub = timer->data;

	if (hub->first_seen)
		return;
	hub->first_over = true;
	hub_settle(hub);
}

static void on_pause_over(uv_timer_t *);

static void
on_client(uv_poll_t *poll, int status, int events)
{
	struct hub *hub = poll->data;
	int i, sock;

	(void)status;
	(void)events;
	for (i = 0; i < ACCEPT_BATCH; i++) {
		sock = accept4(hub->setup->listeners->client, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (sock >= 0) {
			handshake_start(hub, sock);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN) {
			log_warning("cannot accept a client: %s",
			    strerror(errno));
			uv_poll_stop(poll);
			uv_timer_start(&hub->client_pause, on_pause_over,
			    ACCEPT_PAUSE_MS, 0);
		}
		return;
	}
}

static void
on_pause_over(uv_timer_t *timer)
{
	struct hub *hub = timer->data;

	uv_poll_start(&hub->client_poll, UV_READABLE, on_client);
}

static void
on_control(uv_stream_t *stream, int status)
{
	struct hub *hub = stream->data;
	int r = status;

	if (r == 0)
		r = varlink_accept(hub);
	if (r < 0)
		log_warning("cannot accept a control connection: %s",
		    strerror(-r));
}

static int
listen_both(struct hub *hub)
{
	const struct listeners *l = hub->setup->listeners;
	int fd, r;

	r = uv_poll_start(&hub->client_poll, UV_READABLE, on_client);
	if (r < 0)
		return r;
	/* libuv wants one of its own to close. */
	fd = fcntl(l->control, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = uv_pipe_open(&hub->control_pipe, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return uv_listen((uv_stream_t *)&hub->control_pipe, BACKLOG,
	    on_control);
}

static void
serve(struct hub *hub)
{
	const struct settings *s = hub->setup->settings;
	int r;

	r = listen_both(hub);
	if (r < 0) {
		log_error("cannot listen: %s", strerror(-r));
		hub_stop(hub, "it cannot serve", r);
		return;
	}
	hub_enter(hub, HUB_SERVE);
	if (s->private)
		uv_timer_start(&hub->patience, on_patience,
		    s->client_timeout_ms, 0);
	log_info("ready: clients at %s, control at %s",
	    hub->setup->listeners->client_path,
	    hub->setup->listeners->control_path);
	notify_ready();
	hub_settle(hub);
}

static void
group_started(struct roster_group *g, int result, void *ctx)
{
	struct hub *hub = ctx;

	(void)g;
	hub->starting--;
	if (hub->state != HUB_START)
		return;
	if (result < 0) {
		log_error("a group of the configuration cannot be made: %s",
		    strerror(-result));
		hub_stop(hub, "its configuration cannot be met", result);
	} else if (hub->starting == 0) {
		serve(hub);
	}
}

static int
start_groups(struct hub *hub)
{
	const struct group_setting *g;
	int r;

	TAILQ_FOREACH(g, &hub->setup->settings->groups, entry) {
		r = groups_make(hub,
		    &(struct group_order){ .name = g->name,
			.uid = g->uid,
			.limit_bytes = g->limit_bytes,
			.store = g->store[0] != '\0' ? g->store : NULL,
			.done = group_started,
			.ctx = hub });
		if (r < 0)
			return r;
		hub->starting++;
	}
	if (hub->starting == 0)
		serve(hub);
	return 0;
}

static void
init_timers(struct hub *hub)
{
	uv_timer_t *const timers[] = { &hub->client_pause, &hub->watchdog,
		&hub->status, &hub->patience };
	uint64_t watchdog_ms = notify_watchdog_ms();
	size_t i;

	for (i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
		uv_timer_init(&hub->loop, timers[i]);
		timers[i]->data = hub;
	}
	uv_timer_start(&hub->status, on_status, STATUS_MS, STATUS_MS);
	if (watchdog_ms > 0)
		uv_timer_start(&hub->watchdog, on_watchdog, 0, watchdog_ms);
}

/*
 * The loop and its view of the mailbox: without them nothing could even be
 * stopped, and no client has come yet, so a failure ends the process.
 */
static void
init_loop(struct hub *hub)
{
	const struct control_setup *setup = hub->setup;
	size_t i;
	int r;

	r = uv_loop_init(&hub->loop);
	ASSERT(r == 0);
	r = uv_poll_init(&hub->loop, &hub->mail_poll,
	    planes_control_fd(setup->planes));
	ASSERT(r == 0);
	hub->mail_poll.data = hub;
	r = uv_poll_start(&hub->mail_poll, UV_READABLE, on_mail);
	ASSERT(r == 0);
	r = uv_poll_init(&hub->loop, &hub->client_poll,
	    setup->listeners->client);
	ASSERT(r == 0);
	hub->client_poll.data = hub;
	uv_pipe_init(&hub->loop, &hub->control_pipe, 0);
	hub->control_pipe.data = hub;
	for (i = 0; i < HUB_NSIGNALS; i++) {
		uv_signal_init(&hub->loop, &hub->signals[i]);
		hub->signals[i].data = hub;
	}
}

static int
start(struct hub *hub)
{
	size_t i;
	int r = 0;

	for (i = 0; i < HUB_NSIGNALS && r == 0; i++)
		r = uv_signal_start(&hub->signals[i], on_signal,
		    stop_signals[i]);
	if (r == 0)
		r = start_groups(hub);
	return r;
}

int
control_run(const struct control_setup *setup)
{
	static struct hub hub; /* too large for a stack */
	int r;

	memset(&hub, 0, sizeof(hub));
	hub.setup = setup;
	roster_init(&hub.roster);
	TAILQ_INIT(&hub.handshakes);
	TAILQ_INIT(&hub.sessions);
	TAILQ_INIT(&hub.connections);
	TAILQ_INIT(&hub.snapshots);
	signal(SIGPIPE, SIG_IGN);
	init_loop(&hub);
	init_timers(&hub);
	watch_start(&hub);
	r = start(&hub);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		hub_stop(&hub, "it cannot start", r);
	}
	uv_run(&hub.loop, UV_RUN_DEFAULT);
	r = uv_loop_close(&hub.loop);
	ASSERT(r == 0);
	return hub.result;
}
