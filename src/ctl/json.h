/*
 * json.h: reading answers and printing them
 *
 * A member that is missing, or of another type, reads as 0, "" or false:
 * an older daemon's answer still prints.
 */
#ifndef JSON_H
#define JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

int64_t json_int(const json_t *object, const char *name);
const char *json_text(const json_t *object, const char *name);
bool json_flag(const json_t *object, const char *name);

/* => a string of whatever bytes: what is not UTF-8 becomes '?' */
json_t *json_from_text(const char *text);

/* => prints to standard output, and drops the reference */
void json_print(json_t *);

#endif
