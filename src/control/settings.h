/*
 * settings.h: what the configuration files and the command line say
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "catalog.h"
#include "log.h"
#include "planes.h"

struct group_setting {
	TAILQ_ENTRY(group_setting) entry;
	char name[GROUP_NAME_MAX];
	uint64_t limit_bytes;
	uid_t uid;
	char store[STORE_NAME_MAX]; /* empty: the default */
};

struct settings { /* const after start */
	enum log_level log_level;
	char *store; /* owned: the NAME of one, or a SPEC */
	struct catalog stores;
	char *socket_dir; /* NULL: none was given, and there is no default */
	bool dedup;       /* equal pages of a user are stored once */
	uint64_t client_timeout_ms;
	bool private; /* ends with its first control connection */
	TAILQ_HEAD(, group_setting) groups;
};

/* => the defaults of tbl/parameters.h; 0 or -ENOMEM */
int settings_init(struct settings *, bool user);
void settings_fini(struct settings *);

/*
 * settings_load: file, or with NULL the files of this kind of instance
 *
 * => 0 or -errno, with "FILE:LINE: what is wrong" in err
 */
int settings_load(struct settings *, bool user, const char *file, char *err,
    size_t errlen);

/* => 0 or -EINVAL, -ENOMEM, and one line in err */
int settings_set(struct settings *, const char *section, const char *name,
    const char *value, char *err, size_t errlen);

/*
 * settings_settle: everything has been read
 *
 * => the stores have numbers, and every one that is named is there; 0 or
 *    -errno, and one line in err
 */
int settings_settle(struct settings *, char *err, size_t errlen);

/* => may a group be called so? */
bool group_name_valid(const char *name);

#endif
