/*
 * cmd-drain-store.c: DrainStore
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "hub.h"
#include "log.h"
#include "planes.h"
#include "settings.h"
#include "varlink.h"

static const struct catalog *
catalog_of(const struct call *call)
{
	return &call->hub->setup->settings->stores;
}

static void
no_such(struct call *call)
{
	char *text;

	if (asprintf(&text, "%s/%" PRIi64, call_string(call, "store"),
		call_int(call, "tier")) < 0) {
		call_failed(call, "cannot drain", -ENOMEM);
		return;
	}
	cmd_no_store(call, text, catalog_tiers(catalog_of(call)));
	free(text);
}

static void
drained(struct mail *m)
{
	const struct mail_drain *mail = (const struct mail_drain *)m;
	struct call *call = call_answered(m);
	const char *name = call_string(call, "store");

	if (m->result == 0) {
		log_info("store %s, tier %" PRIu32 ": %s", name, mail->tier,
		    mail->on ? "it is drained" : "it is not drained any more");
		call_reply(call, NULL);
	} else if (m->result == -EBUSY) {
		call_error(call, "NoOtherTier",
		    json_pack("{s:s}", "store", name));
	} else {
		call_failed(call, "cannot drain", m->result);
	}
	free(m);
}

static void
ask(struct call *call, const struct catalog_store *s)
{
	struct mail_drain *mail = calloc(1, sizeof(*mail));

	if (mail == NULL) {
		call_failed(call, "cannot drain", -ENOMEM);
		return;
	}
	mail->m.op = MAIL_DRAIN;
	mail->stack = s->number;
	mail->tier = (uint32_t)call_int(call, "tier");
	mail->on = call_bool(call, "on");
	if (call_ask(call, &mail->m, drained) < 0)
		free(mail);
}

static void
drain(struct call *call)
{
	const struct catalog_store *s;

	if (!call->privileged) {
		call_not_permitted(call, "only root drains a store");
		return;
	}
	s = catalog_find(catalog_of(call), call_string(call, "store"));
	if (s == NULL || call_int(call, "tier") >= s->spec.n)
		no_such(call);
	else
		ask(call, s);
}

const struct cmd cmd_drain_store = {
	.interface = CMD_INTERFACE,
	.name = "DrainStore",
	.params = {
	    { "store", CMD_STRING, false },
	    { "tier", CMD_SIZE, false },
	    { "on", CMD_BOOL, false },
	},
	.run = drain,
};
