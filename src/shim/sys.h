/*
 * sys.h: system calls without a C library
 *
 * => every call returns the result, or -errno; errno itself is not touched
 * => nothing here uses thread-local storage, so a thread that libc does not
 *    know of may call it
 */
#ifndef SHIM_SYS_H
#define SHIM_SYS_H

#include <sys/syscall.h>

#include <stddef.h>

#if defined(__x86_64__)

static inline __attribute__((always_inline)) long
sys_call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			 "r"(r9)
			 : "rcx", "r11", "memory");
	return (ret);
}

/*
 * sys_clone_thread: clone() whose new thread calls fn(arg) on its own stack
 *
 * => tid is written before the thread runs, and cleared with a futex wake
 *    when the kernel is done with the thread's memory
 * => fn does not return
 */
static inline long
sys_clone_thread(unsigned long flags, void *stack_top, int *tid,
    void (*fn)(void *), void *arg)
{
	register int *r10 __asm__("r10") = tid;
	register void (*r8)(void *) __asm__("r8") = fn;
	register void *r9 __asm__("r9") = arg;
	long ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r9, %%rdi\n\t"
			 "call *%%r8\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(ret)
			 : "a"((long)SYS_clone), "D"(flags), "S"(stack_top),
			 "d"(tid), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory", "cc");
	return (ret);
}

#elif defined(__aarch64__)

static inline __attribute__((always_inline)) long
sys_call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return (x0);
}

/* As on x86_64; here the thread pointer comes before the child's tid. */
static inline long
sys_clone_thread(unsigned long flags, void *stack_top, int *tid,
    void (*fn)(void *), void *arg)
{
	register long x8 __asm__("x8") = SYS_clone;
	register unsigned long x0 __asm__("x0") = flags;
	register void *x1 __asm__("x1") = stack_top;
	register int *x2 __asm__("x2") = tid;
	register long x3 __asm__("x3") = 0;
	register int *x4 __asm__("x4") = tid;
	register void (*x5)(void *) __asm__("x5") = fn;
	register void *x6 __asm__("x6") = arg;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x30, xzr\n\t"
			 "mov x0, x6\n\t"
			 "blr x5\n\t"
			 "brk #1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5),
			 "r"(x6)
			 : "memory", "cc");
	return ((long)x0);
}

#else
#error "pagerd knows the system calls of x86_64 and aarch64 only"
#endif

#define sys0(nr) sys_call(nr, 0, 0, 0, 0, 0, 0)
#define sys1(nr, a) sys_call(nr, (long)(a), 0, 0, 0, 0, 0)
#define sys2(nr, a, b) sys_call(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(nr, a, b, c) sys_call(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(nr, a, b, c, d)                                                   \
	sys_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys5(nr, a, b, c, d, e)                                                \
	sys_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define sys6(nr, a, b, c, d, e, f)                                             \
	sys_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e),    \
	    (long)(f))

#endif
