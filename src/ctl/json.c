/*
 * json.c: reading answers and printing them
 */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t
json_int(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

const char *
json_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

bool
json_flag(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

json_t *
json_from_text(const char *text)
{
	json_t *string = json_string(text);
	char *ascii;

	if (string != NULL)
		return string;
	ascii = strdup(text);
	if (ascii == NULL)
		return NULL;
	for (char *p = ascii; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	}
	string = json_string(ascii);
	free(ascii);
	return string;
}

void
json_print(json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
	json_decref(value);
}
