/*
 * util.c: messages, and numbers as people write them
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "size.h"

char *
ctl_printable(char *text)
{
	unsigned char *p = (unsigned char *)text;

	for (; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		/* C1 controls, which some terminals obey in UTF-8 too */
		else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
	return text;
}

static char *
format(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0) {
		fputs("pagerctl: out of memory\n", stderr);
		exit(CTL_FAILED);
	}
	return text;
}

char *
ctl_format(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	return text;
}

void
ctl_error(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	fprintf(stderr, "pagerctl: %s\n", ctl_printable(text));
	free(text);
}

int
ctl_size(const char *what, const char *text, bool none_ok, uint64_t *bytes)
{
	int r = 0;

	if (none_ok && strcmp(text, "none") == 0)
		*bytes = 0;
	else
		r = size_parse(text, bytes);
	if (r == 0 && *bytes > INT64_MAX)
		r = -ERANGE;
	if (r == -ERANGE)
		ctl_error("%s '%s' is too large; give less than 8388608T", what,
		    text);
	else if (r != 0)
		ctl_error("%s '%s' is not a size; give a whole number of bytes "
			  "or one with K, M, G or T, as in 512M",
		    what, text);
	return r != 0 ? -EINVAL : 0;
}

int
ctl_pid(const char *text, int *pid)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
	    n < 1 || n > INT_MAX) {
		ctl_error("'%s' is not a process id; see pagerctl list", text);
		return -EINVAL;
	}
	*pid = (int)n;
	return 0;
}
