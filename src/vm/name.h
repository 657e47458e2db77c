/*
 * name.h: what a user calls an object or a snapshot
 */
#ifndef NAME_H
#define NAME_H

#include <stdbool.h>

#define NAME_BYTES 64 /* with its NUL */

/* => one to NAME_BYTES - 1 printable ASCII characters */
bool name_valid(const char *);
/* => to is filled to its end; name must be valid */
void name_set(char to[NAME_BYTES], const char *name);

#endif
