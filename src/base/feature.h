/*
 * feature.h: what this kernel offers to this process, found out once
 *
 * PAGERD_MASK_FEATURES=move,poison,... (names as in features_list[]) makes
 * features look absent, for tests.
 *
 * Not features.h: <features.h> is the C library's, and would be shadowed.
 */
#ifndef FEATURE_H
#define FEATURE_H

#include <stdbool.h>
#include <stddef.h>

#define FINDINGS_MAX 24

struct features {        /* const after features_probe() */
	bool device;     /* /dev/userfaultfd can be opened */
	bool wp;         /* write-protect faults of anonymous memory */
	bool events;     /* REMAP, REMOVE, UNMAP */
	bool event_fork; /* and this process may ask for it */
	bool shared;     /* MISSING, MINOR, WP of memory files */
	bool wp_unpopulated;
	bool poison;
	bool move;
	bool io_uring;
	bool memfd;
	bool pidfd;
	bool procmap_query;
	bool memlock;     /* the daemon can lock its own memory */
	int device_errno; /* why not device; ENODEV when masked */
};

enum finding_level {
	FINDING_OK,
	FINDING_WARNING, /* works, but less well */
	FINDING_ERROR,   /* the daemon does not start */
};

struct finding {
	const char *name; /* static */
	enum finding_level level;
	char text[160];     /* one line */
	const char *advice; /* static, one line; NULL: nothing to do */
};

/* => slow (tens of system calls); never fails: what fails is absent */
void features_probe(struct features *);

/* => one finding for each feature; returns how many were written */
size_t features_findings(const struct features *, struct finding *, size_t max);

const char *finding_level_name(enum finding_level); /* "ok", ... */

#endif
