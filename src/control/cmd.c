/*
 * cmd.c: the methods of the control interface
 */
#include "cmd.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hub.h"
#include "roster.h"
#include "settings.h"
#include "varlink.h"
#include "watermark.h"

extern const struct cmd cmd_check, cmd_close_group, cmd_create_group,
    cmd_diagnose, cmd_drain_store, cmd_drop_snapshot, cmd_export_snapshot,
    cmd_get_group, cmd_get_info, cmd_get_interface, cmd_get_space,
    cmd_get_stats, cmd_get_version, cmd_list_groups, cmd_list_regions,
    cmd_list_shared, cmd_list_snapshots, cmd_list_spaces, cmd_list_stores,
    cmd_map_space, cmd_reclaim, cmd_set_limit, cmd_set_log_level,
    cmd_take_snapshot, cmd_unlink_shared;

const struct cmd *const cmd_list[] = {
	&cmd_check,
	&cmd_close_group,
	&cmd_create_group,
	&cmd_diagnose,
	&cmd_drain_store,
	&cmd_drop_snapshot,
	&cmd_export_snapshot,
	&cmd_get_group,
	&cmd_get_info,
	&cmd_get_interface,
	&cmd_get_space,
	&cmd_get_stats,
	&cmd_get_version,
	&cmd_list_groups,
	&cmd_list_regions,
	&cmd_list_shared,
	&cmd_list_snapshots,
	&cmd_list_spaces,
	&cmd_list_stores,
	&cmd_map_space,
	&cmd_reclaim,
	&cmd_set_limit,
	&cmd_set_log_level,
	&cmd_take_snapshot,
	&cmd_unlink_shared,
	NULL,
};

static bool
type_ok(const struct cmd_param *p, const json_t *value)
{
	if (value == NULL || json_is_null(value))
		return p->optional;
	switch (p->type) {
	case CMD_STRING:
		return json_is_string(value);
	case CMD_SIZE:
		return json_is_integer(value) && json_integer_value(value) >= 0;
	case CMD_BOOL:
		return json_is_boolean(value);
	}
	return false;
}

static const struct cmd_param *
param_find(const struct cmd *cmd, const char *name)
{
	size_t i;

	for (i = 0; i < CMD_PARAMS_MAX && cmd->params[i].name != NULL; i++) {
		if (strcmp(cmd->params[i].name, name) == 0)
			return &cmd->params[i];
	}
	return NULL;
}

/* => the name of a parameter that is wrong, missing or unknown; or NULL */
static const char *
bad_param(const struct call *call, const struct cmd *cmd)
{
	const struct cmd_param *p;
	const char *name;
	json_t *value;
	size_t i;

	json_object_foreach(call->parameters, name, value)
	{
		if (param_find(cmd, name) == NULL)
			return name;
	}
	for (i = 0; i < CMD_PARAMS_MAX && cmd->params[i].name != NULL; i++) {
		p = &cmd->params[i];
		if (!type_ok(p, json_object_get(call->parameters, p->name)))
			return p->name;
	}
	return NULL;
}

/* => 0 for "interface.method" that is cmd's, 1: the interface only */
static int
match(const struct cmd *cmd, const char *method)
{
	const char *dot = strrchr(method, '.');
	size_t len = strlen(cmd->interface);

	if (dot == NULL || (size_t)(dot - method) != len ||
	    strncmp(method, cmd->interface, len) != 0)
		return -1;
	return strcmp(dot + 1, cmd->name) == 0 ? 0 : 1;
}

static void
not_found(struct call *call, const char *method, bool interface_known)
{
	const char *dot = strrchr(method, '.');
	int len = dot != NULL ? (int)(dot - method) : (int)strlen(method);

	if (interface_known)
		call_error(call, CMD_SERVICE ".MethodNotFound",
		    json_pack("{s:s}", "method", method));
	else
		call_error(call, CMD_SERVICE ".InterfaceNotFound",
		    json_pack("{s:s%}", "interface", method, (size_t)len));
}

void
cmd_run(struct call *call, const char *method)
{
	bool interface_known = false;
	const char *bad;
	size_t i;
	int r;

	for (i = 0; cmd_list[i] != NULL; i++) {
		r = match(cmd_list[i], method);
		interface_known = interface_known || r >= 0;
		if (r != 0)
			continue;
		bad = bad_param(call, cmd_list[i]);
		if (bad != NULL)
			call_invalid(call, bad);
		else
			cmd_list[i]->run(call);
		return;
	}
	not_found(call, method, interface_known);
}

bool
cmd_may(const struct call *call, const struct roster_group *g)
{
	return call->privileged || call->uid == g->uid;
}

struct roster_group *
cmd_group(struct call *call, const char *param)
{
	const char *name = call_string(call, param);
	struct roster_group *g;

	g = roster_group_by_name(&call->hub->roster, name);
	if (g == NULL || g->state == ROSTER_NEW) {
		call_error(call, "NoSuchGroup",
		    json_pack("{s:s}", "group", name));
		return NULL;
	}
	if (!cmd_may(call, g)) {
		call_not_permitted(call, "the group is another user's");
		return NULL;
	}
	return g;
}

struct roster_space *
cmd_space(struct call *call, const char *param)
{
	json_int_t pid = call_int(call, param);
	struct roster_space *s = NULL;

	if (pid <= INT32_MAX)
		s = roster_space_by_pid(&call->hub->roster, (pid_t)pid);
	if (s == NULL) {
		call_error(call, "NoSuchProcess",
		    json_pack("{s:I}", "pid", pid));
		return NULL;
	}
	if (!cmd_may(call, s->group)) {
		call_not_permitted(call, "the process is another user's");
		return NULL;
	}
	return s;
}

void
cmd_no_store(struct call *call, const char *name, json_t *there)
{
	call_error(call, "NoSuchStore",
	    json_pack("{s:s, s:o}", "store", name, "stores", there));
}

struct snapshot *
cmd_snapshot(struct call *call, const char *param)
{
	const char *name = call_string(call, param);
	struct snapshot *s = snapshots_find(call->hub, call->uid, name);

	if (s != NULL && s->state == SNAPSHOT_READY)
		return s;
	call_error(call, "NoSuchSnapshot",
	    json_pack("{s:s}", "snapshot", name));
	return NULL;
}

bool
cmd_limit_ok(struct call *call, uint64_t limit_bytes)
{
	if (limit_bytes == 0 || limit_bytes >= LIMIT_MIN_BYTES)
		return true;
	call_error(call, "LimitTooSmall",
	    json_pack("{s:I}", "minimum", (json_int_t)LIMIT_MIN_BYTES));
	return false;
}

json_t *
cmd_group_json(const struct roster_group *g, const struct group_info *i)
{
	const struct catalog *stores = &g->hub->setup->settings->stores;

	return json_pack("{s:I, s:s, s:I, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:I}",
	    "id", (json_int_t)i->id, "name", g->name, "uid", (json_int_t)g->uid,
	    "store", stores->n > 1 ? g->store->name : NULL, "limit",
	    (json_int_t)i->limit_bytes, "usage", (json_int_t)i->usage_bytes,
	    "peak", (json_int_t)i->peak_bytes, "resident",
	    (json_int_t)i->resident_bytes, "out", (json_int_t)i->out_bytes,
	    "stored", (json_int_t)i->stored_bytes, "stored_pages",
	    (json_int_t)i->put_pages, "stored_bytes", (json_int_t)i->put_bytes,
	    "faults", (json_int_t)i->faults, "evicted_pages",
	    (json_int_t)i->evicted_pages, "refault_pages",
	    (json_int_t)i->refault_pages, "wait_us", (json_int_t)i->wait_us,
	    "spaces", (json_int_t)i->nspaces, "adopted", (int)g->adopted,
	    "over", (int)i->over, "over_events", (json_int_t)i->over_events);
}

void
cmd_read_command(pid_t pid, char *buf, size_t size)
{
	char path[32];
	ssize_t i, n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	n = n < 0 ? 0 : n;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	for (i = 0; buf[i] != '\0'; i++) {
		if (!isprint((unsigned char)buf[i]))
			buf[i] = '?';
	}
}

json_t *
cmd_space_json(const struct roster_group *g, const struct space_info *i)
{
	char command[32];

	cmd_read_command(i->pid, command, sizeof(command));
	return json_pack("{s:I, s:I, s:I, s:s, s:s, s:b, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:I, s:I, s:I}",
	    "id", (json_int_t)i->id, "pid", (json_int_t)i->pid, "uid",
	    (json_int_t)i->uid, "command", command, "group", g->name, "agent",
	    (int)i->agent, "regions", (json_int_t)i->nregions, "resident",
	    (json_int_t)i->resident_bytes, "out", (json_int_t)i->out_bytes,
	    "clean", (json_int_t)i->clean_bytes, "foreign",
	    (json_int_t)i->foreign_bytes, "faults", (json_int_t)i->faults,
	    "evicted_pages", (json_int_t)i->evicted_pages, "refault_pages",
	    (json_int_t)i->refault_pages, "zero_fills",
	    (json_int_t)i->zero_fills);
}

json_t *
cmd_usage_json(const struct usage_info *i)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "resident",
	    (json_int_t)i->resident_bytes, "out", (json_int_t)i->out_bytes,
	    "clean", (json_int_t)i->clean_bytes, "total",
	    (json_int_t)i->total_bytes, "common", (json_int_t)i->common_bytes,
	    "shared", (json_int_t)i->shared_bytes, "proportional",
	    (json_int_t)i->proportional_bytes, "stored",
	    (json_int_t)i->stored_bytes);
}

json_t *
cmd_snapshot_json(const struct snapshot *s, const struct space_info *i)
{
	return json_pack("{s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
	    "name", s->name, "uid", (json_int_t)s->uid, "pid",
	    (json_int_t)s->process.pid, "command", s->command, "taken",
	    (json_int_t)s->taken, "pause_us", (json_int_t)s->pause_us,
	    "threads", (json_int_t)s->nthreads, "holder", (json_int_t)s->holder,
	    "resident", i != NULL ? (json_int_t)i->resident_bytes : 0, "out",
	    i != NULL ? (json_int_t)i->out_bytes : 0);
}
