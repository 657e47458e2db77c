/*
 * states.h: what a page of a region can be
 *
 * STATE(ident, name, help).  The names are those of the interface.
 */
/* clang-format off */
STATE(UNKNOWN, "unknown", "not seen by the daemon since it was adopted, or never used")
STATE(RESIDENT, "resident", "in memory, its only copy")
STATE(CLEAN, "clean", "in memory, with a stored copy that is kept")
STATE(PROTECTED, "write_protected", "in memory, perhaps shared after a fork")
STATE(STANDBY, "standby", "captured, on its way out")
STATE(COMPRESSED, "compressed", "out, in the ram store")
STATE(DISK, "disk", "out, on disk")
STATE(ZERO, "zero", "out, all zero")
STATE(LOST, "lost", "out, and its contents are gone")
/* clang-format on */
