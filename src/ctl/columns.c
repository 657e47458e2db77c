/*
 * columns.c: rows of cells, printed in aligned columns
 */
#include "columns.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "assert.h"
#include "ctl.h"
#include "size.h"

static void
take(struct columns *c, char *text)
{
	if (c->ncells == c->capacity) {
		c->capacity = c->capacity == 0 ? 64 : 2 * c->capacity;
		c->cells =
		    reallocarray(c->cells, c->capacity, sizeof(c->cells[0]));
		if (c->cells == NULL) {
			ctl_error("out of memory");
			exit(CTL_FAILED);
		}
	}
	c->cells[c->ncells++] = text;
}

void
columns_init(struct columns *c, const char *const *headings)
{
	memset(c, 0, sizeof(*c));
	for (; headings[c->ncolumns] != NULL; c->ncolumns++) {
		ASSERT(c->ncolumns < COLUMNS_MAX);
		c->headings[c->ncolumns] = headings[c->ncolumns];
	}
	for (size_t i = 0; i < c->ncolumns; i++)
		columns_text(c, c->headings[i] + (c->headings[i][0] == '>'));
}

void
columns_fini(struct columns *c)
{
	for (size_t i = 0; i < c->ncells; i++)
		free(c->cells[i]);
	free(c->cells);
}

void
columns_text(struct columns *c, const char *text)
{
	take(c, ctl_printable(ctl_format("%s", text)));
}

void
columns_int(struct columns *c, int64_t n)
{
	take(c, ctl_format("%" PRId64, n));
}

void
columns_size(struct columns *c, int64_t bytes)
{
	char text[SIZE_TEXT_MAX];

	columns_text(c, size_format(bytes < 0 ? 0 : (uint64_t)bytes, text));
}

void
columns_time(struct columns *c, int64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double n = ns < 0 ? 0 : (double)ns;
	size_t unit = 0;

	for (; n >= 999.5 && unit < 3; unit++)
		n /= 1000;
	take(c, ctl_format("%.*f%s", unit > 0 && n < 9.95, n, units[unit]));
}

/* Characters of UTF-8, as a terminal counts them for most scripts. */
static int
width_of(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++) {
		if (((unsigned char)*text & 0xc0) != 0x80)
			width++;
	}
	return width;
}

/*
 * => gap: blanks owed before the next cell that is not empty, so that no line
 *    ends in them
 */
static void
print_cell(FILE *f, const char *text, int width, bool right, int *gap)
{
	int pad = width - width_of(text);

	if (right)
		*gap += pad;
	if (text[0] != '\0') {
		fprintf(f, "%*s%s", *gap, "", text);
		*gap = 0;
	}
	*gap += (right ? 0 : pad) + 2;
}

void
columns_print(struct columns *c, FILE *f)
{
	int widths[COLUMNS_MAX] = { 0 };
	int gap = 0;
	size_t column;

	ASSERT(c->ncells % c->ncolumns == 0);
	for (size_t i = 0; i < c->ncells; i++) {
		column = i % c->ncolumns;
		if (width_of(c->cells[i]) > widths[column])
			widths[column] = width_of(c->cells[i]);
	}
	for (size_t i = 0; i < c->ncells; i++) {
		column = i % c->ncolumns;
		if (column == 0)
			gap = 0;
		print_cell(f, c->cells[i], widths[column],
		    c->headings[column][0] == '>', &gap);
		if (column + 1 == c->ncolumns)
			putc('\n', f);
	}
}
