/*
 * rows.c: what a program notices of the calls of MINIX's VM server
 *
 * usage: rows MIB
 *
 * One function for each call that has a counterpart here, named after it; each
 * works on memory of which pages are out, and prints its name.
 */
#include "live.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagerd.h>

static struct pagerd *pager; /* NULL: a plain run */

static void
must_fail(int rc, int want, const char *what)
{
	if (rc != -1 || errno != want)
		live_die("%s: %d, %s", what, rc, strerror(errno));
}

static void
vm_munmap(struct area *a)
{
	size_t third = a->npages / 3;
	unsigned char there;

	must_fail(munmap(a->base + 1, PAGE), EINVAL, "an address in a page");
	must_fail(munmap(a->base, 0), EINVAL, "no pages");
	if (munmap(a->base + third * PAGE, third * PAGE) < 0 ||
	    munmap(a->base + third * PAGE, third * PAGE) < 0)
		live_die("munmap: %s", strerror(errno));
	must_fail(mincore(a->base + third * PAGE, PAGE, &there), ENOMEM,
	    "what was unmapped");
	area_verify(a, 0, third, "before the hole");
	area_verify(a, 2 * third, a->npages - 2 * third, "behind the hole");
}

static void
vm_brk(struct area *a)
{
	struct area heap = { .npages = a->npages, .tags = a->tags };
	uintptr_t start = (uintptr_t)sbrk(0);

	start = (start + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	heap.base = (uint8_t *)start;
	if (brk(heap.base + heap.npages * PAGE) < 0)
		live_die("brk: %s", strerror(errno));
	area_fill(&heap, 0, heap.npages, 2);
	live_push_area(&heap);
	area_verify(&heap, 0, heap.npages, "on the heap");
	if (brk(heap.base + heap.npages / 2 * PAGE) < 0 ||
	    brk(heap.base + heap.npages * PAGE) < 0)
		live_die("brk: %s", strerror(errno));
	area_verify(&heap, 0, heap.npages / 2, "a shorter heap");
	for (size_t i = heap.npages / 2; i < heap.npages; i++)
		page_expect(heap.base + i * PAGE, 0, "what it grew by again");
	(void)brk(heap.base);
}

static pid_t
start(void (*child)(struct area *), struct area *a)
{
	pid_t pid = live_fork();

	if (pid == 0) {
		child(a);
		_exit(0);
	}
	return pid;
}

static void
write_own(struct area *a)
{
	area_verify(a, 0, a->npages, "in the child");
	memset(a->base, 0, a->npages * PAGE);
}

static void
vm_fork(struct area *a)
{
	pid_t pid = start(write_own, a);

	live_wait(pid, "the child");
	area_verify(a, 0, a->npages, "in the parent");
}

static void
die(struct area *a)
{
	area_verify(a, 0, a->npages / 2, "before the end");
	(void)raise(SIGKILL);
}

static void
vm_exit(struct area *a)
{
	pid_t pid = start(die, a);
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		live_die("the child did not die");
	area_verify(a, 0, a->npages, "of who lives");
}

static void
execute(struct area *a)
{
	area_verify(a, 0, a->npages / 2, "before exec");
	execl("/proc/self/exe", "rows", "2", "again", NULL);
	live_die("exec: %s", strerror(errno));
}

static void
vm_procctl_clear(struct area *a)
{
	live_wait(start(execute, a), "what was executed");
	area_verify(a, 0, a->npages, "of who did not exec");
}

/* The kernel reads, and writes, what is out. */
static void
vm_procctl_handlemem(struct area *a)
{
	size_t half = a->npages / 2;
	int fd = memfd_create("rows", MFD_CLOEXEC);
	ssize_t n = (ssize_t)(half * PAGE);

	if (fd < 0 || pwrite(fd, a->base, (size_t)n, 0) != n ||
	    pread(fd, a->base + (size_t)n, (size_t)n, 0) != n)
		live_die("write and read: %s", strerror(errno));
	close(fd);
	memcpy(a->tags + half, a->tags, half * sizeof(*a->tags));
	area_verify(a, 0, 2 * half, "written and read");
}

/* Mappings of files are the kernel's, whatever becomes of the rest. */
static void
vm_vfs_mmap(struct area *a)
{
	struct area file = { .npages = 64, .tags = live_map_shared(4096) };
	char name[] = "rows-XXXXXX", buf[PAGE];
	int fd = mkstemp(name);

	if (fd < 0 || unlink(name) < 0 || ftruncate(fd, 64 * PAGE) < 0)
		live_die("a file: %s", strerror(errno));
	file.base =
	    mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file.base == MAP_FAILED)
		live_die("mmap: %s", strerror(errno));
	area_fill(&file, 0, 64, 3);
	live_push_area(a);
	area_verify(&file, 0, 64, "of a file");
	if (pread(fd, buf, PAGE, 0) != (ssize_t)PAGE)
		live_die("read: %s", strerror(errno));
	page_expect(buf, file.tags[0], "in the file");
	close(fd);
}

static void
vm_getrusage(struct area *a)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	area_verify(a, 0, a->npages, "for its faults");
	getrusage(RUSAGE_SELF, &after);
	if (pager != NULL && after.ru_minflt == before.ru_minflt &&
	    after.ru_majflt == before.ru_majflt)
		live_die("faults are not counted");
}

/* There is no memory at physical addresses; devices are refused. */
static void
vm_map_phys(struct area *a)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC), rc;
	void *p;

	(void)a;
	rc = pager == NULL ? -EINVAL
			   : pagerd_map_file(pager, NULL, PAGE, fd, 0, 0, &p);
	if (rc != -EINVAL)
		live_die("a device was mapped: %d", rc);
	close(fd);
}

static void
vm_rs_memctl_pin(struct area *a)
{
	void *p;

	if (pager == NULL)
		return;
	if (pagerd_map(pager, NULL, MIB, NULL, 0, 0, &p) < 0 ||
	    pagerd_advise(pager, p, MIB, PAGERD_PIN) < 0)
		live_die("memory cannot be pinned");
	live_push_area(a);
	if (live_out(p, MIB) != 0)
		live_die("pages that were pinned are out");
	(void)pagerd_unmap(pager, p, MIB);
}

/* What is one memory has one number, and says how many map it. */
static void
vm_getphys_getref(struct area *a)
{
	struct pagerd_region one, two;
	void *p, *q;

	(void)a;
	if (pager == NULL)
		return;
	if (pagerd_map(pager, NULL, MIB, "rows", 0, PAGERD_CREATE, &p) < 0 ||
	    pagerd_map(pager, NULL, MIB, "rows", 0, 0, &q) < 0 ||
	    pagerd_query(pager, p, &one) < 0 ||
	    pagerd_query(pager, q, &two) < 0)
		live_die("shared memory cannot be mapped twice");
	if (one.id != two.id || one.users != 2 || two.users != 2)
		live_die("ids %#llx and %#llx, %u users",
		    (unsigned long long)one.id, (unsigned long long)two.id,
		    one.users);
	(void)pagerd_unlink(pager, "rows");
	(void)pagerd_unmap(pager, p, MIB);
	(void)pagerd_unmap(pager, q, MIB);
}

static const struct {
	const char *name;
	void (*run)(struct area *);
} rows[] = {
	{ "vm_munmap", vm_munmap },
	{ "vm_brk", vm_brk },
	{ "vm_fork", vm_fork },
	{ "vm_exit", vm_exit },
	{ "vm_procctl_clear", vm_procctl_clear },
	{ "vm_procctl_handlemem", vm_procctl_handlemem },
	{ "vm_vfs_mmap", vm_vfs_mmap },
	{ "vm_getrusage", vm_getrusage },
	{ "vm_map_phys", vm_map_phys },
	{ "vm_rs_memctl_pin", vm_rs_memctl_pin },
	{ "vm_getphys_getref", vm_getphys_getref },
};

int
main(int argc, char **argv)
{
	size_t npages;

	if (argc < 2)
		live_die("usage: rows MIB");
	setvbuf(stdout, NULL, _IONBF, 0);
	npages = live_mib(argv[1]) / PAGE;
	if (argc == 2 && live_limit() > 0 && pagerd_open(NULL, &pager) < 0)
		live_die("pagerd_open");
	for (size_t i = 0; argc == 2 && i < sizeof(rows) / sizeof(rows[0]);
	     i++) {
		struct area a;

		area_new(&a, npages);
		area_fill(&a, 0, npages, 10 + i);
		live_push_area(&a);
		if (i == 0)
			live_hold("rows");
		rows[i].run(&a);
		munmap(a.base, npages * PAGE);
		printf("%s\n", rows[i].name);
	}
	return 0;
}
