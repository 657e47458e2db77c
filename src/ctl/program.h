/*
 * program.h: a command's file, and whether the shim can enter it
 */
#ifndef PROGRAM_H
#define PROGRAM_H

/*
 * program_find: look for name as execvp() does
 *
 * => returns 0; CTL_NOT_FOUND or CTL_NOT_EXECUTABLE, said
 * => *path is the caller's to free
 */
int program_find(const char *name, char **path);

/*
 * program_obstacle: why the shim cannot enter path, which is executable
 *
 * => NULL: nothing is in its way as far as can be seen; else one clause
 *    ("it is linked statically"), the caller's to free
 * => a script is judged by its interpreter, also one found by env(1)
 */
char *program_obstacle(const char *path);

#endif
