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

#define RULE_INSNS 7
#define MAX_RULES 40
#define ANY_ARG (-1)

struct ruleset {
	unsigned short n;
	struct sock_filter insns[3 + MAX_RULES * RULE_INSNS + 1];
};

static void
emit(struct ruleset *rs, uint16_t code, uint32_t k, uint8_t jf)
{
	struct sock_filter *insn = &rs->insns[rs->n++];

	insn->code = code;
	insn->jt = 0;
	insn->jf = jf;
	insn->k = k;
}

static void
load(struct ruleset *rs, size_t offset)
{
	emit(rs, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0);
}

/*
 * allow: system call nr, if its argument has that value
 *
 * => only the low half of an argument is looked at: all that are checked are
 *    32 bits wide to the kernel
 */
static void
allow(struct ruleset *rs, long nr, int arg, uint32_t value)
{
	const int check = arg != ANY_ARG;

	emit(rs, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, check ? 4 : 1);
	if (check) {
		load(rs, offsetof(struct seccomp_data, args) +
			     (size_t)arg * sizeof(uint64_t));
		emit(rs, BPF_JMP | BPF_JEQ | BPF_K, value, 1);
	}
	emit(rs, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);
	if (check)
		load(rs, offsetof(struct seccomp_data, nr));
}

/* allow_ioctl: one request on one descriptor */
static void
allow_ioctl(struct ruleset *rs, int fd, uint32_t request)
{
	const size_t args = offsetof(struct seccomp_data, args);

	emit(rs, BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 6);
	load(rs, args);
	emit(rs, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)fd, 3);
	load(rs, args + sizeof(uint64_t));
	emit(rs, BPF_JMP | BPF_JEQ | BPF_K, request, 1);
	emit(rs, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);
	load(rs, offsetof(struct seccomp_data, nr));
}

static void
build(struct ruleset *rs, const struct agent *a)
{
	rs->n = 0;
	load(rs, offsetof(struct seccomp_data, arch));
	emit(rs, BPF_JMP | BPF_JEQ | BPF_K, LOCKDOWN_ARCH, 0);
	load(rs, offsetof(struct seccomp_data, nr));
	allow(rs, SYS_ppoll, ANY_ARG, 0);
	allow(rs, SYS_recvmsg, 0, (uint32_t)a->sock);
	allow(rs, SYS_sendmsg, 0, (uint32_t)a->sock);
	allow(rs, SYS_ioctl, 1, (uint32_t)UFFDIO_MOVE);
	allow_ioctl(rs, a->main_fd, (uint32_t)UFFDIO_REGISTER);
	allow_ioctl(rs, a->main_fd, (uint32_t)UFFDIO_UNREGISTER);
	allow_ioctl(rs, a->main_fd, (uint32_t)UFFDIO_WRITEPROTECT);
	allow_ioctl(rs, a->bell_fd, (uint32_t)UFFDIO_ZEROPAGE);
	allow_ioctl(rs, a->bell_fd, (uint32_t)UFFDIO_WAKE);
	allow(rs, SYS_read, 0, (uint32_t)a->bell_fd);
	allow(rs, SYS_madvise, 2, MADV_DONTNEED_LOCKED);
	allow(rs, SYS_madvise, 2, MADV_POPULATE_WRITE);
	allow(rs, SYS_madvise, 2, MADV_COLD);
	allow(rs, SYS_clone, 0, (uint32_t)AGENT_DROP_CLONE);
	allow(rs, SYS_mremap, ANY_ARG, 0);
	allow(rs, SYS_mmap, 2, PROT_NONE);
	allow(rs, SYS_pread64, 0, (uint32_t)a->stat_fd);
	allow(rs, SYS_pidfd_getfd, 0, (uint32_t)a->pid_fd);
	allow(rs, SYS_write, ANY_ARG, 0);
	allow(rs, SYS_kill, 0, (uint32_t)a->pid);
	allow(rs, SYS_futex, ANY_ARG, 0);
	allow(rs, SYS_restart_syscall, ANY_ARG, 0);
	allow(rs, SYS_exit, ANY_ARG, 0);
	allow(rs, SYS_exit_group, ANY_ARG, 0);
	/* A holder has no more rights than we. */
	allow(rs, SYS_clone, 0, 0);
	allow(rs, SYS_wait4, ANY_ARG, 0);
	allow(rs, SYS_madvise, 2, MADV_DOFORK);
	allow(rs, SYS_madvise, 2, MADV_DONTFORK);
	allow(rs, SYS_prctl, 0, PR_SET_NAME);
	allow(rs, SYS_dup3, 1, (uint32_t)a->sock);
	allow(rs, SYS_close, ANY_ARG, 0);
	allow(rs, SYS_getpid, ANY_ARG, 0);
	allow(rs, SYS_ioctl, 1, (uint32_t)USERFAULTFD_IOC_NEW);
	emit(rs, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0);
	/* A foreign architecture goes straight to the refusal. */
	rs->insns[1].jf = (uint8_t)(rs->n - 3);
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
