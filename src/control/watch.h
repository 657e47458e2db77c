/*
 * watch.h: how much memory the groups use, and what of it is to be adopted
 *
 * => control thread
 */
#ifndef WATCH_H
#define WATCH_H

struct hub;
struct roster_group;
struct roster_space;

/* => without alarms it works as well, but looks more often */
void watch_start(struct hub *);

/* Its limit has changed: sample it now, and from now on. */
void watch_group(struct roster_group *);

/* Who is in it has changed: sample it before that can have led to a mark. */
void watch_joined(struct roster_group *);

/* Fresh numbers for a listing; decides nothing. */
void watch_refresh(struct roster_group *);

/* Look for mappings to adopt (NOTICE_SCAN). */
void watch_scan(struct roster_space *);

/* The space is about to leave the roster. */
void watch_forget(struct roster_space *);

/* No more samples: the daemon stops. */
void watch_stop(struct hub *);
void watch_end(struct hub *); /* the loop is about to end */

#endif
