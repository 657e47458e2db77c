/*
 * varlink.h: calls over the daemon's control socket
 *
 * One call at a time.  Every wait has a bound.
 */
#ifndef VARLINK_H
#define VARLINK_H

#include <jansson.h>

struct varlink;

#define VARLINK_ERROR 1 /* the other side answered with an error */

#define VARLINK_SOON 30  /* seconds: what the daemon knows */
#define VARLINK_END 5    /* seconds: a person waits for the prompt */
#define VARLINK_LATE 600 /* seconds: what makes it walk or write much */

int varlink_connect(const char *path, struct varlink **); /* 0, -errno */
void varlink_close(struct varlink *);                     /* accepts NULL */

/*
 * varlink_call: call a method and wait for its answer
 *
 * => parameters: reference taken; NULL: none
 * => returns 0: *answer is the answer's parameters
 *    VARLINK_ERROR: *answer is the whole answer, with "error"
 *    -ETIMEDOUT, -ECONNRESET (it hung up), -EPROTO (no Varlink), -errno
 * => after a negative result the connection is of no use any more
 */
int varlink_call(struct varlink *, const char *method, json_t *parameters,
    int seconds, json_t **answer);

#endif
