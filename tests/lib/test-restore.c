/*
 * Files and cores that are mapped.
 */
#include <sys/mman.h>

#include <elf.h>
#include <fcntl.h>

#include "fixture.h"
#include "pagerd/elf_machine.h"

#define FILE_PAGES 8
#define CORE_AT 4096 /* where the memory of a core begins in its file */

static int file;

/* => a file whose pages begin with their offsets */
static int
file_new(void)
{
	uint64_t at;
	int fd;

	fd = memfd_create("file", MFD_CLOEXEC);
	CHECK(fd >= 0 && ftruncate(fd, FILE_PAGES * PAGE) == 0);
	for (at = 0; at < FILE_PAGES * PAGE; at += PAGE)
		CHECK(pwrite(fd, &at, sizeof(at), (off_t)at) == sizeof(at));
	return (fd);
}

static void
begin_with_file(void)
{
	begin();
	file = file_new();
	open_fds = count_fds();
}

static void
end_with_file(void)
{
	CHECK(fds_are(open_fds));
	close(file);
	end();
}

static uint64_t
word(uint64_t addr)
{
	return (*(volatile uint64_t *)PTR(addr));
}

static void
map_some(void)
{
	struct pagerd_msg_request req;
	struct pagerd_region r;
	void *mem;

	begin_with_file();
	CHECK(pagerd_map_file(p, NULL, 3 * PAGE, file, PAGE, 0, &mem) == 0);
	CHECK(word(NUM(mem)) == PAGE && word(NUM(mem) + 2 * PAGE) == 3 * PAGE);
	*(uint64_t *)mem = 42;
	CHECK(arena_is(NUM(mem), 3 * PAGE, "rw-p") && fake_all_armed(&fake));
	req = fake_last(&fake, PAGERD_OP_MAP_FILE);
	CHECK(req.flags == 0 && req.addr == 0 && req.len == 3 * PAGE);
	CHECK(req.offset == PAGE);
	CHECK(pagerd_query(p, mem, &r) == 0);
	CHECK(strcmp(r.memtype, "image") == 0);
	CHECK(fds_are(open_fds));
	unmap(mem, 3 * PAGE);
	CHECK(pagerd_map_file(p, PTR(AT(4)), PAGE, file, 0,
		  PAGERD_FIXED | PAGERD_READONLY, &mem) == 0);
	CHECK(mem == PTR(AT(4)) && arena_is(AT(4), PAGE, "r--p"));
	CHECK(word(AT(4)) == 0);
	req = fake_last(&fake, PAGERD_OP_MAP_FILE);
	CHECK(req.flags == (PAGERD_MAP_FIXED | PAGERD_MAP_READONLY));
	CHECK(pagerd_map_file(p, PTR(AT(4)), PAGE, file, 0, PAGERD_FIXED,
		  &mem) == -EEXIST);
	unmap(PTR(AT(4)), PAGE);
	end_with_file();
}

/* => nothing of it comes to the daemon */
static void
map_invalid(void)
{
	int pipes[2], writer, path;
	void *mem;

	begin_with_file();
	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	writer = open("/dev/null", O_WRONLY | O_CLOEXEC);
	path = open("/", O_PATH | O_CLOEXEC);
	CHECK(writer >= 0 && path >= 0);
	CHECK(pagerd_map_file(p, NULL, 0, file, 0, 0, &mem) == -EINVAL);
	CHECK(pagerd_map_file(p, NULL, 8, file, 0, 0, &mem) == -EINVAL);
	CHECK(pagerd_map_file(p, NULL, PAGE, file, 8, 0, &mem) == -EINVAL);
	CHECK(pagerd_map_file(p, NULL, PAGE, file, -PAGE, 0, &mem) == -EINVAL);
	CHECK(pagerd_map_file(p, NULL, PAGE, file, 0, PAGERD_CREATE, &mem) ==
	      -EINVAL);
	CHECK(pagerd_map_file(p, NULL, PAGE, file, 0, PAGERD_FIXED, &mem) ==
	      -EINVAL);
	CHECK(pagerd_map_file(p, PTR(PAGE), PAGE, file, 0, 0, &mem) == -EINVAL);
	CHECK(pagerd_map_file(p, NULL, PAGE, pipes[0], 0, 0, &mem) == -EINVAL);
	CHECK(pagerd_map_file(p, NULL, PAGE, writer, 0, 0, &mem) == -EACCES);
	CHECK(pagerd_map_file(p, NULL, PAGE, path, 0, 0, &mem) == -EACCES);
	CHECK(pagerd_map_file(p, NULL, PAGE, -1, 0, 0, &mem) == -EBADF);
	CHECK(pagerd_map_file(p, NULL, PAGE, 9999, 0, 0, &mem) == -EBADF);
	CHECK(pagerd_restore(p, pipes[0]) == -EINVAL);
	CHECK(pagerd_restore(p, writer) == -EACCES);
	CHECK(pagerd_restore(p, -1) == -EBADF);
	CHECK(fake_count(&fake, PAGERD_OP_MAP_FILE) == 0);
	close(pipes[0]);
	close(pipes[1]);
	close(writer);
	close(path);
	end_with_file();
}

static void
map_refused(void)
{
	void *mem;

	begin_with_file();
	fake_fails(&fake, -ENOSPC, PAGERD_OP_MAP_FILE, 0);
	CHECK(pagerd_map_file(p, NULL, PAGE, file, 0, 0, &mem) == -ENOSPC);
	fake_fails(&fake, -EIO, PAGERD_OP_ARM, 0);
	CHECK(pagerd_map_file(p, NULL, PAGE, file, 0, 0, &mem) == -EIO);
	CHECK(fake_count(&fake, PAGERD_OP_UNMAP) == 1);
	CHECK(fake_nregions(&fake) == 0 && arena_is_empty());
	end_with_file();
}

static void
map_lies(void)
{
	static const enum fake_lie lies[] = { LIE_NO_FD, LIE_MANY_FDS,
		LIE_BELOW, LIE_ABOVE, LIE_OVER_THE_END, LIE_WRAPS,
		LIE_UNALIGNED, LIE_LONGER, LIE_EMPTY, LIE_OFFSET };
	void *mem;
	size_t i;

	begin_with_file();
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		fake_lies(&fake, lies[i], PAGERD_OP_MAP_FILE, 0);
		CHECK(pagerd_map_file(p, NULL, PAGE, file, 0, 0, &mem) ==
		      -EPROTO);
		CHECK(pagerd_map_file(p, NULL, PAGE, file, 0, 0, &mem) ==
		      -ECONNRESET);
		open_again();
		CHECK(arena_is_empty());
	}
	fake_unmapped(&fake, PAGERD_ARENA_START, PAGERD_ARENA_BYTES);
	end_with_file();
}

struct core {
	Elf64_Ehdr h;
	Elf64_Phdr p[4];
	Elf64_Shdr s;
};

/* A note, memory below the arena, in it, and above that a reservation. */
static struct core
core_new(void)
{
	struct core c = {
		.h = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
			   ELFCLASS64,
			   __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			       ? ELFDATA2LSB
			       : ELFDATA2MSB,
			   EV_CURRENT },
		    .e_type = ET_CORE,
		    .e_machine = PAGERD_ELF_MACHINE,
		    .e_version = EV_CURRENT,
		    .e_phoff = sizeof(Elf64_Ehdr),
		    .e_phentsize = sizeof(Elf64_Phdr),
		    .e_phnum = 4 },
	};

	c.p[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = 100 };
	c.p[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
		.p_flags = PF_R | PF_W,
		.p_offset = CORE_AT,
		.p_vaddr = AT(2),
		.p_filesz = 2 * PAGE,
		.p_memsz = 2 * PAGE };
	c.p[2] = c.p[1];
	c.p[2].p_flags = PF_R;
	c.p[2].p_offset = CORE_AT + 2 * PAGE;
	c.p[2].p_vaddr = AT(8);
	c.p[2].p_filesz = c.p[2].p_memsz = PAGE;
	c.p[3] = c.p[1];
	c.p[3].p_flags = 0;
	c.p[3].p_vaddr = AT(9);
	c.p[3].p_filesz = 0;
	c.p[3].p_memsz = 1000 * PAGE;
	return (c);
}

static int
restore(const struct core *c)
{
	CHECK(pwrite(file, c, sizeof(*c), 0) == sizeof(*c));
	return (pagerd_restore(p, file));
}

static void
unmap_core(void)
{
	unmap(PTR(AT(2)), 2 * PAGE);
	unmap(PTR(AT(8)), PAGE);
}

static void
is_restored(void)
{
	CHECK(word(AT(2)) == CORE_AT && word(AT(3)) == CORE_AT + PAGE);
	CHECK(word(AT(8)) == CORE_AT + 2 * PAGE);
	CHECK(arena_is(AT(2), 2 * PAGE, "rw-p"));
	CHECK(arena_is(AT(8), PAGE, "r--p") && fake_all_armed(&fake));
}

static void
restore_core(void)
{
	struct core c = core_new();

	begin_with_file();
	CHECK(restore(&c) == 0);
	CHECK(fake_count(&fake, PAGERD_OP_MAP_FILE) == 2);
	is_restored();
	CHECK(restore(&c) == -EEXIST);
	is_restored();
	unmap_core();
	/* More program headers than the header can say. */
	c.h.e_phnum = PN_XNUM;
	c.h.e_shoff = offsetof(struct core, s);
	c.s.sh_info = 4;
	CHECK(restore(&c) == 0);
	is_restored();
	unmap_core();
	end_with_file();
}

static void
restore_nothing(void)
{
	struct core c = core_new();

	begin_with_file();
	c.h.e_phnum = 1;
	CHECK(restore(&c) == -ENOENT);
	c = core_new();
	c.p[1].p_vaddr = PAGERD_ARENA_START - 2 * PAGE;
	c.p[2].p_vaddr = ARENA_END;
	CHECK(restore(&c) == -ENOENT);
	CHECK(fake_count(&fake, PAGERD_OP_MAP_FILE) == 0);
	end_with_file();
}

#define REFUSED(change)                                                        \
	do {                                                                   \
		struct core c = core_new();                                    \
		change;                                                        \
		CHECK(restore(&c) == -ENOEXEC);                                \
		CHECK(arena_is_empty() && fake_nregions(&fake) == 0);          \
	} while (0)

static void
restore_no_core(void)
{
	begin_with_file();
	REFUSED(c.h.e_ident[0] = 'x');
	REFUSED(c.h.e_ident[EI_CLASS] = ELFCLASS32);
	REFUSED(c.h.e_ident[EI_DATA] ^= ELFDATA2LSB ^ ELFDATA2MSB);
	REFUSED(c.h.e_type = ET_EXEC);
	REFUSED(c.h.e_machine = EM_68K);
	REFUSED(c.h.e_version = 2);
	REFUSED(c.h.e_phentsize = 1);
	REFUSED(c.h.e_phoff = UINT64_MAX);
	REFUSED(c.h.e_phoff = INT64_MAX);
	REFUSED(c.h.e_phoff = FILE_PAGES * PAGE - 8);
	REFUSED(c.h.e_phnum = PN_XNUM; c.h.e_shoff = 64 * PAGE);
	REFUSED(c.h.e_phnum = PN_XNUM; c.h.e_shoff = offsetof(struct core, s);
		c.s.sh_info = UINT32_MAX; c.p[2].p_memsz = 8);
	REFUSED(c.p[2].p_offset += 8);
	REFUSED(c.p[2].p_vaddr += 8);
	REFUSED(c.p[2].p_filesz = 0);
	REFUSED(c.p[2].p_filesz += PAGE);
	REFUSED(c.p[2].p_memsz = UINT64_MAX);
	REFUSED(c.p[2].p_memsz = c.p[2].p_filesz = -PAGE);
	REFUSED(c.p[2].p_flags = PF_W);
	REFUSED(c.p[2].p_vaddr = PAGERD_ARENA_START - PAGE;
		c.p[2].p_memsz = c.p[2].p_filesz = 2 * PAGE);
	REFUSED(c.p[2].p_vaddr = ARENA_END - PAGE;
		c.p[2].p_memsz = c.p[2].p_filesz = 2 * PAGE);
	CHECK(ftruncate(file, 10) == 0);
	CHECK(pagerd_restore(p, file) == -ENOEXEC);
	end_with_file();
}

static void
restore_undone(void)
{
	struct core c = core_new();

	begin_with_file();
	fake_fails(&fake, -ENOSPC, PAGERD_OP_MAP_FILE, 1);
	CHECK(restore(&c) == -ENOSPC);
	CHECK(arena_is_empty() && fake_nregions(&fake) == 0);
	fake_fails(&fake, -EINVAL, PAGERD_OP_MAP_FILE, 1);
	CHECK(restore(&c) == -ENOEXEC);
	CHECK(arena_is_empty() && fake_nregions(&fake) == 0);
	fake_fails(&fake, -EIO, PAGERD_OP_ARM, 1);
	CHECK(restore(&c) == -EIO);
	CHECK(arena_is_empty() && fake_nregions(&fake) == 0);
	CHECK(fake_count(&fake, PAGERD_OP_UNMAP) == 4);
	CHECK(restore(&c) == 0);
	is_restored();
	unmap_core();
	end_with_file();
}

static const struct test tests[] = {
	{ "map a file", map_some },
	{ "what cannot be mapped", map_invalid },
	{ "it is refused, or not armed", map_refused },
	{ "replies to MAP_FILE that cannot be", map_lies },
	{ "restore a core", restore_core },
	{ "one with nothing in the arena", restore_nothing },
	{ "what is no core", restore_no_core },
	{ "all or nothing", restore_undone },
};

TEST_MAIN(tests)
