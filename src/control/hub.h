/*
 * hub.h: what the parts of the control plane share
 *
 * => control thread
 */
#ifndef HUB_H
#define HUB_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "control.h"
#include "planes.h"
#include "roster.h"
#include "snapshots.h"

struct handshake;
struct session;
struct varlink;

/*
 *	HUB_START --> HUB_SERVE --> HUB_STOP --> HUB_END
 *	     \____________________/^
 *
 * START: groups of the configuration are being made; SERVE: both sockets are
 * open; STOP: the fault plane brings pages home; END: handles are closing.
 */
enum hub_state {
	HUB_START,
	HUB_SERVE,
	HUB_STOP,
	HUB_END,
};

#define HUB_NSIGNALS 3

struct hub {
	const struct control_setup *setup;
	enum hub_state state; /* set by hub_enter() */
	int result;           /* of control_run() */
	struct roster roster;
	uint32_t asked;      /* requests not yet answered */
	uint32_t starting;   /* START: groups still being made */
	uint32_t run_serial; /* of groups without a name */

	uv_loop_t loop;
	uv_poll_t mail_poll;
	uv_poll_t client_poll;   /* accepts clients */
	uv_timer_t client_pause; /* when no descriptors are left */
	uv_pipe_t control_pipe;  /* accepts control connections */
	uv_signal_t signals[HUB_NSIGNALS];
	uv_poll_t alarm_poll;   /* a process has run (watch.c) */
	int alarms;             /* owned; -1: there are none */
	uint64_t alarm_late_ns; /* const after start */
	uv_timer_t watchdog;    /* for the service manager */
	uv_timer_t status;      /* tells it how many there are, not too often */
	uv_timer_t patience;    /* private: for the first control connection */

	TAILQ_HEAD(, handshake) handshakes;
	TAILQ_HEAD(, session) sessions;
	TAILQ_HEAD(, varlink) connections;
	struct snapshot_list snapshots;
	bool first_seen; /* private: the first control connection came */
	bool first_over; /* private: and it has ended */

	struct mail_stop stop;
	bool stopped; /* it was answered */
};

/* => 0, or -ESHUTDOWN while stopping, -ENOBUFS; done() calls hub_answered */
int hub_ask(struct hub *, struct mail *);
void hub_answered(struct hub *);

/* Clean end; why is logged.  Again: nothing. */
void hub_stop(struct hub *, const char *why, int result);

/* A space, handshake, group or connection has come or gone: what follows? */
void hub_settle(struct hub *);

#endif
