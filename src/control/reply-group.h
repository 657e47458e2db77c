/*
 * reply-group.h: a reply that holds one group's numbers
 *
 * => control thread
 */
#ifndef REPLY_GROUP_H
#define REPLY_GROUP_H

#include <jansson.h>

struct call;
struct roster_group;

/* => ends the call, later; extra (taken over) is the rest of the reply */
void reply_group(struct call *, const struct roster_group *, json_t *extra);

#endif
