/*
 * cmd-list-stores.c: ListStores
 */
#include <errno.h>
#include <stdlib.h>

#include "assert.h"
#include "cmd.h"
#include "hub.h"
#include "latency.h"
#include "planes.h"
#include "settings.h"
#include "varlink.h"

static void
free_mail(struct mail_stores *mail)
{
	free(mail->stores);
	free(mail);
}

static json_t *
counters_json(const struct store_info *i)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I}",
	    "stored_pages", (json_int_t)i->stores, "loaded_pages",
	    (json_int_t)i->loads, "errors", (json_int_t)i->errors, "demoted",
	    (json_int_t)i->demoted, "promoted", (json_int_t)i->promoted,
	    "reads", (json_int_t)i->reads, "read_bytes",
	    (json_int_t)i->read_bytes, "writes", (json_int_t)i->writes,
	    "written_bytes", (json_int_t)i->written_bytes, "retries",
	    (json_int_t)i->retries, "moved", (json_int_t)i->moved);
}

static json_t *
tier_json(const struct catalog_store *s, const struct store_info *i)
{
	char *spec = spec_shown(&s->spec, i->tier);
	json_t *tier;

	tier = json_pack("{s:s, s:I, s:b, s:s, s:s, s:b, s:b, s:I, s:I, s:I, "
			 "s:I, s:I, s:I, s:o, s:o}",
	    "name", s->name, "tier", (json_int_t)i->tier, "default",
	    s->number == 0, "kind", i->kind, "spec", spec != NULL ? spec : "",
	    "failing", (int)i->failing, "draining", (int)i->draining, "pages",
	    (json_int_t)i->pages, "same_filled", (json_int_t)i->same_filled,
	    "incompressible", (json_int_t)i->incompressible, "stored",
	    (json_int_t)i->stored_bytes, "used", (json_int_t)i->used_bytes,
	    "capacity", (json_int_t)i->capacity_bytes, "read",
	    latency_json(&i->read_ns), "write", latency_json(&i->write_ns));
	json_object_update_new(tier, counters_json(i));
	free(spec);
	return tier;
}

static void
reply(struct call *call, const struct mail_stores *mail)
{
	const struct catalog *catalog = &call->hub->setup->settings->stores;
	json_t *list = json_array();

	ASSERT(mail->n == mail->max);
	for (uint32_t i = 0; i < mail->n; i++)
		json_array_append_new(list,
		    tier_json(catalog_at(catalog, mail->stores[i].stack),
			&mail->stores[i]));
	call_reply(call, json_pack("{s:o}", "stores", list));
}

static void
listed(struct mail *m)
{
	struct mail_stores *mail = (struct mail_stores *)m;
	struct call *call = call_answered(m);

	if (m->result < 0)
		call_failed(call, "the fault plane gave no answer", m->result);
	else
		reply(call, mail);
	free_mail(mail);
}

/* There are as many as the configuration says. */
static void
list(struct call *call)
{
	uint32_t max = call->hub->setup->settings->stores.ntiers;
	struct mail_stores *mail = calloc(1, sizeof(*mail));

	if (mail != NULL) {
		mail->m.op = MAIL_STORES;
		mail->max = max;
		mail->stores = calloc(max, sizeof(*mail->stores));
	}
	if (mail == NULL || mail->stores == NULL) {
		free(mail);
		call_failed(call, "cannot list", -ENOMEM);
	} else if (call_ask(call, &mail->m, listed) < 0) {
		free_mail(mail);
	}
}

const struct cmd cmd_list_stores = {
	.interface = CMD_INTERFACE,
	.name = "ListStores",
	.run = list,
};
