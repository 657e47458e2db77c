/*
 * cmd-shared.c: the memory that programs share by a name
 */
#include <stdio.h>

#include "columns.h"
#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

static const char *const headings[] = { "NAME", ">UID", ">SIZE", ">RESIDENT",
	">OUT", ">MAPS", NULL };

static void
print(const json_t *list)
{
	struct columns c;
	json_t *s;
	size_t i;

	columns_init(&c, headings);
	json_array_foreach(list, i, s)
	{
		columns_text(&c, json_text(s, "name"));
		columns_int(&c, json_int(s, "uid"));
		columns_size(&c, json_int(s, "size"));
		columns_size(&c, json_int(s, "resident"));
		columns_size(&c, json_int(s, "out"));
		columns_int(&c, json_int(s, "maps"));
	}
	columns_print(&c, stdout);
	columns_fini(&c);
}

static int
shared(struct ctl *ctl)
{
	json_t *answer, *list;
	int status;

	status = daemon_ask(ctl, "ListShared", NULL, VARLINK_SOON, &answer);
	if (status != CTL_OK)
		return status;
	list = json_object_get(answer, "shared");
	if (ctl->given[OPT_JSON]) {
		json_print(answer);
		return CTL_OK;
	}
	if (json_array_size(list) == 0)
		puts("no shared memory");
	else
		print(list);
	json_decref(answer);
	return CTL_OK;
}

const struct ctl_command cmd_shared = {
	.name = "shared",
	.args = "",
	.help = "List memory that programs share by a name.",
	.reads = true,
	.run = shared,
};
