/*
 * inifile.c: reading INI files, by libinih
 *
 *	reader() --line--> libinih --part of a value--> part() --whole--> take
 *
 * libinih says of each line of a value which setting it is of, but not that
 * it goes on: that is known from the line itself.  So a setting is kept until
 * the next one begins.
 */
#include "inifile.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#define SECTION_MAX 49 /* characters that libinih keeps of a name */
#define SYNTAX "neither [section] nor name = value: see pagerd.conf(5)"

struct inifile {
	FILE *file;
	inifile_take *take;
	void *ctx;
	int line;     /* the last that was read */
	bool goes_on; /* it began with a blank */

	/* The setting that is kept; value is owned, NULL: there is none. */
	char section[SECTION_MAX + 1], name[SECTION_MAX + 1];
	char *value;
	int begun; /* its line */

	int result;    /* 0, or what was wrong first */
	int bad;       /* its line, or 0 */
	char err[256]; /* and what it was */
};

static void
fail(struct inifile *f, int result, int line, const char *what)
{
	if (f->result != 0)
		return;
	f->result = result;
	f->bad = line;
	if (what != NULL)
		snprintf(f->err, sizeof(f->err), "%s", what);
}

/* What was kept is whole. */
static void
flush(struct inifile *f)
{
	int r;

	if (f->value == NULL)
		return;
	if (f->result == 0) {
		r = f->take(f->ctx, f->section, f->name, f->value, f->err,
		    sizeof(f->err));
		if (r < 0)
			fail(f, r, f->begun, NULL);
	}
	free(f->value);
	f->value = NULL;
}

static void
keep(struct inifile *f, const char *section, const char *name,
    const char *value)
{
	snprintf(f->section, sizeof(f->section), "%s", section);
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->begun = f->line;
	f->value = strdup(value);
	if (f->value == NULL)
		fail(f, -ENOMEM, f->line, "out of memory");
}

/*
 * => bytes before a comment: libinih cuts that off, but not of each line of a
 *    value
 */
static int
length_of(const char *value)
{
	size_t len = 0;

	while (value[len] != '\0' &&
	       !(value[len] == ';' && len > 0 &&
		   isblank((unsigned char)value[len - 1])))
		len++;
	while (len > 0 && isblank((unsigned char)value[len - 1]))
		len--;
	return (int)len;
}

static void
go_on(struct inifile *f, const char *value)
{
	char *whole;

	if (asprintf(&whole, "%s %.*s", f->value, length_of(value), value) <
	    0) {
		fail(f, -ENOMEM, f->line, "out of memory");
		return;
	}
	free(f->value);
	f->value = whole;
}

/* For libinih: always 1, which is "go on". */
static int
part(void *ctx, const char *section, const char *name, const char *value)
{
	struct inifile *f = ctx;

	if (f->goes_on && f->value != NULL) {
		go_on(f, value);
	} else {
		flush(f);
		keep(f, section, name, value);
	}
	return 1;
}

/* Unless the file ends with it, the line means nothing to libinih, then. */
static void
too_long(struct inifile *f, char *line)
{
	int c = getc(f->file);

	if (c == EOF)
		return;
	while (c != EOF && c != '\n')
		c = getc(f->file);
	if (strchr("#;", line[strspn(line, " \t")]) == NULL)
		fail(f, -EINVAL, f->line,
		    "the line is too long: go on in another one, which begins "
		    "with a blank");
	line[0] = '\0';
}

static char *
reader(char *line, int size, void *ctx)
{
	struct inifile *f = ctx;
	size_t len;

	if (fgets(line, size, f->file) == NULL) {
		if (ferror(f->file))
			fail(f, -errno, 0, strerror(errno));
		return NULL;
	}
	f->line++;
	len = strlen(line);
	if (len + 1 == (size_t)size && line[len - 1] != '\n')
		too_long(f, line);
	f->goes_on = isblank((unsigned char)line[0]);
	/* Behind it an indented line begins a setting. */
	if (line[0] == '[')
		flush(f);
	if (line[0] == '[' && strcspn(line, "]") > SECTION_MAX + 1)
		fail(f, -EINVAL, f->line,
		    "the name of the section is too long: choose a shorter "
		    "one");
	return line;
}

static int
parse(struct inifile *f)
{
	int line = ini_parse_stream(reader, f, part, f);

	flush(f);
	if (line != 0)
		fail(f, -EINVAL, line, SYNTAX);
	return f->result;
}

int
inifile_read(const char *path, inifile_take *take, void *ctx, char *err,
    size_t errlen)
{
	struct inifile f = { .take = take, .ctx = ctx };
	int r;

	f.file = fopen(path, "re");
	if (f.file == NULL) {
		snprintf(err, errlen, "%s: %s", path, strerror(errno));
		return -errno;
	}
	r = parse(&f);
	fclose(f.file);
	if (r < 0 && f.bad == 0)
		snprintf(err, errlen, "%s: %s", path, f.err);
	else if (r < 0)
		snprintf(err, errlen, "%s:%d: %s", path, f.bad, f.err);
	return r;
}
