/*
 * paths.c: where the daemon, the shim and the sockets are
 *
 *	installed	PREFIX/bin/pagerctl
 *			PREFIX/bin/pagerd
 *			PREFIX/LIBDIR/pagerd/libpagerd-preload.so
 *	built		BUILD/src/ctl/pagerctl
 *			BUILD/src/pagerd
 *			BUILD/src/shim/libpagerd-preload.so
 *
 * LIBDIR is known from the build, PREFIX from where pagerctl is: so a tree
 * that was moved, or unpacked into a home directory, works.
 */
#include "paths.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pagerd/protocol.h"

#define SHIM "libpagerd-preload.so"
#define CONTROL "/pagerd/control"

/* => exe is END/pagerctl: returns the length of what stands before END */
static bool
ends_in(const char *exe, const char *end, int *len)
{
	const char *slash = strrchr(exe, '/');
	size_t n = strlen(end), dir;

	if (slash == NULL)
		return false;
	dir = (size_t)(slash - exe);
	if (dir < n || memcmp(exe + dir - n, end, n) != 0)
		return false;
	*len = (int)(dir - n);
	return true;
}

char *
paths_shim_of(const char *exe)
{
	int len;

	if (ends_in(exe, "/src/ctl", &len))
		return ctl_format("%.*s/src/shim/" SHIM, len, exe);
	if (PAGERD_LIBDIR[0] == '/')
		return ctl_format("%s/pagerd/" SHIM, PAGERD_LIBDIR);
	if (ends_in(exe, "/bin", &len))
		return ctl_format("%.*s/%s/pagerd/" SHIM, len, exe,
		    PAGERD_LIBDIR);
	return ctl_format("%s/%s/pagerd/" SHIM, PAGERD_PREFIX, PAGERD_LIBDIR);
}

char *
paths_daemon_of(const char *exe)
{
	int len;

	if (ends_in(exe, "/src/ctl", &len))
		return ctl_format("%.*s/src/pagerd", len, exe);
	if (ends_in(exe, "/bin", &len))
		return ctl_format("%.*s/bin/pagerd", len, exe);
	return ctl_format("%s/bin/pagerd", PAGERD_PREFIX);
}

static char *
from_env_or_exe(const char *variable, char *(*of)(const char *exe))
{
	const char *value = getenv(variable);
	char exe[PATH_MAX];
	ssize_t n;

	if (value != NULL && value[0] != '\0')
		return ctl_format("%s", value);
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n < 0)
		return NULL;
	exe[n] = '\0';
	return of(exe);
}

char *
paths_shim(void)
{
	return from_env_or_exe(PATHS_ENV_PRELOAD, paths_shim_of);
}

char *
paths_daemon(void)
{
	return from_env_or_exe(PATHS_ENV_DAEMON, paths_daemon_of);
}

static char *
user_control(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char *path;

	if (geteuid() == 0 || dir == NULL || dir[0] != '/')
		return NULL;
	path = ctl_format("%s" CONTROL, dir);
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	return NULL;
}

/* => of the daemon that manages us, which may be a private one */
static char *
own_control(void)
{
	const char *client = getenv(PAGERD_ENV_SOCKET);
	const char *slash = client != NULL ? strrchr(client, '/') : NULL;

	if (slash == NULL)
		return NULL;
	return ctl_format("%.*s/control", (int)(slash - client), client);
}

char *
paths_control(const struct ctl *ctl, bool *named)
{
	const char *value = ctl->value[OPT_SOCKET];
	char *path;

	if (value == NULL)
		value = getenv(PATHS_ENV_SOCKET);
	*named = value != NULL && value[0] != '\0';
	if (*named)
		return ctl_format("%s", value);
	path = own_control();
	if (path == NULL)
		path = user_control();
	return path != NULL ? path : ctl_format("/run" CONTROL);
}
