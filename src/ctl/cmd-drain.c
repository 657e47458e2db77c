/*
 * cmd-drain.c: a tier of a store gives all that it has to the others
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

#define LOOK_MS 200

struct target {
	char *store; /* owned */
	int tier;    /* the fastest if none was named */
};

/* => 0 or -EINVAL, said */
static int
parse_target(const char *text, struct target *t)
{
	const char *slash = strchr(text, '/');
	unsigned long n = 0;
	char *end;

	if (slash != NULL) {
		n = strtoul(slash + 1, &end, 10);
		if (slash[1] < '0' || slash[1] > '9' || *end != '\0' ||
		    n > 99) {
			ctl_error("'%s' names no tier; give STORE or "
				  "STORE/NUMBER, see pagerctl stores",
			    text);
			return -EINVAL;
		}
	}
	t->tier = (int)n;
	t->store = ctl_format("%.*s",
	    (int)(slash != NULL ? slash - text : (ssize_t)strlen(text)), text);
	return 0;
}

/* => NULL: it is not there */
static const json_t *
find(const json_t *answer, const struct target *t)
{
	json_t *tier;
	size_t i;

	json_array_foreach(json_object_get(answer, "stores"), i, tier)
	{
		if (json_int(tier, "tier") == t->tier &&
		    strcmp(json_text(tier, "name"), t->store) == 0)
			return tier;
	}
	return NULL;
}

/* For a person who looks on: whatever comes next takes its place. */
static void
show_progress(int64_t pages)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (pages > 0)
		fprintf(stderr, "%lld pages left", (long long)pages);
	fputs("\033[K\r", stderr);
}

/* => 1: not empty yet; 0; or -errno, said */
static int
look(struct varlink *v, const struct target *t)
{
	const json_t *tier;
	json_t *answer;
	int r;

	r = daemon_call(v, "ListStores", NULL, VARLINK_SOON, &answer);
	if (r != 0)
		return -EIO;
	tier = find(answer, t);
	if (json_flag(tier, "draining")) {
		show_progress(json_int(tier, "pages"));
		r = json_int(tier, "pages") > 0;
	} else {
		ctl_error("%s/%d is not drained any more; somebody cancelled "
			  "it",
		    t->store, t->tier);
		r = -ECANCELED;
	}
	json_decref(answer);
	return r;
}

static int
wait_until_empty(struct varlink *v, const struct target *t)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	int r;

	while ((r = look(v, t)) > 0)
		nanosleep(&pause, NULL);
	if (r < 0)
		return CTL_FAILED;
	printf("%s/%d is empty\n", t->store, t->tier);
	return CTL_OK;
}

static int
start(const struct ctl *ctl, struct varlink *v, const struct target *t)
{
	bool on = !ctl->given[OPT_CANCEL];
	json_t *answer;

	if (daemon_call(v, "DrainStore",
		json_pack("{s:o, s:i, s:b}", "store", json_from_text(t->store),
		    "tier", t->tier, "on", on),
		VARLINK_SOON, &answer) != 0)
		return CTL_FAILED;
	json_decref(answer);
	if (ctl->given[OPT_WAIT])
		return wait_until_empty(v, t);
	if (on)
		printf("%s/%d is being drained; 'pagerctl stores' shows how "
		       "many pages it has left\n",
		    t->store, t->tier);
	return CTL_OK;
}

static int
drain(struct ctl *ctl)
{
	struct target t;
	struct varlink *v;
	int status = CTL_FAILED;

	if (ctl->given[OPT_CANCEL] && ctl->given[OPT_WAIT]) {
		ctl_error("--cancel leaves nothing to wait for; leave out "
			  "--wait");
		return CTL_FAILED;
	}
	if (parse_target(ctl->argv[0], &t) != 0)
		return CTL_FAILED;
	if (daemon_connect(ctl, &v) == 0) {
		status = start(ctl, v, &t);
		varlink_close(v);
	}
	free(t.store);
	return status;
}

const struct ctl_command cmd_drain = {
	.name = "drain",
	.args = "STORE[/TIER]",
	.help = "Move all that a tier of a store has to the others.",
	.options = OPT_BIT(OPT_CANCEL) | OPT_BIT(OPT_WAIT),
	.min_args = 1,
	.max_args = 1,
	.run = drain,
};
