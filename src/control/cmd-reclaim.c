/*
 * cmd-reclaim.c: Reclaim
 */
#include <errno.h>
#include <stdlib.h>

#include "cmd.h"
#include "roster.h"
#include "varlink.h"

static void
reclaimed(struct mail *m)
{
	struct mail_reclaim *mail = (struct mail_reclaim *)m;
	struct call *call = call_answered(m);

	if (m->result < 0)
		call_failed(call, "nothing was reclaimed", m->result);
	else
		call_reply(call,
		    json_pack("{s:I}", "bytes", (json_int_t)mail->bytes_out));
	free(mail);
}

static void
reclaim(struct call *call)
{
	struct roster_group *g = cmd_group(call, "group");
	struct mail_reclaim *mail;

	if (g == NULL)
		return;
	mail = calloc(1, sizeof(*mail));
	if (mail == NULL) {
		call_failed(call, "nothing was reclaimed", -ENOMEM);
		return;
	}
	mail->m.op = MAIL_RECLAIM;
	mail->group = g->id;
	mail->bytes = (uint64_t)call_int(call, "bytes");
	if (call_ask(call, &mail->m, reclaimed) < 0)
		free(mail);
}

const struct cmd cmd_reclaim = {
	.interface = CMD_INTERFACE,
	.name = "Reclaim",
	.params = {
	    { "group", CMD_STRING, false },
	    { "bytes", CMD_SIZE, false },
	},
	.run = reclaim,
};
