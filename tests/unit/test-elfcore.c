/*
 * test-elfcore.c: a process in a core file, as gdb sees it; and cores that
 * are odd, made up
 */
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "elfcore.h"
#include "freeze.h"
#include "test.h"
#include "watch.h"

#define MAPPINGS_MAX 512
#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)
#define BASE UINT64_C(0x7f0000000000)

/* => a file of its own that nobody else sees */
static int
scratch(void)
{
	char path[] = "/tmp/test-elfcore.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	CHECK(fd >= 0);
	unlink(path);
	return fd;
}

/* A core of one thread with these segments, and a reader. */
static struct elfcore
made_up(const struct elfcore_segment *segments, size_t n,
    int (*reader)(void *, uint64_t, void *, size_t), void *ctx)
{
	static const elf_gregset_t registers;
	static struct elfcore_thread thread = {
		.tid = 7,
		.general = { &registers, sizeof(registers) },
	};

	return (struct elfcore){
		.process = { .pid = 7, .comm = "made-up", .args = "made up" },
		.threads = &thread,
		.nthreads = 1,
		.segments = segments,
		.nsegments = n,
		.read = reader,
		.ctx = ctx,
	};
}

/* What the reader of a made-up core is to do, and what it was asked. */
struct source {
	uint64_t data;   /* address of the one page that has some; 0: none */
	uint64_t broken; /* one that cannot be read */
	int fail;        /* at that one, instead */
	bool fills;      /* zeros are read, not said */
	size_t largest;
};

static bool
in_range(uint64_t page, uint64_t addr, size_t len)
{
	return page != 0 && page >= addr && page < addr + len;
}

static int
read_source(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct source *s = ctx;

	CHECK(addr % PAGE == 0 && len % PAGE == 0 && len > 0);
	if (len > s->largest)
		s->largest = len;
	if (in_range(s->broken, addr, len))
		return s->fail != 0 ? s->fail : ELFCORE_UNREADABLE;
	if (!s->fills && !in_range(s->data, addr, len))
		return ELFCORE_ZERO;
	memset(buf, 0, len);
	if (in_range(s->data, addr, len))
		((uint8_t *)buf)[s->data - addr + 17] = 42;
	return ELFCORE_DATA;
}

static Elf64_Ehdr
header_of(int fd)
{
	Elf64_Ehdr h;

	CHECK(pread(fd, &h, sizeof(h), 0) == sizeof(h));
	CHECK(memcmp(h.e_ident, ELFMAG, SELFMAG) == 0 && h.e_type == ET_CORE);
	return h;
}

static Elf64_Phdr
program_header(int fd, uint64_t i)
{
	Elf64_Ehdr h = header_of(fd);
	Elf64_Phdr p;

	CHECK(pread(fd, &p, sizeof(p), (off_t)(h.e_phoff + i * sizeof(p))) ==
	      sizeof(p));
	return p;
}

static uint8_t
byte_at(int fd, uint64_t offset)
{
	uint8_t b;

	CHECK(pread(fd, &b, 1, (off_t)offset) == 1);
	return b;
}

static void
check_sparse(struct source *source)
{
	const struct elfcore_segment s = { BASE, 256 * MIB, PROT_READ, false };
	struct elfcore c = made_up(&s, 1, read_source, source);
	struct elfcore_stats stats;
	int fd = scratch();
	struct stat st;
	Elf64_Phdr p;

	/* What was there before must not shine through. */
	CHECK(pwrite(fd, "old", 3, (off_t)(100 * MIB)) == 3);
	source->data = BASE + 77 * MIB + PAGE;
	CHECK(elfcore_write(&c, fd, &stats) == 0);
	CHECK(source->largest == ELFCORE_READ_MAX);
	p = program_header(fd, 1);
	CHECK(p.p_type == PT_LOAD && p.p_vaddr == BASE);
	CHECK(p.p_filesz == 256 * MIB && p.p_memsz == 256 * MIB);
	CHECK(p.p_flags == PF_R && p.p_offset % PAGE == 0);
	CHECK(byte_at(fd, p.p_offset + 77 * MIB + PAGE + 17) == 42);
	CHECK(byte_at(fd, 100 * MIB) == 0);
	CHECK(fstat(fd, &st) == 0);
	CHECK((uint64_t)st.st_size == p.p_offset + p.p_filesz);
	CHECK((uint64_t)st.st_size == stats.file_bytes);
	CHECK(st.st_blocks * 512 < 256 * 1024);
	CHECK(stats.data_bytes == PAGE && stats.unreadable_bytes == 0);
	CHECK(stats.zero_bytes == 256 * MIB - PAGE);
	close(fd);
}

static void
test_sparse(void)
{
	check_sparse(&(struct source){ 0 });
	check_sparse(&(struct source){ .fills = true });
}

static void
test_unreadable(void)
{
	struct source source = {
		.data = BASE + 5 * MIB,
		.broken = BASE + 5 * MIB + 2 * PAGE,
	};
	const struct elfcore_segment s = { BASE, 8 * MIB, PROT_WRITE, false };
	struct elfcore c = made_up(&s, 1, read_source, &source);
	struct elfcore_stats stats;
	int fd = scratch();

	/* The page alone is missing, not what was read with it. */
	CHECK(elfcore_write(&c, fd, &stats) == 0);
	CHECK(stats.unreadable_bytes == PAGE && stats.data_bytes == PAGE);
	CHECK(stats.zero_bytes == 8 * MIB - 2 * PAGE);
	CHECK(byte_at(fd, program_header(fd, 1).p_offset + 5 * MIB + 17) == 42);
	/* One that fails for good ends it. */
	source.fail = -ESRCH;
	CHECK(elfcore_write(&c, fd, &stats) == -ESRCH);
	source.fail = 99;
	CHECK(elfcore_write(&c, fd, &stats) == -EINVAL);
	close(fd);
}

static void
test_many_segments(void)
{
	enum {
		N = 70000
	};
	struct elfcore_segment *s = calloc(N, sizeof(*s));
	struct source source = { .data = BASE + 2 * (N - 1) * PAGE };
	struct elfcore c = made_up(s, N, read_source, &source);
	struct elfcore_stats stats;
	int fd = scratch();
	Elf64_Ehdr h;
	Elf64_Shdr section;
	Elf64_Phdr p;

	for (uint64_t i = 0; i < N; i++)
		s[i] = (struct elfcore_segment){ BASE + 2 * i * PAGE, PAGE,
			PROT_READ | PROT_EXEC, i == 1 };
	CHECK(elfcore_write(&c, fd, &stats) == 0);
	h = header_of(fd);
	CHECK(h.e_phnum == PN_XNUM && h.e_shnum == 1);
	CHECK(pread(fd, &section, sizeof(section), (off_t)h.e_shoff) ==
	      sizeof(section));
	CHECK(section.sh_info == N + 1);
	CHECK(program_header(fd, 0).p_type == PT_NOTE);
	for (uint64_t i = 0; i < N; i++) {
		p = program_header(fd, i + 1);
		CHECK(p.p_vaddr == s[i].start && p.p_memsz == PAGE);
		CHECK(p.p_filesz == (i == 1 ? 0 : PAGE));
		CHECK(p.p_flags == (PF_R | PF_X));
		CHECK(p.p_offset % PAGE == 0);
	}
	CHECK(byte_at(fd, p.p_offset + 17) == 42);
	/* One less than needs it. */
	c.nsegments = PN_XNUM - 2;
	CHECK(elfcore_write(&c, fd, &stats) == 0);
	CHECK(header_of(fd).e_phnum == PN_XNUM - 1);
	CHECK(header_of(fd).e_shnum == 0);
	close(fd);
	free(s);
}

static void
check_segments(uint64_t start, uint64_t len, uint64_t start2, uint64_t len2,
    int expected)
{
	const struct elfcore_segment s[] = { { start, len, 0, false },
		{ start2, len2, 0, false } };
	struct source source = { 0 };
	struct elfcore c = made_up(s, 2, read_source, &source);
	struct elfcore_stats stats = { .file_bytes = 4711 };
	int fd = scratch();

	CHECK(elfcore_write(&c, fd, &stats) == expected);
	CHECK(stats.file_bytes == 4711);
	close(fd);
}

static void
test_bad_segments(void)
{
	const uint64_t top = ~UINT64_C(0) - PAGE + 1;

	check_segments(1, PAGE, MIB, PAGE, -EINVAL);
	check_segments(PAGE, 1, MIB, PAGE, -EINVAL);
	check_segments(PAGE, 0, MIB, PAGE, -EINVAL);
	check_segments(MIB, PAGE, PAGE, PAGE, -EINVAL);
	check_segments(PAGE, 2 * PAGE, 2 * PAGE, PAGE, -EINVAL);
	check_segments(PAGE, PAGE, top, 2 * PAGE, -EINVAL);
	check_segments(PAGE, PAGE, BASE, top - BASE, -EFBIG);
}

static void
test_bad_descriptions(void)
{
	const struct elfcore_file odd[] = { { PAGE, 2 * PAGE, 17, "/odd" },
		{ PAGE, PAGE, 0, "/empty" } };
	struct elfcore_thread thread = { .tid = 1, .general = { "x", 1 } };
	struct source source = { 0 };
	struct elfcore c = made_up(NULL, 0, read_source, &source);
	struct elfcore_stats stats;
	int fd = scratch();

	CHECK(elfcore_write(&c, fd, &stats) == 0);
	c.nthreads = 0;
	CHECK(elfcore_write(&c, fd, &stats) == -EINVAL);
	c.nthreads = 1;
	for (size_t i = 0; i < 2; i++) {
		c.files = &odd[i];
		c.nfiles = 1;
		CHECK(elfcore_write(&c, fd, &stats) == -EINVAL);
	}
	c.nfiles = 0;
	c.threads = &thread; /* registers of another machine */
	CHECK(elfcore_write(&c, fd, &stats) == -EINVAL);
	close(fd);
}

static void
test_bad_files(void)
{
	struct source source = { 0 };
	struct elfcore c = made_up(NULL, 0, read_source, &source);
	struct elfcore_stats stats;
	int fd;

	CHECK(elfcore_write(&c, -1, &stats) == -EBADF);
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	CHECK(elfcore_write(&c, fd, &stats) == -EINVAL);
	close(fd);
	fd = scratch();
	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0);
	CHECK(elfcore_write(&c, fd, &stats) == -EINVAL);
	close(fd);
}

/* A process as /proc tells of it. */
struct dump {
	struct elfcore core;
	struct elfcore_segment segments[MAPPINGS_MAX];
	struct elfcore_file files[MAPPINGS_MAX];
	char paths[MAPPINGS_MAX][256];
	uint8_t auxv[4096];
	int mem;
};

static int
read_mem(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct dump *d = ctx;

	return pread(d->mem, buf, len, (off_t)addr) == (ssize_t)len
		   ? ELFCORE_DATA
		   : ELFCORE_UNREADABLE;
}

static void
add_mapping(struct dump *d, const char *line)
{
	struct elfcore_segment *s = &d->segments[d->core.nsegments];
	struct elfcore_file *f = &d->files[d->core.nfiles];
	char *path = d->paths[d->core.nfiles];
	uint64_t end, offset;
	char mode[5];
	int n;

	CHECK(d->core.nsegments < MAPPINGS_MAX);
	path[0] = '\0';
	n = sscanf(line,
	    "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %255s", &s->start,
	    &end, mode, &offset, path);
	CHECK(n >= 4);
	if (strncmp(path, "[vvar", 5) == 0 || strcmp(path, "[vsyscall]") == 0)
		return; /* the kernel's, unreadable */
	s->len = end - s->start;
	s->prot = (mode[0] == 'r' ? PROT_READ : 0) |
		  (mode[1] == 'w' ? PROT_WRITE : 0) |
		  (mode[2] == 'x' ? PROT_EXEC : 0);
	s->in_file = path[0] == '/' && s->prot == (PROT_READ | PROT_EXEC);
	d->core.nsegments++;
	if (path[0] != '/' || strncmp(path, "/memfd:", 7) == 0)
		return;
	*f = (struct elfcore_file){ s->start, end, offset, path };
	d->core.nfiles++;
}

static void
open_dump(struct dump *d, pid_t pid)
{
	char path[64], line[512];
	ssize_t n;
	FILE *maps;
	int fd;

	memset(d, 0, sizeof(*d));
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	CHECK(maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL)
		add_mapping(d, line);
	fclose(maps);
	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, d->auxv, sizeof(d->auxv));
	CHECK(n > 0);
	close(fd);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	d->mem = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(d->mem >= 0);
	d->core.auxv = d->auxv;
	d->core.auxv_len = (size_t)n;
	d->core.files = d->files;
	d->core.segments = d->segments;
	d->core.process = (struct elfcore_process){
		.pid = pid,
		.ppid = getpid(),
		.uid = getuid(),
		.gid = getgid(),
		.comm = "victim",
		.args = "victim frames",
	};
	d->core.read = read_mem;
	d->core.ctx = d;
}

/* => path of a core of the process, made while it stood still */
static void
dump(const struct watch *w, char *path)
{
	static struct dump d;
	struct elfcore_stats stats;
	struct freeze *f;
	int fd = mkostemp(path, O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(freeze_begin(w->pid, 0, 5000000, &f) == 0);
	open_dump(&d, w->pid);
	d.core.threads = freeze_threads(f, &d.core.nthreads);
	CHECK(d.core.nthreads == 4);
	CHECK(elfcore_write(&d.core, fd, &stats) == 0);
	CHECK(stats.data_bytes > 0 && stats.zero_bytes > MIB);
	freeze_end(f);
	close(d.mem);
	close(fd);
}

static void
run_gdb(const char *core, char *text, size_t size)
{
	char command[1024];
	FILE *gdb;
	size_t n;

	snprintf(command, sizeof(command),
	    "gdb -nx -batch"
	    " -ex 'thread apply all bt'"
	    " -ex 'thread apply all -s -q frame apply all -s -q p local_number'"
	    " -ex 'p victim_number' -ex 'p victim_text'"
	    " -ex 'p victim_zeros[500000]'"
	    " -ex 'info auxv' -ex 'info proc mappings' -ex 'info proc'"
	    " '%s' '%s' 2>&1",
	    getenv("VICTIM"), core);
	gdb = popen(command, "re");
	CHECK(gdb != NULL);
	n = fread(text, 1, size - 1, gdb);
	text[n] = '\0';
	CHECK(pclose(gdb) == 0);
}

/* => where the frames of the thread stand that has this one */
static const char *
thread_with(const char *text, const char *function)
{
	const char *thread = NULL, *frame = strstr(text, function);

	for (const char *p = text; frame != NULL && p != NULL && p < frame;
	     p = strstr(p + 1, "\nThread "))
		thread = p;
	return thread;
}

static void
expect(const char *text, const char *what)
{
	bool found = strstr(text, what) != NULL;

	if (!found) {
		fputs("# gdb does not say: ", stdout);
		puts(what);
	}
	CHECK(found);
}

static void
check_gdb(const char *text)
{
	static const char *const frames[][2] = {
		{ " inner_spin (", " outer_spin (" },
		{ " inner_sleep (", " outer_sleep (" },
		{ " inner_read (", " outer_read (" },
		{ " wait_in_main (", " main (" },
	};

	for (size_t i = 0; i < 4; i++) {
		const char *inner = frames[i][0], *outer = frames[i][1];

		expect(text, inner);
		expect(text, outer);
		CHECK(thread_with(text, inner) == thread_with(text, outer));
	}
	expect(text, "Core was generated by `victim frames'");
	expect(text, "= 4711\n");
	expect(text, "= 20261123\n");
	expect(text, "\"text on the heap\"");
	expect(text, "= 0 '\\000'\n");
	expect(text, "AT_ENTRY");
	expect(text, "/tests/unit/victim\n");
	expect(text, "libc.so");
	CHECK(strstr(text, "Can't") == NULL);
}

static void
test_gdb(void)
{
	static char text[256 << 10];
	char path[] = "/tmp/test-elfcore.XXXXXX";
	struct watch w;

	watch_start(&w, "frames", 4);
	dump(&w, path);
	watch_kill(&w);
	run_gdb(path, text, sizeof(text));
	unlink(path);
	for (char *p = text; getenv("TEST_SHOW") != NULL && *p != '\0'; p++)
		putchar(*p);
	check_gdb(text);
}

static const struct test tests[] = {
	{ "sparse", test_sparse },
	{ "unreadable", test_unreadable },
	{ "many segments", test_many_segments },
	{ "bad segments", test_bad_segments },
	{ "bad descriptions", test_bad_descriptions },
	{ "bad files", test_bad_files },
	{ "as gdb sees it", test_gdb },
};

TEST_MAIN(tests)
