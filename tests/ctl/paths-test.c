/*
 * paths-test.c: where the shim and the daemon are looked for
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assert.h"
#include "paths.h"

#define SHIM "/pagerd/libpagerd-preload.so"

static void
expect(char *got, const char *wanted)
{
	if (strcmp(got, wanted) != 0)
		fprintf(stderr, "%s, not %s\n", got, wanted);
	ASSERT(strcmp(got, wanted) == 0);
	free(got);
}

static void
test_built(void)
{
	expect(paths_shim_of("/b/src/ctl/pagerctl"),
	    "/b/src/shim/libpagerd-preload.so");
	expect(paths_daemon_of("/b/src/ctl/pagerctl"), "/b/src/pagerd");
	expect(paths_shim_of("/src/ctl/pagerctl"),
	    "/src/shim/libpagerd-preload.so");
}

static void
test_installed(void)
{
	expect(paths_shim_of("/usr/bin/pagerctl"), "/usr/" PAGERD_LIBDIR SHIM);
	expect(paths_daemon_of("/usr/bin/pagerctl"), "/usr/bin/pagerd");
	expect(paths_shim_of("/bin/pagerctl"), "/" PAGERD_LIBDIR SHIM);
	expect(paths_daemon_of("/bin/pagerctl"), "/bin/pagerd");
	expect(paths_shim_of("/home/x/p/bin/pagerctl"),
	    "/home/x/p/" PAGERD_LIBDIR SHIM);
}

/* A directory that only ends in the same letters is another one. */
static void
test_elsewhere(void)
{
	const char *shim = PAGERD_PREFIX "/" PAGERD_LIBDIR SHIM;
	const char *daemon = PAGERD_PREFIX "/bin/pagerd";

	expect(paths_shim_of("/opt/pagerctl"), shim);
	expect(paths_daemon_of("/opt/pagerctl"), daemon);
	expect(paths_daemon_of("/usr/sbin/pagerctl"), daemon);
	expect(paths_daemon_of("/x/notsrc/ctl/pagerctl"), daemon);
	expect(paths_daemon_of("pagerctl"), daemon);
}

static void
test_environment(void)
{
	setenv(PATHS_ENV_PRELOAD, "/x.so", 1);
	expect(paths_shim(), "/x.so");
	setenv(PATHS_ENV_DAEMON, "/x", 1);
	expect(paths_daemon(), "/x");
	setenv(PATHS_ENV_DAEMON, "", 1);
	free(paths_daemon());
}

static void
test_control(void)
{
	struct ctl ctl = { 0 };
	bool named;

	unsetenv("XDG_RUNTIME_DIR");
	unsetenv(PATHS_ENV_SOCKET);
	unsetenv("PAGERD_SOCKET");
	expect(paths_control(&ctl, &named), "/run/pagerd/control");
	ASSERT(!named);
	setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
	expect(paths_control(&ctl, &named), "/run/pagerd/control");
	setenv("PAGERD_SOCKET", "/private/client", 1);
	expect(paths_control(&ctl, &named), "/private/control");
	ASSERT(!named);
	setenv(PATHS_ENV_SOCKET, "/s", 1);
	expect(paths_control(&ctl, &named), "/s");
	ASSERT(named);
	ctl.value[OPT_SOCKET] = "/o";
	expect(paths_control(&ctl, &named), "/o");
	ASSERT(named);
}

int
main(void)
{
	test_built();
	test_installed();
	test_elsewhere();
	test_environment();
	test_control();
	return 0;
}
