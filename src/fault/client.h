/*
 * client.h: one managed process, from attach or fork to its end
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "state.h"

/*
 * => a space and its client, with uffd (owned from here on, also on failure)
 *    watched; 0 or -errno
 */
int client_new(struct pager *, const struct space_record *, int uffd,
    struct client **);
/* => everything of it is gone, descriptors closed; the control plane hears */
void client_free(struct pager *, struct client *);
/* => vm.h's snapshot_gone: nobody needs this holder any more */
void client_end(struct pager *, struct space *);
/* => it broke the protocol: counted, said, freed */
void client_drop(struct pager *, struct client *, const char *why);

/*
 * client_lose_agent: its socket ended
 *
 * => most often the process is gone too, or is another program now: probed
 *    from here on.  If it lives it goes on being served.
 */
void client_lose_agent(struct pager *, struct client *);
/* => freed if its process is gone; returns when to ask again */
uint64_t client_probe(struct pager *, struct client *);

/* => NULL when that space is gone */
struct client *client_get(struct pager *, uint64_t space);

/*
 * client_service: read what its userfaultfd has, apply the events, resolve
 * the faults
 *
 * => does nothing while a batch is MOVING: see evict.c
 * => may free the client (its process is gone)
 */
void client_service(struct pager *, struct client *);

/*
 * client_settled: are its mappings as the model has them?
 *
 * => 0: every event that started before now has been read and applied, and its
 *    waiter has run; -EAGAIN; -ESRCH
 */
int client_settled(const struct client *);
/* => the address is in its agent's area: no memory of the program's */
bool client_in_area(const struct client *, uint64_t addr);
/* => pager_tick() looks at it; or does not any longer */
void client_set_busy(struct pager *, struct client *);
void client_set_idle(struct pager *, struct client *);
/* Something was read: who waits for contents may have them now. */
void clients_ask_again(struct pager *);
/* => the model, or what is staged, changed: tell the gauges */
void client_publish(struct pager *, struct client *);

#endif
