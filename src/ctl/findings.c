/*
 * findings.c: what can be found out without a daemon
 */
#include "findings.h"

#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "paths.h"
#include "size.h"

/* A daemon holds several descriptors for each process that it manages. */
#define NOFILE_WANTED 1024

static void
add(json_t *list, const char *name, enum finding_level level,
    const char *advice, const char *text)
{
	json_array_append_new(list,
	    json_pack("{s:s, s:s, s:s, s:o, s:s?}", "source", "pagerctl",
		"name", name, "what", finding_level_name(level), "text",
		json_from_text(text), "advice",
		level == FINDING_OK ? NULL : advice));
}

void
findings_add(json_t *list, const char *name, enum finding_level level,
    const char *advice, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0) {
		add(list, name, level, advice, text);
		free(text);
	}
	va_end(ap);
}

void
findings_kernel(json_t *list, bool relaxed)
{
	struct finding found[FINDINGS_MAX];
	struct features features;
	size_t n;

	features_probe(&features);
	n = features_findings(&features, found, FINDINGS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (relaxed && found[i].level == FINDING_ERROR)
			found[i].level = FINDING_WARNING;
		add(list, found[i].name, found[i].level, found[i].advice,
		    found[i].text);
	}
}

static void
nofile(json_t *list)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return;
	findings_add(list, "nofile",
	    rl.rlim_cur < NOFILE_WANTED ? FINDING_WARNING : FINDING_OK,
	    "raise it with ulimit -n: a private daemon needs several "
	    "descriptors for each process",
	    "RLIMIT_NOFILE is %llu", (unsigned long long)rl.rlim_cur);
}

/* Whether it is enough is the kernel finding "memlock". */
static void
memlock(json_t *list)
{
	char text[SIZE_TEXT_MAX];
	struct rlimit rl;

	if (getrlimit(RLIMIT_MEMLOCK, &rl) != 0)
		return;
	findings_add(list, "memlock-limit", FINDING_OK, NULL,
	    "RLIMIT_MEMLOCK is %s",
	    rl.rlim_cur == RLIM_INFINITY ? "unlimited"
					 : size_format(rl.rlim_cur, text));
}

/* => the file's first line, or "" */
static void
read_setting(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static void
huge_pages(json_t *list)
{
	char text[128];
	char *open, *close;

	read_setting("/sys/kernel/mm/transparent_hugepage/enabled", text,
	    sizeof(text));
	open = strchr(text, '[');
	close = strchr(text, ']');
	if (open != NULL && close != NULL) {
		*close = '\0';
		findings_add(list, "huge-pages", FINDING_OK, NULL,
		    "transparent huge pages: %s", open + 1);
	} else {
		findings_add(list, "huge-pages", FINDING_OK, NULL,
		    "this kernel has no transparent huge pages");
	}
}

static void
overcommit(json_t *list)
{
	char text[16];
	bool strict;

	read_setting("/proc/sys/vm/overcommit_memory", text, sizeof(text));
	strict = strcmp(text, "2") == 0;
	findings_add(list, "overcommit", strict ? FINDING_WARNING : FINDING_OK,
	    "set vm.overcommit_memory to 0 or 1: strict accounting counts "
	    "memory that is out, too",
	    "vm.overcommit_memory is %s", text[0] != '\0' ? text : "unknown");
}

static void
found_file(json_t *list, const char *name, char *path, int mode,
    enum finding_level missing, const char *advice)
{
	const char *shown = path != NULL ? path : "(no path)";

	if (path != NULL && access(path, mode) == 0)
		findings_add(list, name, FINDING_OK, NULL, "%s", shown);
	else
		findings_add(list, name, missing, advice, "%s: %s", shown,
		    strerror(errno));
	free(path);
}

void
findings_settings(json_t *list, bool relaxed)
{
	nofile(list);
	memlock(list);
	huge_pages(list);
	overcommit(list);
	found_file(list, "shim", paths_shim(), R_OK, FINDING_ERROR,
	    "install libpagerd-preload.so, or name it in " PATHS_ENV_PRELOAD);
	found_file(list, "daemon-program", paths_daemon(), X_OK,
	    relaxed ? FINDING_WARNING : FINDING_ERROR,
	    "install pagerd, or name it in " PATHS_ENV_DAEMON);
}
