/*
 * plane.h: the fault plane's thread and loop
 */
#ifndef PLANE_H
#define PLANE_H

#include <stdbool.h>
#include <stdint.h>

struct plane;
struct planes;
struct stack_spec;

/*
 * => starts the thread; planes and stores outlive it; 0 or -errno
 * => dedup: equal pages of a user are stored once
 */
int plane_start(struct planes *, const struct stack_spec *, uint32_t nstacks,
    bool dedup, struct plane **);
/*
 * => ends the thread (after MAIL_STOP was answered) and frees the plane; or,
 *    while a file is read that hangs, leaves both to the end of the process
 */
void plane_join(struct plane *);

#endif
