/*
 * latency.h: a histogram of times, as a type of the interface
 */
#ifndef LATENCY_H
#define LATENCY_H

#include <jansson.h>

struct hist;

json_t *latency_json(const struct hist *);

#endif
