/*
 * daemon.c: asking the daemon, and telling the person when that fails
 */
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "paths.h"
#include "size.h"
#include "varlink.h"

static const char *
advice_for_connect(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return "start pagerd, or name its socket with --socket";
	case EACCES:
	case EPERM:
		return "ask who runs the daemon for access to it";
	default:
		return "name the daemon's control socket with --socket";
	}
}

int
daemon_connect(const struct ctl *ctl, struct varlink **out)
{
	bool named;
	char *path = paths_control(ctl, &named);
	int r = varlink_connect(path, out);

	if (r != 0)
		ctl_error("no daemon answers at %s (%s); %s", path,
		    strerror(-r), advice_for_connect(-r));
	free(path);
	return r;
}

/* What each error says: text with one %s or none, and its parameter. */
static const struct {
	const char *name;
	const char *text;
	const char *parameter;
} errors[] = {
	{ "org.pagerd.NoSuchGroup",
	    "there is no group '%s' that you may see; see pagerctl list",
	    "group" },
	{ "org.pagerd.NoSuchProcess",
	    "process %s is not managed, or not yours; see pagerctl list",
	    "pid" },
	{ "org.pagerd.GroupExists",
	    "a group '%s' exists already; choose another name", "group" },
	{ "org.pagerd.LimitTooSmall", "the limit is too small; the least is %s",
	    "minimum" },
	{ "org.pagerd.NoSuchSnapshot",
	    "there is no snapshot '%s'; 'pagerctl snapshots' lists them",
	    "snapshot" },
	{ "org.pagerd.SnapshotExists",
	    "there is a snapshot '%s' already; drop it, or choose another name",
	    "snapshot" },
	{ "org.pagerd.NoSuchShared",
	    "there is no shared memory '%s'; 'pagerctl shared' lists it",
	    "shared" },
	{ "org.pagerd.NoSuchStore",
	    "there is no such store; the daemon has these: %s", "stores" },
	{ "org.pagerd.NoOtherTier",
	    "no other tier of '%s' would take its pages; add one in "
	    "pagerd.conf, or stop draining another",
	    "store" },
	{ "org.pagerd.NotPermitted",
	    "not permitted: %s; ask the group's owner, or be root", "reason" },
	{ "org.pagerd.Busy", "the daemon is busy: %s; try again later",
	    "reason" },
	{ "org.pagerd.Failed", "the daemon failed: %s; its log says more",
	    "reason" },
	{ "org.varlink.service.MethodNotFound",
	    "the daemon does not know %s; use the pagerctl of its version",
	    "method" },
	{ "org.varlink.service.InvalidParameter",
	    "the daemon refuses the value of '%s'; see pagerctl(1)",
	    "parameter" },
	{ "org.varlink.service.PermissionDenied",
	    "not permitted; ask the group's owner, or be root", NULL },
};

/* => the strings of it, with commas between */
static char *
list_text(const json_t *list)
{
	char *text = ctl_format("%s", "");
	json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		char *longer = ctl_format("%s%s%s", text, i > 0 ? ", " : "",
		    json_is_string(value) ? json_string_value(value) : "?");

		free(text);
		text = longer;
	}
	return text;
}

static char *
value_text(const json_t *value, const char *name)
{
	char size[SIZE_TEXT_MAX];

	if (json_is_string(value))
		return ctl_format("%s", json_string_value(value));
	if (json_array_size(value) > 0 &&
	    json_is_string(json_array_get(value, 0)))
		return list_text(value);
	if (!json_is_integer(value))
		return ctl_format("?");
	if (strcmp(name, "minimum") == 0)
		return ctl_format("%s",
		    size_format((uint64_t)json_integer_value(value), size));
	return ctl_format("%lld", (long long)json_integer_value(value));
}

/* => text has at most one %s */
static char *
fill_in(const char *text, const char *value)
{
	const char *mark = strstr(text, "%s");

	if (mark == NULL)
		return ctl_format("%s", text);
	return ctl_format("%.*s%s%s", (int)(mark - text), text, value,
	    mark + 2);
}

static char *
error_text(const json_t *answer)
{
	const char *name = json_text(answer, "error");
	const json_t *parameters = json_object_get(answer, "parameters");
	char *value, *text;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		const char *parameter = errors[i].parameter;

		if (strcmp(errors[i].name, name) != 0)
			continue;
		if (parameter == NULL)
			return ctl_format("%s", errors[i].text);
		value = value_text(json_object_get(parameters, parameter),
		    parameter);
		text = fill_in(errors[i].text, value);
		free(value);
		return text;
	}
	return ctl_format("the daemon answered with the error %s; use the "
			  "pagerctl of its version",
	    name);
}

char *
daemon_failure(int r, const json_t *answer)
{
	switch (r) {
	case VARLINK_ERROR:
		return error_text(answer);
	case -ETIMEDOUT:
		return ctl_format("the daemon did not answer in time; see "
				  "whether it runs, and its log");
	case -ECONNRESET:
		return ctl_format("the daemon hung up before it answered; "
				  "its log says why");
	case -EPROTO:
		return ctl_format("what listens there does not speak Varlink; "
				  "name the control socket with --socket");
	default:
		return ctl_format("cannot talk to the daemon (%s); see "
				  "whether it runs, and its log",
		    strerror(-r));
	}
}

int
daemon_call(struct varlink *v, const char *method, json_t *parameters,
    int seconds, json_t **answer)
{
	char *full = ctl_format("org.pagerd.%s", method);
	json_t *got = NULL;
	char *text;
	int r;

	r = varlink_call(v, full, parameters, seconds, &got);
	free(full);
	if (r == 0) {
		*answer = got;
		return 0;
	}
	text = daemon_failure(r, got);
	ctl_error("%s", text);
	free(text);
	json_decref(got);
	return r;
}

int
daemon_ask(const struct ctl *ctl, const char *method, json_t *parameters,
    int seconds, json_t **answer)
{
	struct varlink *v;
	int r;

	r = daemon_connect(ctl, &v);
	if (r != 0) {
		json_decref(parameters);
		return CTL_FAILED;
	}
	r = daemon_call(v, method, parameters, seconds, answer);
	varlink_close(v);
	return r == 0 ? CTL_OK : CTL_FAILED;
}
