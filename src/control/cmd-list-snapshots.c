/*
 * cmd-list-snapshots.c: ListSnapshots
 */
#include "cmd.h"
#include "hub.h"
#include "snapshots.h"
#include "survey.h"
#include "varlink.h"

static void
surveyed(const struct survey *survey)
{
	struct call *call = survey->call;
	json_t *list = json_array();
	struct snapshot *s;

	TAILQ_FOREACH(s, &call->hub->snapshots, entry) {
		if (s->state != SNAPSHOT_READY ||
		    !(call->privileged || call->uid == s->uid))
			continue;
		json_array_append_new(list,
		    cmd_snapshot_json(s, survey_space(survey, s->space)));
	}
	call_reply(call, json_pack("{s:o}", "snapshots", list));
}

static void
list(struct call *call)
{
	survey_start(&(struct survey){
	    .call = call, .spaces_too = true, .done = surveyed });
}

const struct cmd cmd_list_snapshots = {
	.interface = CMD_INTERFACE,
	.name = "ListSnapshots",
	.run = list,
};
