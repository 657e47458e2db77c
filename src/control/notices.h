/*
 * notices.h: what the fault plane reports by itself
 */
#ifndef NOTICES_H
#define NOTICES_H

struct notice;

/* => control thread; ctx is the hub */
void notices_take(const struct notice *, void *ctx);

#endif
