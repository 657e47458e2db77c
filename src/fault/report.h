/*
 * report.h: the model as the control plane shows it
 */
#ifndef REPORT_H
#define REPORT_H

struct mail_groups;
struct mail_objects;
struct mail_regions;
struct mail_spaces;
struct mail_stats;
struct mail_stores;
struct mail_usage;
struct pager;

void report_groups(struct pager *, struct mail_groups *);
void report_spaces(struct pager *, struct mail_spaces *);
void report_objects(struct pager *, struct mail_objects *);
/* => slices, bounded in the work they take; 0 or -ESRCH */
int report_regions(struct pager *, struct mail_regions *);
int report_usage(struct pager *, struct mail_usage *);
void report_stores(struct pager *, struct mail_stores *);
void report_stats(struct pager *, struct mail_stats *);

#endif
