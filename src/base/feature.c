/*
 * feature.c: what this kernel offers to this process, found out once
 *
 * One entry in the list below for each feature: how it is called, what its
 * absence means, and what to do about it.  The system calls are made raw:
 * this file serves the command line too, which links none of the libraries.
 */
#include "feature.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pagerd/uffd_abi.h"

#define DEVICE "/dev/userfaultfd"
#define MEMLOCK_MIN (UINT64_C(256) << 20)

/* struct procmap_query of linux/fs.h since 6.11: only its size matters. */
struct procmap_query_abi {
	uint64_t words[13];
};
#define PROCMAP_QUERY_ABI _IOWR('f', 17, struct procmap_query_abi)

#define EVENTS                                                                 \
	(UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE |                \
	    UFFD_FEATURE_EVENT_UNMAP)
#define SHARED                                                                 \
	(UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM |               \
	    UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

static const struct entry {
	const char *name;
	size_t offset; /* of the bool in struct features */
	enum finding_level absent;
	const char *yes, *no;
	const char *advice;
} features_list[] = {
	{
	    .name = "userfaultfd",
	    .offset = offsetof(struct features, device),
	    .absent = FINDING_ERROR,
	    .yes = DEVICE " can be opened",
	    .no = DEVICE " cannot be opened",
	    .advice = "use the system service (systemctl enable --now "
		      "pagerd.socket), or let an administrator give you "
		      "access to " DEVICE "; it needs Linux 6.1 or newer with "
		      "CONFIG_USERFAULTFD",
	},
	{
	    .name = "wp",
	    .offset = offsetof(struct features, wp),
	    .absent = FINDING_ERROR,
	    .yes = "write-protect faults are reported",
	    .no = "the kernel reports no write-protect faults",
	    .advice = "use a kernel with CONFIG_HAVE_ARCH_USERFAULTFD_WP "
		      "(x86-64 or arm64)",
	},
	{
	    .name = "events",
	    .offset = offsetof(struct features, events),
	    .absent = FINDING_ERROR,
	    .yes = "changes of mappings are reported",
	    .no = "the kernel reports no changes of mappings",
	    .advice = "use a kernel with CONFIG_USERFAULTFD, 6.8 or newer",
	},
	{
	    .name = "event-fork",
	    .offset = offsetof(struct features, event_fork),
	    .absent = FINDING_ERROR,
	    .yes = "forks are reported",
	    .no = "forks are not reported to this process: a forked child "
		  "would read zeros where its data was",
	    .advice = "use the system service (systemctl enable --now "
		      "pagerd.socket), or give pagerd CAP_SYS_PTRACE: setcap "
		      "cap_sys_ptrace+ep on the pagerd executable",
	},
	{
	    .name = "move",
	    .offset = offsetof(struct features, move),
	    .absent = FINDING_ERROR,
	    .yes = "pages can be captured (UFFDIO_MOVE)",
	    .no = "pages cannot be captured (no UFFDIO_MOVE)",
	    .advice = "use Linux 6.8 or newer",
	},
	{
	    .name = "shared",
	    .offset = offsetof(struct features, shared),
	    .absent = FINDING_ERROR,
	    .yes = "faults of shared memory are reported",
	    .no = "the kernel reports no faults of shared memory",
	    .advice = "use Linux 6.8 or newer with CONFIG_SHMEM and "
		      "CONFIG_PTE_MARKER_UFFD_WP",
	},
	{
	    .name = "wp-unpopulated",
	    .offset = offsetof(struct features, wp_unpopulated),
	    .absent = FINDING_WARNING,
	    .yes = "empty pages can be write-protected",
	    .no = "empty pages cannot be write-protected",
	    .advice = "use Linux 6.4 or newer",
	},
	{
	    .name = "poison",
	    .offset = offsetof(struct features, poison),
	    .absent = FINDING_WARNING,
	    .yes = "a page that cannot be read back fails alone",
	    .no = "a program whose page cannot be read back waits for ever",
	    .advice = "use Linux 6.6 or newer",
	},
	{
	    .name = "io-uring",
	    .offset = offsetof(struct features, io_uring),
	    .absent = FINDING_ERROR,
	    .yes = "io_uring can be used",
	    .no = "io_uring cannot be used",
	    .advice = "sysctl kernel.io_uring_disabled=0, or allow "
		      "io_uring_setup in the container's seccomp profile",
	},
	{
	    .name = "memfd",
	    .offset = offsetof(struct features, memfd),
	    .absent = FINDING_ERROR,
	    .yes = "memory files can be made",
	    .no = "memory files cannot be made (memfd_create)",
	    .advice = "allow memfd_create in the container's seccomp profile",
	},
	{
	    .name = "pidfd",
	    .offset = offsetof(struct features, pidfd),
	    .absent = FINDING_WARNING,
	    .yes = "processes can be held by descriptor",
	    .no = "processes cannot be held by descriptor (pidfd_open)",
	    .advice = "allow pidfd_open in the container's seccomp profile",
	},
	{
	    .name = "procmap-query",
	    .offset = offsetof(struct features, procmap_query),
	    .absent = FINDING_OK,
	    .yes = "single mappings can be looked up",
	    .no = "no PROCMAP_QUERY (before Linux 6.11): mappings are read "
		  "as text",
	},
	{
	    .name = "memlock",
	    .offset = offsetof(struct features, memlock),
	    .absent = FINDING_WARNING,
	    .yes = "the daemon can lock its memory",
	    .no = "the daemon may not lock its memory: it can be swapped out "
		  "while programs wait for it",
	    .advice = "raise the limit (ulimit -l, LimitMEMLOCK=) to 256 MiB "
		      "or more",
	},
};

#define NFEATURES (sizeof(features_list) / sizeof(features_list[0]))

_Static_assert(NFEATURES <= FINDINGS_MAX, "a finding for each feature");

static const char *const level_names[] = {
	[FINDING_OK] = "ok",
	[FINDING_WARNING] = "warning",
	[FINDING_ERROR] = "error",
};

static bool *
flag_of(struct features *f, const struct entry *e)
{
	return (bool *)((char *)f + e->offset);
}

/* Closes fd; tells whether it was one. */
static bool
close_probe(int fd)
{
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/*
 * uffd_new: a userfaultfd to ask questions of
 *
 * => without the device, the system call in its unprivileged form shows the
 *    same features
 */
static int
uffd_new(int device)
{
	if (device >= 0)
		return ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	return (int)syscall(__NR_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
}

/* => the features that the kernel has; 0 if it refuses to take wanted */
static uint64_t
uffd_features(int device, uint64_t wanted)
{
	struct uffdio_api api = { .api = UFFD_API, .features = wanted };
	int fd, r;

	fd = uffd_new(device);
	if (fd < 0)
		return 0;
	r = ioctl(fd, UFFDIO_API, &api);
	close(fd);
	return r < 0 ? 0 : api.features;
}

static void
probe_uffd(struct features *f)
{
	uint64_t bits;
	int device;

	device = open(DEVICE, O_RDWR | O_CLOEXEC);
	f->device = device >= 0;
	f->device_errno = f->device ? 0 : errno;
	bits = uffd_features(device, 0);
	f->wp = bits & UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	f->events = (bits & EVENTS) == EVENTS;
	f->shared = (bits & SHARED) == SHARED;
	f->wp_unpopulated = bits & UFFD_FEATURE_WP_UNPOPULATED;
	f->poison = bits & UFFD_FEATURE_POISON;
	f->move = bits & UFFD_FEATURE_MOVE;
	f->event_fork =
	    uffd_features(device, EVENTS | UFFD_FEATURE_EVENT_FORK) != 0;
	close_probe(device);
}

static bool
probe_procmap(void)
{
	struct procmap_query_abi query = { { 0 } };
	bool has;
	int fd;

	fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* A size of zero is refused by those that know the call at all. */
	has = ioctl(fd, PROCMAP_QUERY_ABI, &query) == 0 || errno != ENOTTY;
	close(fd);
	return has;
}

static bool
probe_memlock(void)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	struct rlimit rl;

	if (syscall(__NR_capget, &hdr, data) == 0 &&
	    (data[0].effective & (1u << CAP_IPC_LOCK)) != 0)
		return true;
	return getrlimit(RLIMIT_MEMLOCK, &rl) == 0 &&
	       rl.rlim_cur >= MEMLOCK_MIN;
}

static bool
probe_io_uring(void)
{
	struct io_uring_params params = { 0 };

	return close_probe((int)syscall(__NR_io_uring_setup, 4, &params));
}

static void
mask_one(struct features *f, const char *name)
{
	size_t i;

	for (i = 0; i < NFEATURES; i++) {
		if (strcmp(features_list[i].name, name) == 0)
			*flag_of(f, &features_list[i]) = false;
	}
	if (!f->device && f->device_errno == 0)
		f->device_errno = ENODEV;
}

static void
mask(struct features *f)
{
	const char *text = getenv("PAGERD_MASK_FEATURES");
	char *copy, *rest, *name;

	if (text == NULL || (copy = rest = strdup(text)) == NULL)
		return;
	while ((name = strsep(&rest, ",")) != NULL)
		mask_one(f, name);
	free(copy);
}

void
features_probe(struct features *f)
{
	memset(f, 0, sizeof(*f));
	probe_uffd(f);
	f->io_uring = probe_io_uring();
	f->memfd = close_probe(memfd_create("pagerd-probe", MFD_CLOEXEC));
	f->pidfd = close_probe((int)syscall(__NR_pidfd_open, getpid(), 0));
	f->procmap_query = probe_procmap();
	f->memlock = probe_memlock();
	mask(f);
}

static void
describe(const struct features *f, const struct entry *e, struct finding *out)
{
	bool has = *flag_of((struct features *)f, e);
	const char *why = "";

	if (!has && e->offset == offsetof(struct features, device))
		why = strerror(f->device_errno);
	out->name = e->name;
	out->level = has ? FINDING_OK : e->absent;
	out->advice = out->level == FINDING_OK ? NULL : e->advice;
	snprintf(out->text, sizeof(out->text), "%s%s%s", has ? e->yes : e->no,
	    why[0] == '\0' ? "" : ": ", why);
}

size_t
features_findings(const struct features *f, struct finding *out, size_t max)
{
	size_t i;

	for (i = 0; i < NFEATURES && i < max; i++)
		describe(f, &features_list[i], &out[i]);
	return i;
}

const char *
finding_level_name(enum finding_level level)
{
	return level_names[level];
}
