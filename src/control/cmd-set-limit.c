/*
 * cmd-set-limit.c: SetLimit
 */
#include <errno.h>
#include <stdlib.h>

#include "cmd.h"
#include "hub.h"
#include "roster.h"
#include "varlink.h"
#include "watch.h"

static void
limited(struct mail *m)
{
	struct mail_group_limit *mail = (struct mail_group_limit *)m;
	struct call *call = call_answered(m);
	struct roster_group *g;

	g = roster_group_by_id(&call->hub->roster, mail->id);
	if (m->result < 0) {
		call_failed(call, "the limit cannot be set", m->result);
	} else {
		if (g != NULL) {
			g->limit_bytes = mail->limit_bytes;
			watch_group(g);
		}
		call_reply(call, NULL);
	}
	free(mail);
}

static void
set_limit(struct call *call)
{
	uint64_t limit = (uint64_t)call_int(call, "limit");
	struct mail_group_limit *mail;
	struct roster_group *g;

	g = cmd_group(call, "group");
	if (g == NULL || !cmd_limit_ok(call, limit))
		return;
	mail = calloc(1, sizeof(*mail));
	if (mail == NULL) {
		call_failed(call, "the limit cannot be set", -ENOMEM);
		return;
	}
	mail->m.op = MAIL_GROUP_LIMIT;
	mail->id = g->id;
	mail->limit_bytes = limit;
	if (call_ask(call, &mail->m, limited) < 0)
		free(mail);
}

const struct cmd cmd_set_limit = {
	.interface = CMD_INTERFACE,
	.name = "SetLimit",
	.params = {
	    { "group", CMD_STRING, false },
	    { "limit", CMD_SIZE, false },
	},
	.run = set_limit,
};
