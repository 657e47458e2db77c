/*
 * cmd.h: the methods of the control interface
 *
 * One command a file, one line each in cmd_list[].  A command's run() is
 * called with parameters that have the types its table says, and ends the
 * call now or later.
 *
 * => control thread
 */
#ifndef CMD_H
#define CMD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define CMD_INTERFACE "org.pagerd"
#define CMD_SERVICE "org.varlink.service"

struct call;
struct group_info;
struct roster_group;
struct roster_space;
struct snapshot;
struct space_info;
struct usage_info;

enum cmd_type {
	CMD_STRING,
	CMD_SIZE, /* an integer, not negative */
	CMD_BOOL,
};

struct cmd_param {
	const char *name; /* NULL ends the list */
	enum cmd_type type;
	bool optional; /* may be absent, or null */
};

#define CMD_PARAMS_MAX 4

struct cmd {
	const char *interface;
	const char *name;
	struct cmd_param params[CMD_PARAMS_MAX];
	/* Control thread; ends the call, now or later. */
	void (*run)(struct call *);
};

extern const struct cmd *const cmd_list[]; /* NULL ends it */

/* => ends the call, now or later */
void cmd_run(struct call *, const char *method);

/* => may whoever calls see and steer what belongs to the group? */
bool cmd_may(const struct call *, const struct roster_group *);

/* => the group, or the space of the pid, that a parameter names; NULL: the
 *    call has ended with an error */
struct roster_group *cmd_group(struct call *, const char *param);
struct roster_space *cmd_space(struct call *, const char *param);

/* => LimitTooSmall has ended the call unless this is true */
bool cmd_limit_ok(struct call *, uint64_t limit_bytes);

/* => ends the call; there (taken over) is what stores there are */
void cmd_no_store(struct call *, const char *name, json_t *there);

/* => the same, of a snapshot of the caller's */
struct snapshot *cmd_snapshot(struct call *, const char *param);

/* JSON is UTF-8, a command's name is any bytes: others become '?'. */
void cmd_read_command(pid_t, char *buf, size_t size);

/* As types of the interface. */
json_t *cmd_group_json(const struct roster_group *, const struct group_info *);
/* => space_info may be NULL: not known (yet) */
json_t *cmd_snapshot_json(const struct snapshot *, const struct space_info *);
/* => without what only a look at each page tells: cmd_usage_json() */
json_t *cmd_space_json(const struct roster_group *, const struct space_info *);
json_t *cmd_usage_json(const struct usage_info *);

#endif
