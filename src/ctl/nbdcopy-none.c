/*
 * nbdcopy-none.c: without libnbd
 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "nbdcopy.h"

bool
nbdcopy_is_uri(const char *text)
{
	return strncmp(text, "nbd", 3) == 0 && strstr(text, "://") != NULL;
}

int
nbdcopy_start(const char *uri, struct nbdcopy **out, int *fd)
{
	(void)out;
	(void)fd;
	ctl_error("'%s': this pagerctl was built without libnbd; pipe "
		  "'pagerctl export NAME -' into nbdcopy(1)",
	    uri);
	return -1;
}

int
nbdcopy_end(struct nbdcopy *c)
{
	(void)c;
	abort(); /* none was started */
}
