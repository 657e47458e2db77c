/*
 * plane.h: the fault plane's thread and loop
 */
#ifndef PLANE_H
#define PLANE_H

struct backend;
struct plane;
struct planes;

/* => starts the thread; planes and store outlive it; 0 or -errno */
int plane_start(struct planes *, struct backend *store, struct plane **);
/* => ends the thread (after MAIL_STOP was answered) and frees the plane */
void plane_join(struct plane *);

#endif
