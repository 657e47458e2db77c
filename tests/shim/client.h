/*
 * client.h: what the files of the client program share
 *
 *	client.c	the commands, and what a program does to itself
 *	client-proc.c	children, other programs, ends
 *	client-mmap.c	new mappings, and doorbells
 *
 * A command answers with one line; its argument is the rest of its own.
 */
#ifndef SHIM_TEST_CLIENT_H
#define SHIM_TEST_CLIENT_H

#include <sys/types.h>

#include <stddef.h>

#define PAGE 4096ul

struct command {
	const char *name; /* NULL ends a table */
	void (*run)(const char *arg);
};

extern const struct command proc_commands[];
extern const struct command mmap_commands[];

extern unsigned char *memory; /* the range that a test adopts */

void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void say_result(int ret);  /* "ok" unless it is not 0: then errno */
void say_child(pid_t pid); /* when it has ended: how */
/* => 0, or -1 at the end of stdin */
int read_line(char *line, size_t size);
/* What every byte of a page of memory is. */
unsigned char pattern(size_t page);
int intact(void); /* => is memory as it was written? */
/* fresh HOW: a new mapping, used and checked */
void cmd_fresh(const char *arg);

#endif
