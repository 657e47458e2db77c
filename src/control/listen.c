/*
 * listen.c: the daemon's two listening sockets, made or inherited
 *
 *	DIR/pid		locked while the daemon lives
 *	DIR/client	SOCK_SEQPACKET, the shims
 *	DIR/control	SOCK_STREAM, Varlink
 *
 * A service manager, or `pagerctl run` for a private daemon, may have made
 * the sockets already: LISTEN_PID and LISTEN_FDS of sd_listen_fds(3), read
 * here so that it works without libsystemd.  Who holds the lock owns
 * the directory, so that sockets found there are stale.
 */
#include "listen.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <libutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_FD_FIRST 3
#define BACKLOG 4096

struct opening {
	struct listeners *l;
	const char *dir;
	char *err;
	size_t errlen;
};

static int
fail(struct opening *o, const char *what, const char *path, int error)
{
	snprintf(o->err, o->errlen, "%s %s: %s", what, path, strerror(error));
	return -error;
}

/* => the path that a listening socket of this type is bound to, or NULL */
static char *
inherited_path(int fd, int type)
{
	struct sockaddr_un sun = { 0 };
	int have = 0, listening = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &have, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 ||
	    have != type || !listening)
		return NULL;
	len = sizeof(sun);
	if (getsockname(fd, (struct sockaddr *)&sun, &len) < 0 ||
	    sun.sun_family != AF_UNIX || sun.sun_path[0] != '/')
		return NULL;
	return strndup(sun.sun_path, sizeof(sun.sun_path));
}

/* A socket unit can give all its sockets one name only: the type tells. */
static void
inherit_one(struct listeners *l, int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (l->client < 0) {
		l->client_path = inherited_path(fd, SOCK_SEQPACKET);
		if (l->client_path != NULL) {
			l->client = fd;
			return;
		}
	}
	if (l->control < 0) {
		l->control_path = inherited_path(fd, SOCK_STREAM);
		if (l->control_path != NULL) {
			l->control = fd;
			return;
		}
	}
	close(fd);
}

/* => how many descriptors were passed to this very process */
static int
inherited_count(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");

	if (pid == NULL || fds == NULL || atol(pid) != (long)getpid())
		return 0;
	return atoi(fds);
}

/* => 1: both sockets were passed, 0: none was, -EINVAL */
static int
inherit(struct opening *o)
{
	int i, n;

	n = inherited_count();
	if (n <= 0)
		return 0;
	for (i = 0; i < n; i++)
		inherit_one(o->l, LISTEN_FD_FIRST + i);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (o->l->client >= 0 && o->l->control >= 0)
		return 1;
	snprintf(o->err, o->errlen,
	    "LISTEN_FDS: need a listening SOCK_SEQPACKET socket for clients "
	    "and a SOCK_STREAM one for control, both bound to a path");
	return -EINVAL;
}

static int
make_dir(struct opening *o)
{
	if (o->dir == NULL) {
		snprintf(o->err, o->errlen,
		    "no directory for the sockets: set XDG_RUNTIME_DIR or "
		    "use --socket-dir");
		return -EINVAL;
	}
	if (mkdir(o->dir, 0755) < 0 && errno != EEXIST)
		return fail(o, "cannot make directory", o->dir, errno);
	return 0;
}

static int
take_lock(struct opening *o)
{
	pid_t other = 0;
	char *path;
	int r = 0;

	if (asprintf(&path, "%s/pid", o->dir) < 0)
		return fail(o, "cannot lock", o->dir, ENOMEM);
	o->l->lock = pidfile_open(path, 0644, &other);
	if (o->l->lock == NULL && errno == EEXIST) {
		snprintf(o->err, o->errlen,
		    "pid %d serves %s already: stop it first, or use another "
		    "--socket-dir",
		    (int)other, o->dir);
		r = -EEXIST;
	} else if (o->l->lock == NULL) {
		r = fail(o, "cannot lock", path, errno);
	}
	free(path);
	if (r == 0)
		pidfile_write(o->l->lock);
	return r;
}

static int
make_one(struct opening *o, const char *name, int type, char **path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int error, fd, n;

	if (asprintf(path, "%s/%s", o->dir, name) < 0) {
		*path = NULL;
		return fail(o, "cannot make socket", name, ENOMEM);
	}
	n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", *path);
	if (n >= (int)sizeof(sun.sun_path))
		return fail(o, "cannot make socket", *path, ENAMETOOLONG);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(o, "cannot make socket", *path, errno);
	unlink(*path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    chmod(*path, 0666) < 0 || listen(fd, BACKLOG) < 0) {
		error = errno;
		close(fd);
		return fail(o, "cannot make socket", *path, error);
	}
	return fd;
}

static int
make(struct opening *o)
{
	int fd;

	o->l->made = true;
	fd = make_one(o, "client", SOCK_SEQPACKET, &o->l->client_path);
	if (fd < 0)
		return fd;
	o->l->client = fd;
	fd = make_one(o, "control", SOCK_STREAM, &o->l->control_path);
	if (fd < 0)
		return fd;
	o->l->control = fd;
	return 0;
}

int
listeners_open(struct listeners *l, const char *dir, bool private, char *err,
    size_t errlen)
{
	struct opening o = { .l = l, .dir = dir, .err = err, .errlen = errlen };
	int r, inherited;

	memset(l, 0, sizeof(*l));
	l->client = l->control = -1;
	r = inherited = inherit(&o);
	if (r >= 0 && !(inherited && private)) {
		r = make_dir(&o);
		if (r == 0)
			r = take_lock(&o);
	}
	if (r == 0 && !inherited)
		r = make(&o);
	if (r < 0) {
		listeners_close(l);
		return r;
	}
	return 0;
}

static void
stop_one(int *fd, const char *path, bool made)
{
	if (*fd < 0)
		return;
	close(*fd);
	*fd = -1;
	if (made)
		unlink(path);
}

void
listeners_stop(struct listeners *l)
{
	stop_one(&l->client, l->client_path, l->made);
	stop_one(&l->control, l->control_path, l->made);
}

void
listeners_close(struct listeners *l)
{
	listeners_stop(l);
	free(l->client_path);
	free(l->control_path);
	l->client_path = l->control_path = NULL;
	if (l->lock != NULL)
		pidfile_remove(l->lock);
	l->lock = NULL;
}
