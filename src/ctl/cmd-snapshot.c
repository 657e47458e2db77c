/*
 * cmd-snapshot.c: take a snapshot of a process
 */
#include <stdio.h>

#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

static int
snapshot(struct ctl *ctl)
{
	json_t *answer, *s;
	int pid, status;

	if (ctl_pid(ctl->argv[0], &pid) != 0)
		return CTL_FAILED;
	status = daemon_ask(ctl, "TakeSnapshot",
	    json_pack("{s:i, s:o}", "pid", pid, "name",
		json_from_text(ctl->argv[1])),
	    VARLINK_LATE, &answer);
	if (status != CTL_OK)
		return status;
	s = json_object_get(answer, "snapshot");
	printf("%s: pid %lld, %lld threads, stopped for %.1f ms\n",
	    json_text(s, "name"), (long long)json_int(s, "pid"),
	    (long long)json_int(s, "threads"),
	    (double)json_int(s, "pause_us") / 1000);
	json_decref(answer);
	return CTL_OK;
}

const struct ctl_command cmd_snapshot = {
	.name = "snapshot",
	.args = "PID NAME",
	.help = "Keep a process's memory as it is now, under a name.",
	.min_args = 2,
	.max_args = 2,
	.run = snapshot,
};
