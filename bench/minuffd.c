/*
 * minuffd.c: the least that a userfaultfd can do
 *
 * usage: minuffd MIB REPORT
 *
 * A child process touches each page of an area once, at random; we read the
 * fault and answer with UFFDIO_COPY of a page of zeros.  Both run on one CPU:
 * nothing that serves faults one by one from another process can be faster.
 * REPORT gets nanoseconds for each page.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <pagerd/uffd_abi.h>

#include "bench.h"

#define TOO_LONG 120 /* seconds */

_Noreturn static void
die(const char *what)
{
	bench_die("%s: %s", what, strerror(errno));
}

static void
stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("sched_setaffinity");
}

static int
userfaultfd_new(void)
{
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd = device < 0 ? (int)syscall(SYS_userfaultfd, O_CLOEXEC)
			    : ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0)
		die("userfaultfd");
	return fd;
}

static void
send_fd(int sock, int fd)
{
	char byte = 'f';
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(sock, &msg, 0) < 0)
		die("sendmsg");
}

static int
receive_fd(int sock)
{
	char byte;
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) <= 0 ||
	    CMSG_FIRSTHDR(&msg) == NULL)
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* => nanoseconds of each page, by the pipe; never returns */
static void
client(int sock, int report, size_t npages)
{
	const uint32_t *order = bench_permutation(npages, 1);
	volatile uint8_t *p = bench_map(npages * PAGE, MAP_PRIVATE);
	struct uffdio_register reg = { .range = { (uintptr_t)p, npages * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = userfaultfd_new();
	uint64_t start;
	double ns;
	size_t i;

	if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0)
		die("UFFDIO_REGISTER");
	send_fd(sock, fd);
	start = bench_now_ns();
	for (i = 0; i < npages; i++)
		p[order[i] * PAGE] = 1;
	ns = (double)(bench_now_ns() - start) / (double)npages;
	_exit(write(report, &ns, sizeof(ns)) == sizeof(ns) ? 0 : 1);
}

static void
serve(int fd, size_t npages)
{
	static uint8_t zeros[PAGE] __attribute__((aligned(4096)));
	struct uffdio_copy copy = { .src = (uintptr_t)zeros, .len = PAGE };
	struct uffd_msg msg;

	while (npages-- > 0) {
		if (read(fd, &msg, sizeof(msg)) != sizeof(msg))
			die("read");
		copy.dst = msg.arg.pagefault.address & ~(PAGE - 1);
		copy.copy = 0;
		if (ioctl(fd, UFFDIO_COPY, &copy) < 0)
			die("UFFDIO_COPY");
	}
}

int
main(int argc, char **argv)
{
	int socks[2];
	int report[2];
	int status;
	size_t npages;
	double ns;
	pid_t pid;
	FILE *f;

	if (argc != 3)
		bench_usage("MIB REPORT");
	npages = bench_number(argv[1], 1) * PAGES_PER_MIB;
	stay_on_one_cpu();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, socks) < 0 || pipe(report) < 0)
		die("socketpair");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		client(socks[1], report[1], npages);
	close(socks[1]);
	close(report[1]);
	alarm(TOO_LONG); /* a client that died raises no more faults */
	serve(receive_fd(socks[0]), npages);
	if (read(report[0], &ns, sizeof(ns)) != sizeof(ns) ||
	    waitpid(pid, &status, 0) != pid || status != 0)
		die("client");
	f = bench_report(argv[2]);
	fprintf(f, "{\"zero_fill\": %.1f}\n", ns);
	bench_report_end(f);
	return 0;
}
