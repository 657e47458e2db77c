/*
 * commands.h: one object for each cmd-*.c
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "ctl.h"

extern const struct ctl_command cmd_run;
extern const struct ctl_command cmd_list;
extern const struct ctl_command cmd_show;
extern const struct ctl_command cmd_regions;
extern const struct ctl_command cmd_map;
extern const struct ctl_command cmd_limit;
extern const struct ctl_command cmd_reclaim;
extern const struct ctl_command cmd_snapshot;
extern const struct ctl_command cmd_snapshots;
extern const struct ctl_command cmd_export;
extern const struct ctl_command cmd_drop;
extern const struct ctl_command cmd_shared;
extern const struct ctl_command cmd_unlink;
extern const struct ctl_command cmd_stores;
extern const struct ctl_command cmd_drain;
extern const struct ctl_command cmd_stats;
extern const struct ctl_command cmd_check;
extern const struct ctl_command cmd_doctor;
extern const struct ctl_command cmd_log_level;
extern const struct ctl_command cmd_version;
extern const struct ctl_command cmd_help;

#endif
