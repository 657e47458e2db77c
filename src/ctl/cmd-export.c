/*
 * cmd-export.c: a snapshot as an ELF core, for a debugger
 *
 * The file is ours; the daemon takes the descriptor from us.  It gets its name
 * when it is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "size.h"
#include "varlink.h"

static void
tell(const char *file, const json_t *answer)
{
	char bytes[SIZE_TEXT_MAX], data[SIZE_TEXT_MAX];
	int64_t lost = json_int(answer, "unreadable");

	size_format((uint64_t)json_int(answer, "bytes"), bytes);
	size_format((uint64_t)json_int(answer, "data"), data);
	printf("%s: %s, %s of it data\n", file, bytes, data);
	if (lost > 0) {
		size_format((uint64_t)lost, data);
		ctl_error("%s could not be read, and are zero in the file",
		    data);
	}
}

static int
export_to(struct ctl *ctl, int fd, const char *part)
{
	const char *file = ctl->argv[1];
	json_t *answer = NULL;
	int status;

	status = daemon_ask(ctl, "ExportSnapshot",
	    json_pack("{s:o, s:i}", "name", json_from_text(ctl->argv[0]), "fd",
		fd),
	    VARLINK_LATE, &answer);
	if (status == CTL_OK && rename(part, file) < 0) {
		ctl_error("%s: %s", file, strerror(errno));
		status = CTL_FAILED;
	}
	if (status == CTL_OK)
		tell(file, answer);
	json_decref(answer);
	return status;
}

static int export(struct ctl *ctl)
{
	int fd, status = CTL_FAILED;
	char *part;

	if (asprintf(&part, "%s.XXXXXX", ctl->argv[1]) < 0)
		return CTL_FAILED;
	/* Memory may hold what nobody else is to read: mode 0600. */
	fd = mkostemp(part, O_CLOEXEC);
	if (fd < 0) {
		ctl_error("%s: %s", part, strerror(errno));
	} else {
		status = export_to(ctl, fd, part);
		if (status != CTL_OK)
			(void)unlink(part);
		close(fd);
	}
	free(part);
	return status;
}

const struct ctl_command cmd_export = {
	.name = "export",
	.args = "NAME FILE",
	.help = "Write a snapshot as an ELF core, for gdb.",
	.min_args = 2,
	.max_args = 2,
	.run = export,
};
