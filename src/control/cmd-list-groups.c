/*
 * cmd-list-groups.c: ListGroups
 */
#include "cmd.h"
#include "hub.h"
#include "roster.h"
#include "survey.h"
#include "varlink.h"

static void
surveyed(const struct survey *s)
{
	const struct group_info *info;
	json_t *list = json_array();
	struct roster_group *g;

	TAILQ_FOREACH(g, &s->call->hub->roster.groups, entry) {
		info = g->state == ROSTER_NEW ? NULL : survey_group(s, g->id);
		if (info != NULL && cmd_may(s->call, g))
			json_array_append_new(list, cmd_group_json(g, info));
	}
	call_reply(s->call, json_pack("{s:o}", "groups", list));
}

static void
list_groups(struct call *call)
{
	survey_start(&(struct survey){ .call = call, .done = surveyed });
}

const struct cmd cmd_list_groups = {
	.interface = CMD_INTERFACE,
	.name = "ListGroups",
	.run = list_groups,
};
