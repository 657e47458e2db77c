/*
 * spec.h: how a stack of stores is written
 *
 *	TIER[,TIER]...		the fastest first
 *	TIER = NAME[:ARGS]	as backend_open() takes it, or
 *	       URI		of an NBD server, which is nbd:URI
 *
 * Which names there are, and what ARGS of each may be, is not known here.
 *
 * => pure; any thread
 */
#ifndef SPEC_H
#define SPEC_H

#include <stddef.h>
#include <stdint.h>

#define SPEC_TIERS_MAX 8u

struct spec {
	char *tiers[SPEC_TIERS_MAX]; /* owned; each NAME[:ARGS] */
	uint32_t n;
};

/*
 * => 0; -EINVAL or -ENOMEM, with one line in err that names the tier, but not
 *    what it is: there may be a password in it
 */
int spec_parse(const char *text, struct spec *, char *err, size_t errlen);
void spec_fini(struct spec *); /* accepts one that is all zero */

/*
 * spec_shown: a tier as people may see it, as it was written
 *
 * => the password of a URI is left out; the caller's to free; NULL: no memory
 */
char *spec_shown(const struct spec *, uint32_t tier);

#endif
