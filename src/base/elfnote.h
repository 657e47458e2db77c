/*
 * elfnote.h: the notes of a core file, in memory
 */
#ifndef ELFNOTE_H
#define ELFNOTE_H

#include <stddef.h>
#include <stdint.h>

struct elfcore;

struct elfnotes {
	uint8_t *bytes; /* owned */
	size_t len, capacity;
};

/*
 * elfnotes_make: every note of a core, in the order in which Linux writes
 * them: a thread's notes follow its NT_PRSTATUS, and those of the process
 * stand among the first thread's
 *
 * => 0; -EINVAL (no thread, registers of another machine's size, a mapping
 *    that is none); -ENOMEM
 */
int elfnotes_make(const struct elfcore *, struct elfnotes *);
void elfnotes_fini(struct elfnotes *); /* accepts a zeroed one */

#endif
