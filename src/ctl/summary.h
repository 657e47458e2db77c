/*
 * summary.h: the JSON object at the end of `run --summary`
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <jansson.h>
#include <stdbool.h>
#include <time.h>

struct summary {
	int fd; /* -1: none wanted */
	struct timespec start;
};

/* => file NULL: stderr; returns 0 or -errno, said */
int summary_open(struct summary *, bool wanted, const char *file);
void summary_close(struct summary *);
/* => the command starts now */
void summary_start(struct summary *);

/*
 * summary_write: write the object
 *
 * => group: the group at the end; NULL: none, and reason says why
 * => returns 0 or -errno, said
 */
int summary_write(const struct summary *, char *const *argv, int status,
    const json_t *group, bool managed, const char *reason);

#endif
