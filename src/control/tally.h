/*
 * tally.h: what pages cost, of one space or of all
 *
 * => control thread
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdint.h>

#include <jansson.h>

struct call;
struct usage_info;

/* Control thread; ends the call, and with it reply. */
typedef void tally_done(struct call *, json_t *reply,
    const struct usage_info *);

/*
 * tally_start: ask slice by slice, so that the fault plane is held up for a
 * short time only
 *
 * => space 0: all; done() gets reply, which is taken over, or the call ends
 *    with an error
 */
void tally_start(struct call *, uint64_t space, json_t *reply,
    tally_done *done);

/* => of two parts of the same */
void tally_add(struct usage_info *to, const struct usage_info *part);

#endif
