/*
 * cmd-export-snapshot.c: ExportSnapshot
 */
#include <errno.h>
#include <unistd.h>

#include "cmd.h"
#include "export.h"
#include "hub.h"
#include "snapshots.h"
#include "varlink.h"

static void
exported(void *ctx, const struct elfcore_stats *stats, int result)
{
	struct call *call = ctx;

	if (result < 0)
		call_failed(call, "the core was not written", result);
	else
		call_reply(call,
		    json_pack("{s:I, s:I, s:I}", "bytes",
			(json_int_t)stats->file_bytes, "data",
			(json_int_t)stats->data_bytes, "unreadable",
			(json_int_t)stats->unreadable_bytes));
}

static void export(struct call *call)
{
	struct snapshot *s = cmd_snapshot(call, "name");
	int fd;

	if (s == NULL)
		return;
	fd = call_fd(call, "fd");
	if (fd < 0)
		call_invalid(call, "fd");
	else
		export_start(call->hub, s, fd, exported, call);
}

const struct cmd cmd_export_snapshot = {
	.interface = CMD_INTERFACE,
	.name = "ExportSnapshot",
	.params = {
	    { "name", CMD_STRING, false },
	    { "fd", CMD_SIZE, false },
	},
	.run = export,
};
