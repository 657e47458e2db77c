/*
 * kernel.h: the fake kernel's processes, mappings and page tables
 *
 *	proc --< vma --> memfile	what is mapped, and with whom registered
 *	     --- pte[] --> frame	what is in memory
 *	     --- mem[] --> opage	what must be there (oracle.h)
 *	memfile --- frames[] --> frame	a memfd's pages, for all who map it
 *	        --- mem[] --> opage
 *
 * Pages are numbers in a window of SIM_PAGES that every process has.  What is
 * modelled is what userfaultfd lets one see: kernel-facts.md of the design.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "sim.h"
#include "uffd.h"

#define MAX_TASKS 4
#define PROC_MAX 256 /* in one run, dead ones counted */

struct agent;
struct ctx;
struct opage;
struct simfile;
struct snap;
struct task;

struct frame {
	uint32_t refs;  /* page table entries that map it, and its file */
	uint32_t pins;  /* I/O in flight */
	bool exclusive; /* as PageAnonExclusive */
	uint8_t data[PAGE_SIZE];
};

struct memfile {
	uint32_t id, npages;
	struct frame **frames; /* NULL: a hole */
	struct opage **mem;    /* what who shares it must read */
};

struct pte {
	struct frame *frame;
	bool file;    /* it is the file's, not the process's own */
	bool zero;    /* the kernel's zero page; frame is NULL */
	bool wp;      /* uffd-wp */
	bool lazy;    /* MADV_FREE, not written since */
	bool loose;   /* MADV_FREE, and lived on */
	bool swapped; /* by the kernel: still there, only not in memory */
	bool poison;
};

struct vma {
	TAILQ_ENTRY(vma) link;
	uint32_t start, end; /* pages */
	bool read, write;
	bool file, shared, stack;
	bool busy; /* registered by the program itself: never ours */
	bool dontfork, wipeonfork;
	bool agent; /* area and anchor: the program does not know of it */
	bool fresh; /* not armed yet: the program does not know of it either */
	bool readonly;               /* it can never be written to */
	struct memfile *memfile;     /* file, of the daemon's; or NULL */
	uint32_t offset;             /* its page at start */
	const struct snap *clone_of; /* or NULL */
	struct simfile *image;       /* or NULL; its page is memfile's */
	struct ctx *ctx;
	bool wp, minor; /* registered with, not only MISSING */
};

TAILQ_HEAD(vma_list, vma);

struct proc {
	uint32_t pid, uid;
	struct proc *parent;
	bool running; /* its threads are alive */
	bool mm;      /* the address space is there */
	bool ended;   /* what is left of it goes by and by */
	bool hostile; /* its memory is its own problem */
	struct vma_list vmas;
	struct pte *pte;       /* [SIM_PAGES] */
	struct opage **mem;    /* [SIM_PAGES] */
	struct opage ***share; /* [SIM_PAGES], of a file; NULL: mem's */
	struct task *tasks;    /* [MAX_TASKS] */
	struct ctx *main;      /* userfaultfd of the program; not counted */
	struct agent *agent;
	uint32_t anchor; /* page, 0: none */
	uint64_t space;  /* the pager's name for it, 0: not known */
	uint32_t group;  /* and for its group */
	bool raw;        /* made by a raw clone: has no agent */
	bool holder;     /* of a snapshot: runs nothing but an agent */
	bool frozen;     /* its tasks are to stand still */
	bool session;    /* it has opened libpagerd */
	bool library;    /* it, or a forefather, has asked it to */
	bool marked;     /* its parent kept mappings from it (madvise) */
	uint32_t nforks; /* children alive or dead */
	uint32_t adopts; /* asked for and not answered yet */
};

struct kernel {
	struct proc *procs[PROC_MAX];
	uint32_t nprocs;
	/* Others go on while the pager makes a call; NULL: they do not. */
	void (*race)(struct proc *);
	bool leaving; /* the daemon is */
	/* What happened, for the report of coverage. */
	uint64_t cow, reuses, lazy_lost, swaps, zero_pages, zero_waits;
	uint64_t file_lost, file_copies, shared_waits;
};

extern struct kernel kernel;

struct frames_counts {
	uint64_t files, written, punched;
};
extern struct frames_counts frames_counts;
void frames_reset(void); /* forgets every file; nobody maps one any more */

void kernel_reset(void); /* forgets every process */
void kernel_race(struct proc *);
struct proc *proc_new(struct proc *parent);
/* => the address space goes: no page, no mapping is left */
void proc_drop_mm(struct proc *);

struct vma *vma_find(const struct proc *, uint32_t pg); /* or NULL */
/* => the range must be free */
struct vma *vma_map(struct proc *, uint32_t start, uint32_t end);
struct vma *vma_map_like(struct proc *, uint32_t start, uint32_t end,
    const struct vma *like);
/* => vmas begin and end there, as far as there are any */
void vma_cut(struct proc *, uint32_t start, uint32_t end);
void vma_unmap(struct proc *, uint32_t start, uint32_t end);
/* => neighbours that are alike become one, as the kernel does */
void vma_merge(struct proc *);
bool vma_is_free(const struct proc *, uint32_t start, uint32_t end);
/* => lowest free run of n pages in [from, to), or SIM_PAGES */
uint32_t vma_gap(const struct proc *, uint32_t from, uint32_t to, uint32_t n);

/* => what a neighbour has to share to be merged */
bool vma_alike(const struct vma *, const struct vma *);

bool pte_none(const struct pte *); /* nothing is mapped; poison is none */
void pte_drop(struct pte *);
/* => a page of the process's own; data NULL: zeros */
void pte_install(struct pte *, const void *data);
const uint8_t *pte_data(const struct pte *); /* NULL when none */

struct frame *frame_new(const void *data); /* NULL: zeros */
void frame_put(struct frame *);

/* => the page of a mapping in its file */
static inline uint32_t
vma_file_page(const struct vma *v, uint32_t pg)
{
	return v->offset + (pg - v->start);
}

/* => the file's frame, made of zeros if there is none */
struct frame *memfile_page(struct memfile *, uint32_t page);
/* => a hole, as everybody sees at once; there must be a frame */
void memfile_punch(struct memfile *, uint32_t page);
/* => the process shows the file's frame, which must be there */
void pte_map_file(struct pte *, const struct vma *, uint32_t pg);

enum access_result {
	ACCESS_DONE,    /* the page is there and may be used so */
	ACCESS_MISSING, /* the userfaultfd of the vma has to be asked */
	ACCESS_MINOR,
	ACCESS_WP,
	ACCESS_SEGV,
	ACCESS_BUS,
};

/* => ACCESS_DONE: native faults are resolved, pte_data() is the content */
enum access_result mm_access(struct proc *, uint32_t pg, bool write);
/* => what is told of an access that was not DONE */
enum uffd_kind mm_kind(enum access_result);
/* => by the process, through a page that mm_access() opened for writing */
void mm_write(struct proc *, uint32_t pg, uint32_t off, const void *, size_t);

/* => child gets mappings and pages; ctx takes the place of parent->main */
void mm_fork(struct proc *parent, struct proc *child, struct ctx *);
void mm_move(struct proc *, uint32_t from, uint32_t to, uint32_t n);
void mm_zap(struct proc *, uint32_t start, uint32_t end);
void mm_free_lazily(struct proc *, uint32_t start, uint32_t end);
/* => pressure: the kernel drops lazy pages, swaps others */
void mm_pressure(struct proc *);

enum move_result { /* UFFDIO_MOVE of one page, holes allowed */
	MOVE_DONE,
	MOVE_HOLE,
	MOVE_BUSY,
	MOVE_EXIST,
};
enum move_result mm_capture(struct proc *, uint32_t src, uint32_t dst);

#endif
