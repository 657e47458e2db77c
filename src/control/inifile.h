/*
 * inifile.h: reading INI files, by libinih
 *
 *	[section]
 *	name = value,
 *	    which may go on in lines that begin with a blank
 *
 * What libinih would cut short, silently, is an error here: lines, and names
 * of sections.
 */
#ifndef INIFILE_H
#define INIFILE_H

#include <stddef.h>

/*
 * What is done with a setting: 0, or -errno with one line in err.  The lines
 * of a value are joined by one blank each.
 */
typedef int inifile_take(void *ctx, const char *section, const char *name,
    const char *value, char *err, size_t errlen);

/*
 * inifile_read: one setting after the other, up to the first that is refused
 *
 * => 0, or -errno with "FILE:LINE: what is wrong" in err
 */
int inifile_read(const char *path, inifile_take *, void *ctx, char *err,
    size_t errlen);

#endif
