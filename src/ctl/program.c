/*
 * program.c: a command's file, and whether the shim can enter it
 *
 * The shim comes in by LD_PRELOAD, so it needs the same dynamic loader as
 * pagerctl itself, in a process that has no more rights than its parent: the
 * loader ignores LD_PRELOAD for others.
 *
 *	path -- "#!" --> interpreter -- env --> the program it looks for
 *	  |                  |                          |
 *	  +------------------+--------------------------+--> ELF: judged
 *
 * A file that cannot be read is given the benefit of the doubt.
 */
#include "program.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define SCRIPT_DEPTH 5 /* as deep as the kernel follows #! */
#define PHDRS_MAX 128

/* => 0 or the errno that execve() would give */
static int
try_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

static char *
search_path(const char *name, int *error)
{
	const char *dirs = getenv("PATH");
	char *path, *copy, *rest, *dir;
	int e;

	*error = ENOENT;
	copy = rest = ctl_format("%s", dirs != NULL ? dirs : "/bin:/usr/bin");
	while ((dir = strsep(&rest, ":")) != NULL) {
		path = ctl_format("%s%s%s", dir, dir[0] != '\0' ? "/" : "./",
		    name);
		e = try_executable(path);
		if (e == 0) {
			free(copy);
			return path;
		}
		if (e == EACCES)
			*error = EACCES;
		free(path);
	}
	free(copy);
	return NULL;
}

static char *
find(const char *name, int *error)
{
	if (name[0] == '\0') {
		*error = ENOENT;
		return NULL;
	}
	if (strchr(name, '/') == NULL)
		return search_path(name, error);
	*error = try_executable(name);
	return *error == 0 ? ctl_format("%s", name) : NULL;
}

int
program_find(const char *name, char **path)
{
	int error;
	char *found = find(name, &error);

	if (found != NULL) {
		*path = found;
		return 0;
	}
	if (error == ENOENT || error == ENOTDIR) {
		ctl_error("cannot run '%s': not found; give its path, or "
			  "look at PATH",
		    name);
		return CTL_NOT_FOUND;
	}
	ctl_error("cannot run '%s': %s; it has to be a file that may be "
		  "executed",
	    name, strerror(error));
	return CTL_NOT_EXECUTABLE;
}

/* What is looked at of an ELF file of this machine's kind. */
struct image {
	int fd;
	ElfW(Ehdr) header;
	char loader[PATH_MAX]; /* of PT_INTERP; "": none */
};

static bool
read_loader(struct image *im, const ElfW(Phdr) * ph)
{
	size_t len = ph->p_filesz;

	if (len == 0 || len > sizeof(im->loader))
		return false;
	if (pread(im->fd, im->loader, len, (off_t)ph->p_offset) != (ssize_t)len)
		return false;
	im->loader[len - 1] = '\0';
	return true;
}

static void
find_loader(struct image *im)
{
	ElfW(Phdr) ph;
	off_t at = (off_t)im->header.e_phoff;

	if (im->header.e_phentsize != sizeof(ph))
		return;
	for (int i = 0; i < im->header.e_phnum && i < PHDRS_MAX; i++) {
		if (pread(im->fd, &ph, sizeof(ph), at) != sizeof(ph))
			return;
		if (ph.p_type == PT_INTERP && read_loader(im, &ph))
			return;
		at += sizeof(ph);
	}
}

static bool
same_machine(const struct image *a, const struct image *b)
{
	const unsigned char *x = a->header.e_ident, *y = b->header.e_ident;

	return x[EI_CLASS] == y[EI_CLASS] && x[EI_DATA] == y[EI_DATA] &&
	       a->header.e_machine == b->header.e_machine;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool
read_header(struct image *im)
{
	im->loader[0] = '\0';
	return pread(im->fd, &im->header, sizeof(im->header), 0) ==
	       sizeof(im->header);
}

/* => what is wrong with the ELF file in im, measured by pagerctl itself */
static char *
elf_obstacle(struct image *im)
{
	struct image own;
	char *why = NULL;

	own.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (own.fd < 0 || !read_header(&own)) {
		close(own.fd);
		return NULL;
	}
	find_loader(&own);
	if (!same_machine(im, &own)) {
		why = ctl_format("it is built for another kind of machine");
	} else {
		find_loader(im);
		if (im->loader[0] == '\0')
			why = ctl_format("it is linked statically");
		else if (strcmp(base_name(im->loader), base_name(own.loader)) !=
			 0)
			why = ctl_format("it uses another C library (%s)",
			    im->loader);
	}
	close(own.fd);
	return why;
}

/* => rights that the file gives, and that make the loader careful */
static char *
rights_obstacle(const char *path, int fd)
{
	struct statvfs fs;
	struct stat st;

	if (fstat(fd, &st) != 0 || fstatvfs(fd, &fs) != 0)
		return NULL;
	if ((fs.f_flag & ST_NOSUID) != 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return NULL;
	if ((st.st_mode & S_ISUID) != 0 && st.st_uid != getuid())
		return ctl_format("%s is setuid", path);
	if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    st.st_gid != getgid())
		return ctl_format("%s is setgid", path);
	if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return ctl_format("%s has file capabilities", path);
	return NULL;
}

/* What a script's first line says: "#! interpreter [one argument]". */
struct shebang {
	char line[256 + 1];
	char *interpreter;
	char *argument; /* NULL: none */
};

static bool
read_shebang(int fd, struct shebang *s)
{
	ssize_t n = pread(fd, s->line, sizeof(s->line) - 1, 0);
	size_t len;
	char *p;

	if (n < 3 || s->line[0] != '#' || s->line[1] != '!')
		return false;
	s->line[n] = '\0';
	s->line[strcspn(s->line, "\n")] = '\0';
	for (len = strlen(s->line); len > 2; len--) {
		if (strchr(" \t", s->line[len - 1]) == NULL)
			break;
		s->line[len - 1] = '\0';
	}
	s->interpreter = s->line + 2 + strspn(s->line + 2, " \t");
	p = s->interpreter + strcspn(s->interpreter, " \t");
	s->argument = NULL;
	if (*p != '\0') {
		*p++ = '\0';
		s->argument = p + strspn(p, " \t");
	}
	return s->interpreter[0] != '\0';
}

static char *obstacle(const char *path, int depth);

/* => "-", "-i", "-iS" and the like */
static bool
empties_environment(const char *word)
{
	size_t n;

	if (word[0] != '-')
		return false;
	n = strspn(word + 1, "0iv");
	return word[1] == '\0' || memchr(word + 1, 'i', n) != NULL ||
	       strcmp(word, "--ignore-environment") == 0;
}

/* Words that env(1) looks at before its program: options, settings. */
static char *
env_obstacle(const struct shebang *s, int depth)
{
	char *rest = s->argument, *word, *path, *why;
	int error;

	while ((word = strsep(&rest, " \t")) != NULL) {
		if (empties_environment(word))
			return ctl_format("its first line empties the "
					  "environment");
		if (word[0] == '\0' || word[0] == '-' ||
		    strchr(word, '=') != NULL)
			continue;
		path = find(word, &error);
		why = path != NULL ? obstacle(path, depth - 1) : NULL;
		free(path);
		return why;
	}
	return NULL;
}

static char *
script_obstacle(const struct shebang *s, int depth)
{
	char *why = obstacle(s->interpreter, depth - 1);

	if (why != NULL || s->argument == NULL)
		return why;
	if (strcmp(base_name(s->interpreter), "env") != 0)
		return NULL;
	return env_obstacle(s, depth);
}

static char *
file_obstacle(const char *path, int fd, int depth)
{
	struct image im = { .fd = fd };
	struct shebang s;
	char *why;

	if (read_header(&im) &&
	    memcmp(im.header.e_ident, ELFMAG, SELFMAG) == 0) {
		why = rights_obstacle(path, fd);
		return why != NULL ? why : elf_obstacle(&im);
	}
	if (read_shebang(fd, &s))
		return script_obstacle(&s, depth);
	/* What the kernel does not know is run by the shell: execvp(3). */
	return strcmp(path, "/bin/sh") == 0 ? NULL
					    : obstacle("/bin/sh", depth - 1);
}

static char *
obstacle(const char *path, int depth)
{
	char *why;
	int fd;

	if (depth == 0)
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return NULL;
	why = file_obstacle(path, fd, depth);
	close(fd);
	return why;
}

char *
program_obstacle(const char *path)
{
	return obstacle(path, SCRIPT_DEPTH);
}
