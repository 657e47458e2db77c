/*
 * agent-lockdown.c: what is left of the agent's power once it is running
 *
 * A program that started with privileges may drop them later; the agent keeps
 * the credentials it was born with, in memory that the program can write.
 * Whoever took over the program must gain nothing by taking over the agent:
 * it has no capabilities, cannot open, connect or execute anything, and its
 * ioctls concern pages of its own address space only.
 *
 * A program without privileges has none to lose, and its agent gets no filter:
 * with one, the program's own seccomp(2) with SECCOMP_FILTER_FLAG_TSYNC would
 * fail, because its threads' filters would differ.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include <pagerd/uffd_abi.h>

#include "agent.h"
#include "sys.h"

#if defined(__x86_64__)
#define LOCKDOWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define LOCKDOWN_ARCH AUDIT_ARCH_AARCH64
#endif

#define MAX_INSNS 128
/* Jumps to the end of the program, whose length is not known yet. */
#define TO_DENY 254
#define TO_ALLOW 255

struct ruleset {
	unsigned short n;
	struct sock_filter insns[MAX_INSNS];
};

static void
emit(struct ruleset *rs, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	struct sock_filter *insn = &rs->insns[rs->n++];

	insn->code = code;
	insn->jt = jt;
	insn->jf = jf;
	insn->k = k;
}

static void
load(struct ruleset *rs, size_t offset)
{
	emit(rs, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/*
 * Only the low half of an argument is looked at: all that are checked are 32
 * bits wide to the kernel.
 */
static void
load_arg(struct ruleset *rs, size_t arg)
{
	load(rs, offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t));
}

static void
equal(struct ruleset *rs, uint32_t value, uint8_t jt, uint8_t jf)
{
	emit(rs, BPF_JMP | BPF_JEQ | BPF_K, value, jt, jf);
}

/* The system call, whatever its arguments. */
static void
allow(struct ruleset *rs, long nr)
{
	equal(rs, (uint32_t)nr, TO_ALLOW, 0);
}

/* What is loaded is one of these; nothing else is looked at any more. */
static void
only(struct ruleset *rs, const uint32_t *values, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		equal(rs, values[i], TO_ALLOW, i + 1 < n ? 0 : TO_DENY);
}

/* The system call, if its argument has one of these values. */
static void
allow_values(struct ruleset *rs, long nr, size_t arg, const uint32_t *values,
    unsigned int n)
{
	equal(rs, (uint32_t)nr, 0, (uint8_t)(n + 1));
	load_arg(rs, arg);
	only(rs, values, n);
}

static void
allow_value(struct ruleset *rs, long nr, size_t arg, uint32_t value)
{
	allow_values(rs, nr, arg, &value, 1);
}

#define COUNT(a) ((unsigned int)(sizeof(a) / sizeof((a)[0])))

/* One request on whatever descriptor, others on one only. */
static void
allow_ioctls(struct ruleset *rs, const struct agent *a)
{
	const uint32_t main_requests[] = { (uint32_t)UFFDIO_REGISTER,
		(uint32_t)UFFDIO_UNREGISTER, (uint32_t)UFFDIO_WRITEPROTECT };
	const uint32_t bell_requests[] = { (uint32_t)UFFDIO_API,
		(uint32_t)UFFDIO_REGISTER, (uint32_t)UFFDIO_ZEROPAGE,
		(uint32_t)UFFDIO_WAKE };
	const unsigned short start = rs->n;

	equal(rs, SYS_ioctl, 0, 0);
	load_arg(rs, 1);
	equal(rs, (uint32_t)UFFDIO_MOVE, TO_ALLOW, 0);
	load_arg(rs, 0);
	equal(rs, (uint32_t)a->main_fd, 0, COUNT(main_requests) + 1);
	load_arg(rs, 1);
	only(rs, main_requests, COUNT(main_requests));
	equal(rs, (uint32_t)a->bell_fd, 0, TO_DENY);
	load_arg(rs, 1);
	only(rs, bell_requests, COUNT(bell_requests));
	rs->insns[start].jf = (uint8_t)(rs->n - start - 1);
}

/* => the two ends are where the jumps lead */
static void
finish(struct ruleset *rs)
{
	struct sock_filter *insn;
	unsigned short i, deny = rs->n;

	emit(rs, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
	emit(rs, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	for (i = 0; i < deny; i++) {
		insn = &rs->insns[i];
		if (insn->jt == TO_ALLOW)
			insn->jt = (uint8_t)(deny - i);
		if (insn->jf == TO_DENY)
			insn->jf = (uint8_t)(deny - i - 1);
	}
}

/*
 * What the agent does most comes first.
 *
 * The kernel would run all of this, interpreted, for each of its system calls
 * to find those that are always allowed, if the first step did not depend on
 * an argument; and it compiles it for each agent anew.  A program waits for
 * both as it starts, which is why the first step is there, and all the jumps
 * (measured: 67 us without either, 19 with both).
 */
static void
build(struct ruleset *rs, const struct agent *a)
{
	const uint32_t advice[] = { MADV_DONTNEED_LOCKED, MADV_POPULATE_WRITE,
		MADV_COLD, MADV_DOFORK, MADV_DONTFORK };
	/* For DROP; and a holder, which has no more rights than we. */
	const uint32_t clones[] = { (uint32_t)AGENT_DROP_CLONE, 0 };
	const uint32_t numbers[] = { (uint32_t)a->sock, (uint32_t)a->main_fd };

	rs->n = 0;
	load_arg(rs, 0);
	load(rs, offsetof(struct seccomp_data, arch));
	equal(rs, LOCKDOWN_ARCH, 0, TO_DENY);
	load(rs, offsetof(struct seccomp_data, nr));
	allow(rs, SYS_ppoll);
	allow_value(rs, SYS_recvmsg, 0, (uint32_t)a->sock);
	allow_value(rs, SYS_sendmsg, 0, (uint32_t)a->sock);
	allow_ioctls(rs, a);
	allow_value(rs, SYS_read, 0, (uint32_t)a->bell_fd);
	allow_values(rs, SYS_madvise, 2, advice, COUNT(advice));
	allow_values(rs, SYS_clone, 0, clones, COUNT(clones));
	allow(rs, SYS_mremap);
	allow_value(rs, SYS_mmap, 2, PROT_NONE);
	allow_value(rs, SYS_pread64, 0, (uint32_t)a->stat_fd);
	allow_value(rs, SYS_pidfd_getfd, 0, (uint32_t)a->pid_fd);
	allow(rs, SYS_write);
	allow_value(rs, SYS_kill, 0, (uint32_t)a->pid);
	allow(rs, SYS_futex);
	allow(rs, SYS_restart_syscall);
	allow(rs, SYS_exit);
	allow(rs, SYS_exit_group);
	allow(rs, SYS_wait4);
	allow_value(rs, SYS_prctl, 0, PR_SET_NAME);
	allow_values(rs, SYS_dup3, 1, numbers, COUNT(numbers));
	allow(rs, SYS_close);
	allow(rs, SYS_getpid);
	finish(rs);
}

/* => 1: there were some, or the user is root, who owns what matters */
static int
drop_capabilities(void)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	unsigned int i;
	int privileged = sys0(SYS_geteuid) == 0;

	if (sys2(SYS_capget, &hdr, data) != 0)
		privileged = 1;
	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		if (data[i].permitted != 0)
			privileged = 1;
		data[i].effective = 0;
		data[i].permitted = 0;
		data[i].inheritable = 0;
	}
	sys2(SYS_capset, &hdr, data);
	return privileged;
}

void
agent_lockdown(const struct agent *a)
{
	struct ruleset rs;
	struct sock_fprog prog;

	if (!drop_capabilities())
		return;
	sys5(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	build(&rs, a);
	prog.len = rs.n;
	prog.filter = rs.insns;
	sys3(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog);
}
