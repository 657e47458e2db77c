/*
 * cmd-doctor.c: what is missing, and what to do about it
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "daemon.h"
#include "findings.h"
#include "json.h"
#include "paths.h"
#include "varlink.h"

static void
append_daemon(json_t *list, const json_t *answer)
{
	json_t *finding;
	size_t i;

	json_array_foreach(json_object_get(answer, "findings"), i, finding)
	{
		json_t *copy = json_copy(finding);

		json_object_set_new(copy, "source", json_string("daemon"));
		json_array_append_new(list, copy);
	}
}

static void
no_daemon(json_t *list, const char *path, bool named, int error)
{
	bool quiet = !named && (error == ENOENT || error == ECONNREFUSED);

	findings_add(list, "control-socket", quiet ? FINDING_OK : FINDING_ERROR,
	    "start pagerd, or name its control socket with --socket",
	    "no daemon answers at %s (%s)%s", path, strerror(error),
	    quiet ? "; run starts a private one" : "");
}

static void
ask(json_t *list, struct varlink *v, const char *path)
{
	json_t *answer = NULL;
	char *text;
	int r =
	    varlink_call(v, "org.pagerd.Diagnose", NULL, VARLINK_SOON, &answer);

	if (r == 0) {
		findings_add(list, "control-socket", FINDING_OK, NULL,
		    "a daemon answers at %s", path);
		append_daemon(list, answer);
	} else {
		text = daemon_failure(r, answer);
		findings_add(list, "control-socket", FINDING_ERROR,
		    "see whether the daemon runs, and its log", "%s: %s", path,
		    text);
		free(text);
	}
	json_decref(answer);
}

/* => tells whether a daemon is there */
static bool
daemon_findings(const struct ctl *ctl, json_t *list)
{
	struct varlink *v;
	bool named;
	char *path = paths_control(ctl, &named);
	int r = varlink_connect(path, &v);

	if (r == 0) {
		ask(list, v, path);
		varlink_close(v);
	} else {
		no_daemon(list, path, named, -r);
	}
	free(path);
	return r == 0;
}

static const char *
mark_of(const json_t *finding)
{
	const char *what = json_text(finding, "what");

	if (strcmp(what, "error") == 0)
		return "FAIL";
	return strcmp(what, "warning") == 0 ? "warn" : "ok";
}

static int
status_of(const json_t *list)
{
	json_t *finding;
	size_t i;

	json_array_foreach(list, i, finding)
	{
		if (strcmp(json_text(finding, "what"), "error") == 0)
			return CTL_FOUND;
	}
	return CTL_OK;
}

static void
print_finding(const json_t *finding)
{
	const char *advice = json_text(finding, "advice");
	char *line;

	line = ctl_format("%-4s  %-16s  %s", mark_of(finding),
	    json_text(finding, "name"), json_text(finding, "text"));
	puts(ctl_printable(line));
	free(line);
	if (advice[0] == '\0' || strcmp(mark_of(finding), "ok") == 0)
		return;
	line = ctl_format("      %s", advice);
	puts(ctl_printable(line));
	free(line);
}

static void
print(const json_t *list, const char *source, const char *heading)
{
	json_t *finding;
	size_t i, n = 0;

	json_array_foreach(list, i, finding)
	{
		if (strcmp(json_text(finding, "source"), source) != 0)
			continue;
		if (n++ == 0)
			puts(heading);
		print_finding(finding);
	}
}

static int
doctor(struct ctl *ctl)
{
	json_t *list = json_array();
	bool running = daemon_findings(ctl, list);
	int status;

	/* A kernel that is good enough for the daemon there is good enough. */
	findings_kernel(list, running);
	findings_settings(list, running);
	status = status_of(list);
	if (ctl->given[OPT_JSON]) {
		json_print(json_pack("{s:o}", "findings", list));
		return status;
	}
	print(list, "pagerctl", "as seen by this user");
	print(list, "daemon", "as seen by the running daemon");
	json_decref(list);
	return status;
}

const struct ctl_command cmd_doctor = {
	.name = "doctor",
	.args = "",
	.help = "Say what is missing here, and what to do about it.",
	.reads = true,
	.run = doctor,
};
