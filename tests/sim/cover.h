/*
 * cover.h: did the runs do what they are there for?
 */
#ifndef COVER_H
#define COVER_H

#include <stdbool.h>
#include <stdint.h>

/* => prints how often each thing happened */
void cover_print(void);
/* => has everything happened? */
bool cover_complete(void);
/* => prints what never happened; its number */
uint32_t cover_missing(void);

#endif
