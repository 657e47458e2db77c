/*
 * cmd-version.c: the client's version, and the daemon's if one answers
 */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "paths.h"
#include "varlink.h"

/* => 0 and NULL: no daemon there, which is no failure; else said */
static int
ask(const struct ctl *ctl, json_t **answer)
{
	struct varlink *v;
	bool named;
	char *path = paths_control(ctl, &named);
	int r = 0;

	*answer = NULL;
	if (varlink_connect(path, &v) == 0) {
		r = daemon_call(v, "GetVersion", NULL, VARLINK_SOON, answer);
		varlink_close(v);
	}
	free(path);
	return r;
}

static void
print(const json_t *daemon)
{
	char *version;

	printf("pagerctl %s\n", PAGERD_VERSION);
	if (daemon == NULL) {
		puts("pagerd   not running");
		return;
	}
	version = ctl_format("%s", json_text(daemon, "version"));
	printf("pagerd   %s, process %lld%s\n", ctl_printable(version),
	    (long long)json_int(daemon, "pid"),
	    json_flag(daemon, "private") ? ", private" : "");
	free(version);
}

static int
version(struct ctl *ctl)
{
	json_t *daemon;

	if (ask(ctl, &daemon) != 0)
		return CTL_FAILED;
	if (ctl->given[OPT_JSON])
		json_print(json_pack("{s:s, s:O?}", "client", PAGERD_VERSION,
		    "daemon", daemon));
	else
		print(daemon);
	json_decref(daemon);
	return CTL_OK;
}

const struct ctl_command cmd_version = {
	.name = "version",
	.args = "",
	.help = "Show the version of pagerctl, and of a running daemon.",
	.reads = true,
	.run = version,
};
