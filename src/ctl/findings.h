/*
 * findings.h: what doctor found, in the form of org.pagerd's Finding
 *
 * A list is a JSON array of {"source", "name", "what", "text", "advice"}.
 */
#ifndef FINDINGS_H
#define FINDINGS_H

#include <jansson.h>
#include <stdbool.h>

#include "ctl.h"
#include "feature.h"

/* => advice may be NULL; fmt makes the text */
void findings_add(json_t *list, const char *name, enum finding_level,
    const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* The kernel, as this process sees it; relaxed: nothing is worse than warn. */
void findings_kernel(json_t *list, bool relaxed);

/* Limits and settings of this machine, and where the shim and daemon are. */
void findings_settings(json_t *list, bool relaxed);

#endif
