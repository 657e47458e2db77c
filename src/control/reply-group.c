/*
 * reply-group.c: a reply that holds one group's numbers
 */
#include "reply-group.h"

#include "cmd.h"
#include "hub.h"
#include "roster.h"
#include "survey.h"
#include "varlink.h"

static void
surveyed(const struct survey *s)
{
	uint32_t id = (uint32_t)s->which;
	const struct group_info *info = survey_group(s, id);
	struct roster_group *g;
	json_t *reply;

	g = roster_group_by_id(&s->call->hub->roster, id);
	if (g == NULL || info == NULL) {
		call_error(s->call, "NoSuchGroup",
		    json_pack("{s:s}", "group", "(closed meanwhile)"));
		return;
	}
	reply = json_pack("{s:o}", "group", cmd_group_json(g, info));
	json_object_update(reply, s->extra);
	call_reply(s->call, reply);
}

void
reply_group(struct call *call, const struct roster_group *g, json_t *extra)
{
	survey_start(&(struct survey){
	    .call = call, .done = surveyed, .which = g->id, .extra = extra });
}
