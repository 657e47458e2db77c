/*
 * parameters.h: every setting of pagerd.conf(5)
 *
 * PARAMETER(section, ident, name, default, help).  A section called "group"
 * is written [group NAME], once for each group.
 */
/* clang-format off */
PARAMETER("daemon", log_level, "log-level", "info", "what is logged: error, warning, info or debug")
PARAMETER("daemon", store, "store", "ram", "where pages go when they leave memory, as in pagerd-backends(7)")
PARAMETER("daemon", dedup, "dedup", "yes", "whether equal pages of a user are stored once: yes or no")
PARAMETER("daemon", socket_dir, "socket-dir", "/run/pagerd", "directory of the sockets; of a user instance $XDG_RUNTIME_DIR/pagerd")
PARAMETER("daemon", client_timeout, "client-timeout", "10", "seconds that a client may take to introduce itself")
PARAMETER("group", limit, "limit", "0", "resident memory of the group's programs together; 0: no limit")
PARAMETER("group", uid, "uid", "the daemon's", "user who may see and steer the group, by name or number")
/* clang-format on */
