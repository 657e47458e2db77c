/*
 * daemon.h: asking the daemon, and telling the person when that fails
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <jansson.h>

#include "ctl.h"

struct varlink;

/* => 0, or -errno, said */
int daemon_connect(const struct ctl *, struct varlink **);

/*
 * daemon_call: call METHOD of org.pagerd
 *
 * => parameters: reference taken; NULL: none, or what could not be made
 * => returns 0, or -errno or VARLINK_ERROR, said
 */
int daemon_call(struct varlink *, const char *method, json_t *parameters,
    int seconds, json_t **answer);

/* => connect, one call, and close; returns CTL_OK or CTL_FAILED */
int daemon_ask(const struct ctl *, const char *method, json_t *parameters,
    int seconds, json_t **answer);

/* => one line for a result of varlink_call(), the caller's to free */
char *daemon_failure(int r, const json_t *answer);

#endif
