/*
 * cmd-diagnose.c: Diagnose
 */
#include "cmd.h"
#include "feature.h"
#include "hub.h"
#include "varlink.h"

static void
diagnose(struct call *call)
{
	struct finding findings[FINDINGS_MAX];
	json_t *list = json_array();
	size_t i, n;

	n = features_findings(call->hub->setup->features, findings,
	    FINDINGS_MAX);
	for (i = 0; i < n; i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:s?}", "name", findings[i].name,
			"what", finding_level_name(findings[i].level), "text",
			findings[i].text, "advice", findings[i].advice));
	call_reply(call, json_pack("{s:o}", "findings", list));
}

const struct cmd cmd_diagnose = {
	.interface = CMD_INTERFACE,
	.name = "Diagnose",
	.run = diagnose,
};
