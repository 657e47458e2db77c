#include "name.h"

#include <string.h>

#include "assert.h"

bool
name_valid(const char *name)
{
	size_t n = strnlen(name, NAME_BYTES);

	if (n == 0 || n == NAME_BYTES)
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] < ' ' || name[i] > '~')
			return false;
	return true;
}

void
name_set(char to[NAME_BYTES], const char *name)
{
	ASSERT(name_valid(name));
	memset(to, 0, NAME_BYTES);
	memcpy(to, name, strlen(name));
}
