/*
 * restore.c: memory that comes from a file
 *
 * What a core says of itself is looked at here: the daemon hears of offsets in
 * a file, and of addresses in the arena.
 */
#include <sys/stat.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"
#include "pagerd/elf_machine.h"

/*
 * The daemon believes what the kernel knows of the file, and does not ask who
 * serves it: that is done here, where nobody else waits for it.
 */
static int
look(int fd)
{
	struct stat st;
	int flags;

	if (fstat(fd, &st) < 0 || (flags = fcntl(fd, F_GETFL)) < 0)
		return (-errno);
	if (flags & O_PATH || (flags & O_ACCMODE) == O_WRONLY)
		return (-EACCES);
	return (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ? 0 : -EINVAL);
}

static uint32_t
wire_flags(unsigned int flags)
{
	return ((flags & PAGERD_READONLY ? (uint32_t)PAGERD_MAP_READONLY : 0) |
		(flags & PAGERD_FIXED ? (uint32_t)PAGERD_MAP_FIXED : 0));
}

/* => entered */
static int
map_file(struct pagerd *p, uint64_t hint, uint64_t len, int fd, uint64_t offset,
    unsigned int flags, void **addr)
{
	struct pagerd_msg_request req = {
		.op = PAGERD_OP_MAP_FILE,
		.flags = wire_flags(flags),
		.addr = hint,
		.len = len,
		.offset = offset,
	};

	return (region_map(p, &req, fd, addr));
}

int
pagerd_map_file(struct pagerd *p, void *hint, size_t len, int fd,
    uint64_t offset, unsigned int flags, void **addr)
{
	int ret;

	ret = region_check_file((uintptr_t)hint, len, offset, flags);
	if (ret < 0)
		return (ret);
	if ((ret = look(fd)) < 0)
		return (ret);
	if ((ret = session_enter(p)) < 0)
		return (ret);
	ret = map_file(p, (uintptr_t)hint, len, fd, offset, flags, addr);
	session_leave(p);
	return (ret);
}

/* => -ENOEXEC: the file ends before */
static int
read_at(int fd, void *buf, size_t len, uint64_t at)
{
	char *to = buf;
	ssize_t n;

	if (at > INT64_MAX - len)
		return (-ENOEXEC);
	while (len > 0) {
		n = pread(fd, to, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (-errno);
		if (n == 0)
			return (-ENOEXEC);
		to += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return (0);
}

static bool
is_core(const Elf64_Ehdr *h)
{
	return (memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 &&
		h->e_ident[EI_CLASS] == ELFCLASS64 &&
		h->e_ident[EI_DATA] == PAGERD_ELF_DATA &&
		h->e_type == ET_CORE && h->e_machine == PAGERD_ELF_MACHINE &&
		h->e_version == EV_CURRENT &&
		h->e_phentsize == sizeof(Elf64_Phdr) &&
		h->e_phoff <= INT64_MAX && h->e_shoff <= INT64_MAX);
}

struct core {
	int fd;
	uint64_t at;       /* the next program header */
	uint64_t nheaders; /* that are left */
};

/* There may be more than e_phnum can say: elf(5), PN_XNUM. */
static int
core_open(struct core *c)
{
	Elf64_Ehdr h;
	Elf64_Shdr s;
	int ret;

	ret = read_at(c->fd, &h, sizeof(h), 0);
	if (ret == 0 && !is_core(&h))
		ret = -ENOEXEC;
	if (ret < 0)
		return (ret);
	c->at = h.e_phoff;
	c->nheaders = h.e_phnum;
	if (h.e_phnum != PN_XNUM)
		return (0);
	ret = read_at(c->fd, &s, sizeof(s), h.e_shoff);
	if (ret == 0)
		c->nheaders = s.sh_info;
	return (ret);
}

static bool
in_arena(const Elf64_Phdr *h)
{
	return (h->p_vaddr < ARENA_END &&
		(h->p_vaddr >= PAGERD_ARENA_START ||
		    h->p_memsz > PAGERD_ARENA_START - h->p_vaddr));
}

/* => what of it is in the file is all that there was */
static int
check_segment(const Elf64_Phdr *h)
{
	if (h->p_memsz != h->p_filesz || !arena_holds(h->p_vaddr, h->p_memsz) ||
	    h->p_offset % PAGERD_PAGE != 0 || !(h->p_flags & PF_R))
		return (-ENOEXEC);
	return (0);
}

static int
restore_segment(struct made *m, int fd, const Elf64_Phdr *h)
{
	const unsigned int readonly = h->p_flags & PF_W ? 0 : PAGERD_READONLY;
	void *addr;
	int ret;

	/* What is reserved has nothing in the file. */
	if (h->p_type != PT_LOAD || h->p_memsz == 0 || !in_arena(h) ||
	    (h->p_flags & (PF_R | PF_W | PF_X)) == 0)
		return (0);
	if ((ret = check_segment(h)) < 0)
		return (ret);
	if ((ret = made_room(m)) < 0)
		return (ret);
	ret = map_file(m->p, h->p_vaddr, h->p_memsz, fd, h->p_offset,
	    readonly | PAGERD_FIXED, &addr);
	/* It is no core that says more than the file has. */
	if (ret == -EINVAL)
		return (-ENOEXEC);
	if (ret == 0)
		made_add(m, h->p_vaddr, h->p_memsz);
	return (ret);
}

#define HEADERS 64

static int
restore_all(struct made *m, struct core *c)
{
	Elf64_Phdr h[HEADERS];
	size_t n;
	int ret = 0;

	while (ret == 0 && c->nheaders > 0) {
		n = c->nheaders < HEADERS ? c->nheaders : HEADERS;
		ret = read_at(c->fd, h, n * sizeof(*h), c->at);
		for (size_t i = 0; ret == 0 && i < n; i++)
			ret = restore_segment(m, c->fd, &h[i]);
		c->at += n * sizeof(*h);
		c->nheaders -= n;
	}
	if (ret == 0 && m->n == 0)
		ret = -ENOENT;
	return (ret);
}

int
pagerd_restore(struct pagerd *p, int fd)
{
	struct core core = { .fd = fd };
	struct made made = { .p = p };
	int ret;

	if ((ret = look(fd)) < 0)
		return (ret);
	if ((ret = core_open(&core)) < 0)
		return (ret);
	if ((ret = session_enter(p)) < 0)
		return (ret);
	ret = made_end(&made, restore_all(&made, &core));
	session_leave(p);
	return (ret);
}
