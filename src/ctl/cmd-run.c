/*
 * cmd-run.c: run a program within a memory limit
 *
 *	options --> find the program --> can the shim enter it?
 *	                                  | yes            | no: warn
 *	    running or private daemon, group               |
 *	                                  |                |
 *	                    start it, wait, pass signals on
 *	                                  |
 *	                    summary, let go of the daemon
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "pagerd/protocol.h"
#include "paths.h"
#include "private.h"
#include "program.h"
#include "summary.h"
#include "varlink.h"

struct run {
	const struct ctl *ctl;
	uint64_t limit; /* bytes, 0: none */
	char *shim, *program;
	char *reason; /* why it is not managed; NULL: it is */
	struct child child;
	struct private_daemon private_daemon;
	struct varlink *daemon; /* NULL: not managed */
	json_t *group;          /* CreateGroup's answer */
	struct summary summary;
};

static int
read_options(struct run *run)
{
	const struct ctl *ctl = run->ctl;

	if (ctl->given[OPT_PRIVATE] && ctl->given[OPT_SOCKET]) {
		ctl_error("--private starts a daemon, --socket names one; "
			  "give one of them");
		return CTL_FAILED;
	}
	if (ctl->given[OPT_LIMIT] &&
	    ctl_size("--limit", ctl->value[OPT_LIMIT], false, &run->limit) != 0)
		return CTL_FAILED;
	return summary_open(&run->summary, ctl->given[OPT_SUMMARY],
		   ctl->value[OPT_SUMMARY]) == 0
		   ? CTL_OK
		   : CTL_FAILED;
}

/* => blanks and colons separate the words of LD_PRELOAD */
static int
find_shim(struct run *run)
{
	run->shim = paths_shim();
	if (run->shim == NULL || access(run->shim, R_OK) != 0) {
		ctl_error("cannot read the shim, %s: %s; install it, or name "
			  "it in " PATHS_ENV_PRELOAD,
		    run->shim != NULL ? run->shim : "libpagerd-preload.so",
		    strerror(errno));
		return CTL_FAILED;
	}
	if (strpbrk(run->shim, ": \t\n") != NULL) {
		ctl_error("the shim's path '%s' has a blank or a colon in "
			  "it; install it elsewhere, or name a link to it "
			  "in " PATHS_ENV_PRELOAD,
		    run->shim);
		return CTL_FAILED;
	}
	return CTL_OK;
}

static int
look_at_program(struct run *run)
{
	const char *name = run->ctl->argv[0];
	int status = program_find(name, &run->program);

	if (status != 0)
		return status;
	run->reason = program_obstacle(run->program);
	if (run->reason != NULL) {
		ctl_error("'%s' runs unmanaged, without a limit: %s; see "
			  "LIMITS in libpagerd-preload(7)",
		    name, run->reason);
		return CTL_OK;
	}
	return find_shim(run);
}

static int
start_private(struct run *run)
{
	char *program = paths_daemon();
	int r = -ENOENT;

	if (program == NULL || access(program, X_OK) != 0)
		ctl_error("no daemon runs, and there is none to start at %s: "
			  "%s; install pagerd, or name it "
			  "in " PATHS_ENV_DAEMON,
		    program != NULL ? program : "(no path)", strerror(errno));
	else
		r = private_start(&run->private_daemon, &run->child, program,
		    run->ctl->value[OPT_STORE], &run->daemon);
	free(program);
	return r == 0 ? CTL_OK : CTL_FAILED;
}

/* => a socket that was named has to work, the usual one may be absent */
static int
find_daemon(struct run *run)
{
	bool named;
	char *path;
	int r;

	if (run->ctl->given[OPT_PRIVATE])
		return start_private(run);
	path = paths_control(run->ctl, &named);
	if (named)
		r = daemon_connect(run->ctl, &run->daemon);
	else
		r = varlink_connect(path, &run->daemon);
	free(path);
	if (r == 0)
		return CTL_OK;
	return named ? CTL_FAILED : start_private(run);
}

/* => the store of a daemon that runs already; a private one has only its own */
static json_t *
group_parameters(const struct run *run)
{
	const char *name = run->ctl->value[OPT_GROUP];
	const char *store = run->ctl->value[OPT_STORE];

	if (run->private_daemon.dir != NULL)
		store = NULL;
	return json_pack("{s:o*, s:I, s:b, s:o*}", "name",
	    name != NULL ? json_from_text(name) : NULL, "limit",
	    (json_int_t)run->limit, "ephemeral", 1, "store",
	    store != NULL ? json_from_text(store) : NULL);
}

/*
 * A daemon that ended at once has said why on stderr: to say that it hung up
 * would only hide that.
 */
static void
say_no_group(const struct run *run, int r, const json_t *answer)
{
	char *text;

	if (r == -ECONNRESET && run->private_daemon.dir != NULL)
		return;
	text = daemon_failure(r, answer);
	if (strcmp(json_text(answer, "error"), "org.pagerd.NoSuchStore") == 0)
		ctl_error("%s: choose one, or add --private for a store that "
			  "only this program has",
		    text);
	else
		ctl_error("%s", text);
	free(text);
}

static int
create_group(struct run *run)
{
	json_t *answer = NULL;
	int r;

	r = varlink_call(run->daemon, "org.pagerd.CreateGroup",
	    group_parameters(run), VARLINK_SOON, &answer);
	if (r == 0) {
		run->group = answer;
		return CTL_OK;
	}
	say_no_group(run, r, answer);
	json_decref(answer);
	return CTL_FAILED;
}

static int
check_group(const struct run *run)
{
	if (json_text(run->group, "token")[0] != '\0' &&
	    json_text(run->group, "client_socket")[0] != '\0')
		return CTL_OK;
	ctl_error("the daemon's answer lacks a token or a socket; use the "
		  "pagerctl of its version");
	return CTL_FAILED;
}

static int
attach(struct run *run)
{
	int status;

	if (run->reason != NULL)
		return CTL_OK;
	status = find_daemon(run);
	if (status == CTL_OK)
		status = create_group(run);
	return status == CTL_OK ? check_group(run) : status;
}

/* => the shim first; a nested run has it there already */
static char *
preload_value(const char *shim)
{
	const char *before = getenv("LD_PRELOAD");
	size_t len = strlen(shim);

	if (before == NULL || before[0] == '\0')
		return ctl_format("%s", shim);
	if (strncmp(before, shim, len) == 0 &&
	    (before[len] == '\0' || before[len] == ':'))
		return ctl_format("%s", before);
	return ctl_format("%s:%s", shim, before);
}

static int
start(struct run *run)
{
	struct child_env env[4] = { { NULL, NULL } };
	char *preload = NULL;
	int r;

	if (run->reason == NULL) {
		preload = preload_value(run->shim);
		env[0] = (struct child_env){ "LD_PRELOAD", preload };
		env[1] = (struct child_env){ PAGERD_ENV_SOCKET,
			json_text(run->group, "client_socket") };
		env[2] = (struct child_env){ PAGERD_ENV_GROUP,
			json_text(run->group, "token") };
	}
	summary_start(&run->summary);
	r = child_start(&run->child, run->ctl->argv, env);
	free(preload);
	if (r == 0)
		return CTL_OK;
	ctl_error("cannot start a process: %s; see the limit of processes",
	    strerror(-r));
	return CTL_FAILED;
}

/* => the group as it is now; NULL: the daemon is gone, said */
static json_t *
group_now(struct run *run)
{
	const json_t *group = json_object_get(run->group, "group");
	json_t *answer, *now;

	if (run->daemon == NULL ||
	    daemon_call(run->daemon, "GetGroup",
		json_pack("{s:s}", "group", json_text(group, "name")),
		VARLINK_END, &answer) != 0)
		return NULL;
	now = json_incref(json_object_get(answer, "group"));
	json_decref(answer);
	return now;
}

static bool
wants_group(const struct run *run)
{
	return run->summary.fd >= 0 || run->private_daemon.dir != NULL;
}

/* => nothing that is asked here may change the command's exit status */
static void
finish(struct run *run)
{
	json_t *group = wants_group(run) ? group_now(run) : NULL;
	const char *reason = run->reason;
	/* A daemon that does not answer is about to end, if it has not. */
	bool idle = group == NULL || json_int(group, "spaces") == 0;

	if (reason == NULL && group == NULL)
		reason = "the daemon did not answer at the end";
	summary_write(&run->summary, run->ctl->argv, run->child.status, group,
	    run->reason == NULL, reason);
	json_decref(group);
	varlink_close(run->daemon);
	run->daemon = NULL;
	private_end(&run->private_daemon, idle);
}

static int
run_it(struct run *run)
{
	int status = attach(run);
	int sig;

	if (status != CTL_OK)
		return status;
	sig = child_interrupted(&run->child);
	if (sig != 0)
		return 128 + sig;
	status = start(run);
	if (status != CTL_OK)
		return status;
	child_wait(&run->child);
	finish(run);
	return run->child.status;
}

static void
fini(struct run *run)
{
	bool started = run->private_daemon.dir != NULL;

	varlink_close(run->daemon);
	private_end(&run->private_daemon, started);
	summary_close(&run->summary);
	json_decref(run->group);
	free(run->reason);
	free(run->program);
	free(run->shim);
}

static int
run_main(struct ctl *ctl)
{
	struct run run = { .ctl = ctl, .summary.fd = -1 };
	int status;

	status = read_options(&run);
	if (status == CTL_OK)
		status = look_at_program(&run);
	if (status == CTL_OK) {
		child_catch_signals(&run.child);
		status = run_it(&run);
	}
	fini(&run);
	return status;
}

const struct ctl_command cmd_run = {
	.name = "run",
	.args = "[OPTION...] [--] COMMAND [ARG...]",
	.help = "Run a program, and all that it starts, within a limit.",
	.program = true,
	.options = OPT_BIT(OPT_LIMIT) | OPT_BIT(OPT_GROUP) |
		   OPT_BIT(OPT_STORE) | OPT_BIT(OPT_PRIVATE) |
		   OPT_BIT(OPT_SUMMARY),
	.min_args = 1,
	.max_args = -1,
	.run = run_main,
};
