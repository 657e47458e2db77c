/*
 * report.h: the model as the control plane shows it
 */
#ifndef REPORT_H
#define REPORT_H

struct mail_groups;
struct mail_regions;
struct mail_spaces;
struct mail_stats;
struct pager;

void report_groups(struct pager *, struct mail_groups *);
void report_spaces(struct pager *, struct mail_spaces *);
int report_regions(struct pager *, struct mail_regions *); /* 0, -ESRCH */
void report_stats(struct pager *, struct mail_stats *);

#endif
