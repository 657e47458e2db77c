/*
 * cmd-get-space.c: GetSpace
 */
#include "cmd.h"
#include "hub.h"
#include "roster.h"
#include "survey.h"
#include "tally.h"
#include "varlink.h"

static void
tallied(struct call *call, json_t *reply, const struct usage_info *usage)
{
	json_t *more = cmd_usage_json(usage);

	json_object_update(json_object_get(reply, "space"), more);
	json_decref(more);
	call_reply(call, reply);
}

static void
surveyed(const struct survey *s)
{
	const struct space_info *space = survey_space(s, s->which);
	const struct group_info *group = NULL;
	struct roster_group *g = NULL;

	if (space != NULL) {
		g = roster_group_by_id(&s->call->hub->roster, space->group);
		group = survey_group(s, space->group);
	}
	if (g == NULL || group == NULL) {
		call_error(s->call, "NoSuchProcess",
		    json_pack("{s:I}", "pid",
			(json_int_t)call_int(s->call, "pid")));
		return;
	}
	tally_start(s->call, space->id,
	    json_pack("{s:o, s:o}", "space", cmd_space_json(g, space), "group",
		cmd_group_json(g, group)),
	    tallied);
}

static void
get_space(struct call *call)
{
	struct roster_space *space = cmd_space(call, "pid");

	if (space == NULL)
		return;
	survey_start(&(struct survey){ .call = call,
	    .spaces_too = true,
	    .done = surveyed,
	    .which = space->id });
}

const struct cmd cmd_get_space = {
	.interface = CMD_INTERFACE,
	.name = "GetSpace",
	.params = { { "pid", CMD_SIZE, false } },
	.run = get_space,
};
