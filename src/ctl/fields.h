/*
 * fields.h: an object's members, one a line
 */
#ifndef FIELDS_H
#define FIELDS_H

#include <jansson.h>

enum field_kind {
	FIELD_TEXT,
	FIELD_INT,
	FIELD_SIZE,
	FIELD_LIMIT, /* a size; 0 is none */
	FIELD_FLAG,
	FIELD_US, /* microseconds, shown as seconds */
};

struct field {
	const char *name; /* of the member; NULL ends the array */
	const char *label;
	enum field_kind kind;
};

void fields_print(const json_t *object, const struct field *);

#endif
