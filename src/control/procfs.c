#include "procfs.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NFILES 6

static int
open_file(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
procfs_open_all(pid_t pid, int *fds)
{
	static const char *const names[NFILES] = { "mem", "pagemap", "maps",
		"smaps", "smaps_rollup", "statm" };
	int i, error;

	for (i = 0; i < NFILES; i++) {
		fds[i] = open_file(pid, names[i]);
		if (fds[i] < 0) {
			error = fds[i];
			while (i-- > 0)
				close(fds[i]);
			return error;
		}
	}
	return 0;
}

static char *
read_whole(FILE *f, size_t *len)
{
	char *text = NULL, *more;
	size_t n = 0, size = 0;

	do {
		size = size == 0 ? 4096 : 2 * size;
		more = realloc(text, size);
		if (more == NULL) {
			free(text);
			return NULL;
		}
		text = more;
		n += fread(text + n, 1, size - 1 - n, f);
	} while (n == size - 1);
	text[n] = '\0';
	*len = n;
	return text;
}

char *
procfs_read(pid_t pid, const char *name, size_t *len)
{
	int fd = open_file(pid, name);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	char *text;

	if (f == NULL) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	text = read_whole(f, len);
	fclose(f);
	return text;
}

/* => false: it is no line of maps */
static bool
parse_line(char *line, struct procfs_vma *v)
{
	char perms[5];
	int path = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n",
		&v->start, &v->end, perms, &v->offset, &path) != 4)
		return false;
	v->prot = (perms[0] == 'r' ? PROT_READ : 0) |
		  (perms[1] == 'w' ? PROT_WRITE : 0) |
		  (perms[2] == 'x' ? PROT_EXEC : 0);
	v->shared = perms[3] == 's';
	v->path = path > 0 ? line + path : "";
	return true;
}

int
procfs_maps(pid_t pid, int (*vma)(void *ctx, const struct procfs_vma *),
    void *ctx)
{
	char *text, *line, *rest;
	struct procfs_vma v;
	size_t len;
	int r = 0;

	rest = text = procfs_read(pid, "maps", &len);
	if (text == NULL)
		return errno != 0 ? -errno : -ENOMEM;
	while (r == 0 && (line = strsep(&rest, "\n")) != NULL) {
		if (parse_line(line, &v))
			r = vma(ctx, &v);
	}
	free(text);
	return r;
}
