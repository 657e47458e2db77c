/*
 * cmd-list-spaces.c: ListSpaces
 */
#include "cmd.h"
#include "hub.h"
#include "roster.h"
#include "survey.h"
#include "varlink.h"

static void
surveyed(const struct survey *s)
{
	const struct space_info *i, *end = s->spaces + s->nspaces;
	json_t *list = json_array();
	struct roster_group *g;

	for (i = s->spaces; i < end; i++) {
		g = roster_group_by_id(&s->call->hub->roster, i->group);
		if (g == NULL || !cmd_may(s->call, g))
			continue;
		if (s->which == 0 || s->which == i->group)
			json_array_append_new(list, cmd_space_json(g, i));
	}
	call_reply(s->call, json_pack("{s:o}", "spaces", list));
}

static void
list_spaces(struct call *call)
{
	struct roster_group *g = NULL;

	if (call_has(call, "group")) {
		g = cmd_group(call, "group");
		if (g == NULL)
			return;
	}
	survey_start(&(struct survey){ .call = call,
	    .spaces_too = true,
	    .done = surveyed,
	    .which = g != NULL ? g->id : 0 });
}

const struct cmd cmd_list_spaces = {
	.interface = CMD_INTERFACE,
	.name = "ListSpaces",
	.params = { { "group", CMD_STRING, true } },
	.run = list_spaces,
};
