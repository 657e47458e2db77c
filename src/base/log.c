/*
 * log.c: messages for the person who runs the daemon
 *
 * A message is one line and one write(2), so that lines of several processes
 * on one terminal or pipe do not mix.
 */
#include "log.h"

#include <sys/stat.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"

#define LINE_BYTES 1024

static const struct {
	const char *name;
	int priority; /* syslog's */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

#define NLEVELS (sizeof(levels) / sizeof(levels[0]))

static _Atomic int max_level = LOG_LEVEL_INFO; /* any: atomic */
static bool to_journal; /* const after the first message */
static pthread_once_t journal_once = PTHREAD_ONCE_INIT;

void
log_set_level(enum log_level level)
{
	ASSERT((size_t)level < NLEVELS);
	atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

enum log_level
log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&max_level,
	    memory_order_relaxed);
}

int
log_level_parse(const char *name, enum log_level *level)
{
	size_t i;

	for (i = 0; i < NLEVELS; i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *
log_level_name(enum log_level level)
{
	ASSERT((size_t)level < NLEVELS);
	return levels[level].name;
}

/*
 * journal_detect: is stderr the journal's stream?
 *
 * => the variable alone is no proof: a child inherits it together with
 *    another stderr, so the file it names is compared
 */
static void
journal_detect(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (text == NULL || sscanf(text, "%llu:%llu", &dev, &ino) != 2)
		return;
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	to_journal = st.st_dev == (dev_t)dev && st.st_ino == (ino_t)ino;
}

static int
put_prefix(char *line, size_t size, enum log_level level)
{
	if (to_journal)
		return snprintf(line, size, "<%d>", levels[level].priority);
	return snprintf(line, size, "%s: %s: ", getprogname(),
	    levels[level].name);
}

/* Names of clients are in messages: they must not make lines of their own. */
static void
mask_controls(char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			s[i] = '?';
	}
}

void
log_at(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	char line[LINE_BYTES];
	size_t len;
	va_list ap;

	if ((int)level > (int)log_get_level())
		return;
	pthread_once(&journal_once, journal_detect);
	put_prefix(line, sizeof(line), level);
	len = strlen(line);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	len = strlen(line);
	mask_controls(line, len);
	/* The end of the string makes room for the end of the line. */
	line[len++] = '\n';
	/* Where would a failure to log be logged? */
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		continue;
	errno = saved;
}
