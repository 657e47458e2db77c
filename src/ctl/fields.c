/*
 * fields.c: an object's members, one a line
 */
#include "fields.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctl.h"
#include "json.h"
#include "size.h"

static char *
value_of(const json_t *object, const struct field *f)
{
	char size[SIZE_TEXT_MAX];
	int64_t n = json_int(object, f->name);

	switch (f->kind) {
	case FIELD_TEXT:
		return ctl_format("%s", json_text(object, f->name));
	case FIELD_FLAG:
		return ctl_format(json_flag(object, f->name) ? "yes" : "no");
	case FIELD_US:
		return ctl_format("%.3f s", (double)n / 1e6);
	case FIELD_LIMIT:
	case FIELD_SIZE:
		if (n == 0 && f->kind == FIELD_LIMIT)
			return ctl_format("none");
		size_format(n < 0 ? 0 : (uint64_t)n, size);
		return ctl_format("%s", size);
	case FIELD_INT:
		break;
	}
	return ctl_format("%lld", (long long)n);
}

void
fields_print(const json_t *object, const struct field *f)
{
	char *value;

	for (; f->name != NULL; f++) {
		value = ctl_printable(value_of(object, f));
		printf("  %-16s %s\n", f->label, value);
		free(value);
	}
}
