/*
 * cmd-check.c: the model against its invariants and the page tables
 */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

static void
print_line(const json_t *line)
{
	const char *text = json_string_value(line);
	char *copy = ctl_format("%s", text != NULL ? text : "?");

	printf("  %s\n", ctl_printable(copy));
	free(copy);
}

static void
print(const json_t *answer)
{
	json_t *line;
	size_t i;

	printf("%lld spaces and %lld pages looked at, %lld problems\n",
	    (long long)json_int(answer, "spaces"),
	    (long long)json_int(answer, "pages"),
	    (long long)json_int(answer, "problems"));
	json_array_foreach(json_object_get(answer, "lines"), i, line)
	{
		print_line(line);
	}
}

static int
check(struct ctl *ctl)
{
	json_t *answer, *parameters = NULL;
	int pid, status;

	if (ctl->argc > 0) {
		if (ctl_pid(ctl->argv[0], &pid) != 0)
			return CTL_FAILED;
		parameters = json_pack("{s:i}", "pid", pid);
	}
	status = daemon_ask(ctl, "Check", parameters, VARLINK_LATE, &answer);
	if (status != CTL_OK)
		return status;
	if (json_int(answer, "problems") > 0)
		status = CTL_FOUND;
	if (ctl->given[OPT_JSON]) {
		json_print(answer);
		return status;
	}
	print(answer);
	json_decref(answer);
	return status;
}

const struct ctl_command cmd_check = {
	.name = "check",
	.args = "[PID]",
	.help = "Check the daemon's model against itself and the kernel.",
	.reads = true,
	.max_args = 1,
	.run = check,
};
