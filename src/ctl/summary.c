/*
 * summary.c: the JSON object at the end of `run --summary`
 */
#include "summary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "json.h"

#define STORE_PAGE 4096

/* Members that are the group's. */
static const char *const from_group[] = { "limit", "peak", "usage", "faults",
	"evicted_pages", "refault_pages", "stored_pages", "stored_bytes",
	"wait_us", NULL };

int
summary_open(struct summary *s, bool wanted, const char *file)
{
	int r;

	s->fd = -1;
	if (!wanted)
		return 0;
	if (file == NULL)
		s->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		s->fd =
		    open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (s->fd >= 0)
		return 0;
	r = -errno;
	ctl_error("cannot write the summary to %s: %s; name another file",
	    file != NULL ? file : "standard error", strerror(-r));
	return r;
}

void
summary_close(struct summary *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void
summary_start(struct summary *s)
{
	clock_gettime(CLOCK_MONOTONIC, &s->start);
}

static double
seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) +
	       (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static json_t *
words(char *const *argv)
{
	json_t *list = json_array();

	for (; *argv != NULL; argv++)
		json_array_append_new(list, json_from_text(*argv));
	return list;
}

static json_t *
ratio_of(const json_t *group)
{
	int64_t pages = json_int(group, "stored_pages");
	int64_t bytes = json_int(group, "stored_bytes");

	if (bytes <= 0)
		return json_null();
	return json_real((double)pages * STORE_PAGE / (double)bytes);
}

static void
add_group(json_t *object, const json_t *group)
{
	const char *const *name;
	json_t *value;

	for (name = from_group; *name != NULL; name++) {
		value = json_object_get(group, *name);
		json_object_set_new(object, *name,
		    value != NULL ? json_incref(value) : json_null());
	}
	json_object_set_new(object, "ratio", ratio_of(group));
}

static int
write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, text, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int
write_line(const struct summary *s, const json_t *object)
{
	char *text = json_dumps(object, JSON_REAL_PRECISION(6));
	char *line;
	int r;

	if (text == NULL)
		return -ENOMEM;
	line = ctl_format("%s\n", text);
	r = write_all(s->fd, line, strlen(line));
	free(line);
	free(text);
	return r;
}

int
summary_write(const struct summary *s, char *const *argv, int status,
    const json_t *group, bool managed, const char *reason)
{
	json_t *object;
	int r;

	if (s->fd < 0)
		return 0;
	object = json_pack("{s:o, s:i, s:f, s:b, s:s?}", "command", words(argv),
	    "exit_status", status, "seconds", seconds_since(&s->start),
	    "managed", managed, "reason", reason);
	add_group(object, group);
	r = write_line(s, object);
	json_decref(object);
	if (r != 0)
		ctl_error("cannot write the summary: %s; see where it goes",
		    strerror(-r));
	return r;
}
