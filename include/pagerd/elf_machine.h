/*
 * elf_machine.h: what an ELF file of this machine says of itself (elf(5))
 */
#ifndef PAGERD_ELF_MACHINE_H
#define PAGERD_ELF_MACHINE_H

#include <elf.h>
#include <endian.h>

#if defined(__x86_64__)
#define PAGERD_ELF_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define PAGERD_ELF_MACHINE EM_AARCH64
#elif defined(__riscv)
#define PAGERD_ELF_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define PAGERD_ELF_MACHINE EM_PPC64
#elif defined(__s390x__)
#define PAGERD_ELF_MACHINE EM_S390
#else
#error "elf_machine.h: which e_machine has this one?"
#endif

#define PAGERD_ELF_DATA                                                        \
	(__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB)

#endif
