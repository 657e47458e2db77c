/*
 * private.c: a daemon for one `run`
 */
#include "private.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "ctl.h"
#include "pagerd/protocol.h"
#include "varlink.h"

#define END_WAIT_MS 5000
#define FIRST_FD 3   /* sd_listen_fds(3) */
#define NAME_ROOM 32 /* of a socket's path, behind the directory */

enum {
	CLIENT,
	CONTROL,
	NSOCKETS
};

static const struct {
	const char *name;
	int type;
	mode_t mode;
} sockets[NSOCKETS] = {
	/* Programs of the tree may change their user: the token decides. */
	[CLIENT] = { "client", SOCK_SEQPACKET, 0666 },
	[CONTROL] = { "control", SOCK_STREAM, 0600 },
};

/*
 * Root's programs may become other users, who have to reach the socket: that
 * rules out root's XDG_RUNTIME_DIR.
 */
static const char *
parent_dir(void)
{
	const size_t room = sizeof(((struct sockaddr_un *)0)->sun_path);
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0 || dir == NULL || dir[0] != '/')
		return "/tmp";
	if (strlen(dir) + NAME_ROOM > room || access(dir, W_OK | X_OK) != 0)
		return "/tmp";
	return dir;
}

static int
make_dir(char **out)
{
	const char *parent = parent_dir();
	char *dir = ctl_format("%s/pagerd.XXXXXX", parent);
	int r = 0;

	if (mkdtemp(dir) == NULL) {
		r = -errno;
	} else if (chmod(dir, 0711) != 0) {
		r = -errno;
		rmdir(dir);
	}
	if (r == 0) {
		*out = dir;
		return 0;
	}
	ctl_error("cannot make a directory for a private daemon in %s: %s; "
		  "see whether it may be written",
	    parent, strerror(-r));
	free(dir);
	return r;
}

static void
remove_dir(const char *dir)
{
	char *path;

	for (int i = 0; i < NSOCKETS; i++) {
		path = ctl_format("%s/%s", dir, sockets[i].name);
		unlink(path);
		free(path);
	}
	rmdir(dir);
}

static int
bind_and_listen(int fd, const char *path, mode_t mode)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    chmod(path, mode) != 0 || listen(fd, SOMAXCONN) != 0)
		return -errno;
	return 0;
}

/* => fd is above those that the daemon gets, so that dup2() hits none */
static int
open_socket(const char *dir, int which, int *out)
{
	char *path = ctl_format("%s/%s", dir, sockets[which].name);
	int fd, high, r;

	fd = socket(AF_UNIX, sockets[which].type | SOCK_CLOEXEC, 0);
	high = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD + NSOCKETS);
	r = high < 0 ? -errno
		     : bind_and_listen(high, path, sockets[which].mode);
	if (r != 0) {
		ctl_error("cannot listen at %s: %s; see whether the directory "
			  "allows sockets",
		    path, strerror(-r));
		if (high >= 0)
			close(high);
	} else {
		*out = high;
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return r;
}

static void
close_sockets(int *fds)
{
	for (int i = 0; i < NSOCKETS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static int
open_sockets(const char *dir, int *fds)
{
	int r = 0;

	for (int i = 0; i < NSOCKETS && r == 0; i++)
		r = open_socket(dir, i, &fds[i]);
	if (r != 0)
		close_sockets(fds);
	return r;
}

/* => the caller's descriptors are not the daemon's: a pipe has to end */
static int
arrange_descriptors(const int *fds)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		return -errno;
	for (int i = 0; i < NSOCKETS; i++) {
		if (dup2(fds[i], FIRST_FD + i) < 0)
			return -errno;
	}
	if (syscall(SYS_close_range, FIRST_FD + NSOCKETS, ~0u, 0) != 0)
		return -errno;
	return 0;
}

/* => the daemon of a nested run must not become a client of the outer one */
static int
arrange_environment(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	unsetenv(PAGERD_ENV_SOCKET);
	unsetenv(PAGERD_ENV_GROUP);
	unsetenv("NOTIFY_SOCKET");
	if (setenv("LISTEN_FDS", "2", 1) != 0 ||
	    setenv("LISTEN_FDNAMES", "client:control", 1) != 0 ||
	    setenv("LISTEN_PID", pid, 1) != 0)
		return -errno;
	return 0;
}

static _Noreturn void
become(const struct child *signals, const char *program, const char *dir,
    const char *store, const int *fds)
{
	/* Its messages go where the command's do: only what matters. */
	const char *argv[] = { program, "--private", "--socket-dir", dir,
		"--log-level", "warning", store != NULL ? "--store" : NULL,
		store, NULL };

	setpgid(0, 0);
	child_restore_signals(signals);
	signal(SIGTTOU, SIG_IGN);
	if (arrange_descriptors(fds) == 0 && arrange_environment() == 0)
		execv(program, (char **)argv);
	ctl_error("cannot start a private daemon, %s: %s; see pagerctl doctor",
	    program, strerror(errno));
	_exit(CTL_FAILED);
}

/* => in the keeper; it holds nothing that somebody may wait for the end of */
static _Noreturn void
keep(const char *dir, pid_t daemon)
{
	syscall(SYS_close_range, 0, ~0u, 0);
	while (waitpid(daemon, NULL, 0) < 0 && errno == EINTR)
		continue;
	remove_dir(dir);
	_exit(CTL_OK);
}

static int
say_no_process(void)
{
	int r = -errno;

	ctl_error("cannot start a private daemon: %s; see the limit of "
		  "processes",
	    strerror(-r));
	return r;
}

static int
spawn(struct private_daemon *p, const struct child *signals,
    const char *program, const char *store, const int *fds)
{
	pid_t keeper, daemon;

	keeper = fork();
	if (keeper < 0)
		return say_no_process();
	if (keeper > 0) {
		p->keeper = keeper;
		return 0;
	}
	/*
	 * A terminal's signals are for the command alone.  In a session of its
	 * own the daemon would be in an autogroup of its own, too, where the
	 * scheduler weighs it by itself (place.h).
	 */
	setpgid(0, 0);
	daemon = fork();
	if (daemon == 0)
		become(signals, program, p->dir, store, fds);
	if (daemon < 0)
		say_no_process();
	keep(p->dir, daemon);
}

static int
connect_control(const char *dir, struct varlink **out)
{
	char *path = ctl_format("%s/%s", dir, sockets[CONTROL].name);
	int r = varlink_connect(path, out);

	if (r != 0)
		ctl_error("cannot connect to %s: %s; see whether the "
			  "directory allows sockets",
		    path, strerror(-r));
	free(path);
	return r;
}

int
private_start(struct private_daemon *p, const struct child *signals,
    const char *program, const char *store, struct varlink **out)
{
	int fds[NSOCKETS] = { -1, -1 };
	struct varlink *v = NULL;
	int r;

	*p = (struct private_daemon){ 0 };
	r = make_dir(&p->dir);
	if (r != 0)
		return r;
	r = open_sockets(p->dir, fds);
	if (r == 0)
		r = connect_control(p->dir, &v);
	if (r == 0)
		r = spawn(p, signals, program, store, fds);
	close_sockets(fds);
	if (r == 0) {
		*out = v;
		return 0;
	}
	varlink_close(v);
	private_end(p, false);
	return r;
}

static void
wait_for_end(pid_t pid)
{
	struct pollfd pfd = { .events = POLLIN };

	pfd.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pfd.fd < 0)
		return;
	while (poll(&pfd, 1, END_WAIT_MS) < 0 && errno == EINTR)
		continue;
	close(pfd.fd);
}

void
private_end(struct private_daemon *p, bool wait)
{
	if (p->dir == NULL)
		return;
	if (p->keeper == 0)
		remove_dir(p->dir);
	else if (wait)
		wait_for_end(p->keeper);
	free(p->dir);
	*p = (struct private_daemon){ 0 };
}
