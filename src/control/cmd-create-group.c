/*
 * cmd-create-group.c: CreateGroup
 */
#include <errno.h>

#include "cmd.h"
#include "groups.h"
#include "hub.h"
#include "listen.h"
#include "reply-group.h"
#include "roster.h"
#include "settings.h"
#include "varlink.h"

static void
created(struct roster_group *g, int result, void *ctx)
{
	struct call *call = ctx;
	char token[TOKEN_TEXT_MAX];

	if (result < 0) {
		call_failed(call, "the group cannot be made", result);
		return;
	}
	reply_group(call, g,
	    json_pack("{s:s, s:s}", "token", token_format(g->token, token),
		"client_socket", call->hub->setup->listeners->client_path));
}

static void
create_group(struct call *call)
{
	const struct group_order order = {
		.name = call_string(call, "name"),
		.uid = call->uid,
		.limit_bytes = (uint64_t)call_int(call, "limit"),
		.store = call_string(call, "store"),
		.ephemeral = call_bool(call, "ephemeral"),
		.owner = call->connection,
		.done = created,
		.ctx = call,
	};
	int r;

	if (order.name != NULL && !group_name_valid(order.name)) {
		call_invalid(call, "name");
		return;
	}
	if (!cmd_limit_ok(call, order.limit_bytes))
		return;
	r = groups_make(call->hub, &order);
	if (r == -EEXIST)
		call_error(call, "GroupExists",
		    json_pack("{s:s}", "group", order.name));
	else if (r == -ENOENT)
		cmd_no_store(call, order.store,
		    catalog_names(&call->hub->setup->settings->stores));
	else if (r < 0)
		call_failed(call, "the group cannot be made", r);
}

const struct cmd cmd_create_group = {
	.interface = CMD_INTERFACE,
	.name = "CreateGroup",
	.params = {
	    { "name", CMD_STRING, true },
	    { "limit", CMD_SIZE, false },
	    { "ephemeral", CMD_BOOL, false },
	    { "store", CMD_STRING, true },
	},
	.run = create_group,
};
