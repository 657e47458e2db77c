/*
 * cmd-unlink-shared.c: UnlinkShared
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "planes.h"
#include "varlink.h"

static void
no_such(struct call *call)
{
	call_error(call, "NoSuchShared",
	    json_pack("{s:s}", "shared", call_string(call, "name")));
}

static void
unlinked(struct mail *m)
{
	struct call *call = call_answered(m);

	if (m->result == -ENOENT)
		no_such(call);
	else if (m->result < 0)
		call_failed(call, "the memory keeps its name", m->result);
	else
		call_reply(call, NULL);
	free(m);
}

/* => name fits */
static void
ask(struct call *call, uid_t uid, bool any)
{
	struct mail_unlink *mail = calloc(1, sizeof(*mail));

	if (mail == NULL) {
		call_failed(call, "the memory keeps its name", -ENOMEM);
		return;
	}
	mail->m.op = MAIL_UNLINK;
	mail->uid = uid;
	mail->any = any;
	strcpy(mail->name, call_string(call, "name"));
	if (call_ask(call, &mail->m, unlinked) < 0)
		free(mail);
}

static void
unlink_shared(struct call *call)
{
	bool exact = call_has(call, "uid");
	int64_t uid = exact ? call_int(call, "uid") : call->uid;

	if (uid > UINT32_MAX)
		call_invalid(call, "uid");
	else if (!call->privileged && (uid_t)uid != call->uid)
		call_not_permitted(call, "the memory is another user's");
	else if (strlen(call_string(call, "name")) >= PAGERD_NAME_BYTES)
		no_such(call);
	else
		ask(call, (uid_t)uid, call->privileged && !exact);
}

const struct cmd cmd_unlink_shared = {
	.interface = CMD_INTERFACE,
	.name = "UnlinkShared",
	.params = {
	    { "name", CMD_STRING, false },
	    { "uid", CMD_SIZE, true },
	},
	.run = unlink_shared,
};
