/*
 * survey.h: asking the fault plane for all groups, and all spaces
 *
 * => control thread
 */
#ifndef SURVEY_H
#define SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "planes.h"

struct call;

struct survey {
	struct call *call;
	bool spaces_too;
	struct group_info *groups; /* owned */
	size_t ngroups;
	struct space_info *spaces; /* owned */
	size_t nspaces;
	/* Control thread; ends the call and does not keep the survey. */
	void (*done)(const struct survey *);
	uint64_t which; /* the asker's: a group, or a space */
	json_t *extra;  /* the asker's, owned: goes into the reply */

	struct mail_groups ask_groups;
	struct mail_spaces ask_spaces;
};

/*
 * survey_start: fresh numbers of all groups, and of all spaces if wanted
 *
 * => the call ends with an error, or by done(); template's members up to
 *    spaces_too, done, which and extra are the asker's
 */
void survey_start(const struct survey *template);

/* => NULL: it is gone */
const struct group_info *survey_group(const struct survey *, uint32_t id);
const struct space_info *survey_space(const struct survey *, uint64_t id);

#endif
