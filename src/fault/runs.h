/*
 * runs.h: a space as runs of pages that are in the same state
 */
#ifndef RUNS_H
#define RUNS_H

struct mail_map;
struct pager;

/* => a slice, bounded in the work it takes; 0 or -ESRCH */
int runs_report(struct pager *, struct mail_map *);

#endif
