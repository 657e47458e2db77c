/*
 * varlink.h: control connections, and calls that came over them
 *
 * => control thread
 *
 * A connection answers one call after the other, in the order in which they
 * came; while a call is at work nothing more is read.
 */
#ifndef VARLINK_H
#define VARLINK_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct hub;
struct mail;
struct roster_group;
struct varlink;

/* One call, from its request to its reply. */
struct call {
	struct hub *hub;
	struct varlink *connection; /* outlives the call */
	json_t *request;            /* owned */
	json_t *parameters;         /* an object; the request's, or owned */
	uid_t uid;                  /* who asks */
	pid_t pid;
	bool privileged; /* root, or the daemon's own user */
	bool oneway;     /* no reply is sent */
};

/* => takes over an accepted, connected uv_pipe of hub's loop */
int varlink_accept(struct hub *);
void varlink_close_all(struct hub *);

/*
 * Each call ends with exactly one of these; it is freed, and so is what is
 * handed in.  parameters may be NULL: none.  error without a dot: one of
 * org.pagerd's.
 */
void call_reply(struct call *, json_t *parameters);
void call_error(struct call *, const char *error, json_t *parameters);
void call_invalid(struct call *, const char *parameter);
void call_failed(struct call *, const char *what, int result);
void call_not_permitted(struct call *, const char *reason);

/*
 * call_ask: pass m to the fault plane on behalf of the call
 *
 * => 0: done() will run, and starts with call_answered(); else the call has
 *    ended with an error, and m is the caller's again
 */
int call_ask(struct call *, struct mail *m, void (*done)(struct mail *));
struct call *call_answered(struct mail *);

/* Parameters; types were checked: see cmd.h. */
bool call_has(const struct call *, const char *name); /* and is not null */
const char *call_string(const struct call *, const char *name);
int64_t call_int(const struct call *, const char *name);
bool call_bool(const struct call *, const char *name);

/*
 * call_fd: a descriptor of the caller's, named by its number there
 *
 * => owned by who asks; a regular file that does not append, a block device
 *    or a pipe, open for writing; or -errno
 */
int call_fd(const struct call *, const char *name);

#endif
