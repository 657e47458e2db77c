/*
 * event.h: what a client's kernel says happened to its mappings
 */
#ifndef EVENT_H
#define EVENT_H

struct client;
struct pager;
struct uffd_message;

/* => a fault is queued; an event is applied to the model, FORK makes a client
 */
void event_apply(struct pager *, struct client *, const struct uffd_message *);

#endif
