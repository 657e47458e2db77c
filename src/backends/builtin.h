/*
 * builtin.h: the backends that are built in, one line each
 *
 * => for backend.c and the backends themselves; everybody else goes through
 *    backend.h
 */
#ifndef BUILTIN_H
#define BUILTIN_H

#include "backend.h"

/* clang-format off */
#define BACKENDS(X) \
	X(ram) \
	X(null)
/* clang-format on */

#define BACKEND_DECLARE(name) extern const struct backend_ops name##_backend;
BACKENDS(BACKEND_DECLARE)
#undef BACKEND_DECLARE

#endif
