/*
 * columns.h: rows of cells, printed in aligned columns
 *
 * Cells are added one by one, row after row.  A heading that starts with '>'
 * makes its column right-aligned, the mark itself is not printed.
 */
#ifndef COLUMNS_H
#define COLUMNS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define COLUMNS_MAX 12

struct columns {
	size_t ncolumns;
	size_t ncells, capacity;
	char **cells; /* headings first */
	const char *headings[COLUMNS_MAX];
};

/* => headings: NULL ends them; they must outlive the columns */
void columns_init(struct columns *, const char *const *headings);
void columns_fini(struct columns *);
void columns_text(struct columns *, const char *text);
void columns_int(struct columns *, int64_t n);
void columns_size(struct columns *, int64_t bytes); /* below 0 shows as 0 */
void columns_time(struct columns *, int64_t ns);    /* likewise */
void columns_print(struct columns *, FILE *);

#endif
