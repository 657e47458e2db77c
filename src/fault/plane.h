/*
 * plane.h: the fault plane's thread and loop
 */
#ifndef PLANE_H
#define PLANE_H

#include <stdbool.h>

struct backend;
struct plane;
struct planes;

/*
 * => starts the thread; planes and store outlive it; 0 or -errno
 * => dedup: equal pages of a user are stored once
 */
int plane_start(struct planes *, struct backend *store, bool dedup,
    struct plane **);
/*
 * => ends the thread (after MAIL_STOP was answered) and frees the plane; or,
 *    while a file is read that hangs, leaves both to the end of the process
 */
void plane_join(struct plane *);

#endif
