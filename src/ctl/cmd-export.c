/*
 * cmd-export.c: a snapshot as an ELF core, for a debugger
 *
 * What is written to is ours; the daemon takes the descriptor from us.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "nbdcopy.h"
#include "size.h"
#include "varlink.h"

static bool
is_stdout(const char *file)
{
	return strcmp(file, "-") == 0;
}

static void
tell(const char *file, const json_t *answer)
{
	char bytes[SIZE_TEXT_MAX], data[SIZE_TEXT_MAX];
	int64_t lost = json_int(answer, "unreadable");

	size_format((uint64_t)json_int(answer, "bytes"), bytes);
	size_format((uint64_t)json_int(answer, "data"), data);
	if (!is_stdout(file))
		printf("%s: %s, %s of it data\n", file, bytes, data);
	if (lost > 0) {
		size_format((uint64_t)lost, data);
		ctl_error("%s could not be read, and are zero in the file",
		    data);
	}
}

/* => it is all in there, or an error was said */
static int
export_into(struct ctl *ctl, int fd, json_t **answer)
{
	return daemon_ask(ctl, "ExportSnapshot",
	    json_pack("{s:o, s:i}", "name", json_from_text(ctl->argv[0]), "fd",
		fd),
	    VARLINK_LATE, answer);
}

/* A new file gets its name when it is whole. */
static int
export_as(struct ctl *ctl, int fd, const char *part)
{
	const char *file = ctl->argv[1];
	json_t *answer = NULL;
	int status = export_into(ctl, fd, &answer);

	if (status == CTL_OK && rename(part, file) < 0) {
		ctl_error("%s: %s", file, strerror(errno));
		status = CTL_FAILED;
	}
	if (status == CTL_OK)
		tell(file, answer);
	json_decref(answer);
	return status;
}

static int
export_new(struct ctl *ctl)
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
		status = export_as(ctl, fd, part);
		if (status != CTL_OK)
			(void)unlink(part);
		close(fd);
	}
	free(part);
	return status;
}

/* => a block device, or what stdout is; -1 */
static int
open_existing(const char *file)
{
	int fd;

	if (!is_stdout(file)) {
		fd = open(file, O_WRONLY | O_EXCL | O_CLOEXEC);
		if (fd < 0)
			ctl_error("%s: %s", file, strerror(errno));
		return fd;
	}
	if (isatty(STDOUT_FILENO)) {
		ctl_error("a core is nothing for a terminal: name a file, or "
			  "send the output to one");
		return -1;
	}
	return dup(STDOUT_FILENO);
}

static int
export_existing(struct ctl *ctl)
{
	json_t *answer = NULL;
	int fd = open_existing(ctl->argv[1]), status;

	if (fd < 0)
		return CTL_FAILED;
	status = export_into(ctl, fd, &answer);
	if (status == CTL_OK)
		tell(ctl->argv[1], answer);
	json_decref(answer);
	close(fd);
	return status;
}

/* What the server says matters more than that the pipe broke. */
static int
export_nbd(struct ctl *ctl)
{
	json_t *answer = NULL;
	struct nbdcopy *copy;
	int fd, status;

	if (nbdcopy_start(ctl->argv[1], &copy, &fd) < 0)
		return CTL_FAILED;
	status = export_into(ctl, fd, &answer);
	close(fd);
	if (nbdcopy_end(copy) < 0)
		status = CTL_FAILED;
	if (status == CTL_OK)
		tell(ctl->argv[1], answer);
	json_decref(answer);
	return status;
}

static int export(struct ctl *ctl)
{
	const char *file = ctl->argv[1];
	struct stat st;

	if (nbdcopy_is_uri(file))
		return export_nbd(ctl);
	if (is_stdout(file) || (stat(file, &st) == 0 && S_ISBLK(st.st_mode)))
		return export_existing(ctl);
	return export_new(ctl);
}

const struct ctl_command cmd_export = {
	.name = "export",
	.args = "NAME FILE",
	.help = "Write a snapshot as an ELF core, for gdb.",
	.min_args = 2,
	.max_args = 2,
	.run = export,
};
