/*
 * parameters.h: every setting of pagerd.conf(5)
 *
 * PARAMETER(section, ident, name, default, help).  Sections called "store" and
 * "group" are written [store NAME], [group NAME], once for each of them.
 */
/* clang-format off */
PARAMETER("daemon", log_level, "log-level", "info", "what is logged: error, warning, info or debug")
PARAMETER("daemon", store, "store", "ram", "where pages go when they leave memory: the NAME of a section [store NAME], or a spec")
PARAMETER("daemon", dedup, "dedup", "yes", "whether equal pages of a user are stored once: yes or no")
PARAMETER("daemon", socket_dir, "socket-dir", "/run/pagerd", "directory of the sockets; of a user instance $XDG_RUNTIME_DIR/pagerd")
PARAMETER("daemon", client_timeout, "client-timeout", "10", "seconds that a client may take to introduce itself")
PARAMETER("store", spec, "spec", "none", "what the store is made of, as in pagerd-backends(7)")
PARAMETER("group", limit, "limit", "0", "resident memory of the group's programs together; 0: no limit")
PARAMETER("group", uid, "uid", "the daemon's", "user who may see and steer the group, by name or number")
PARAMETER("group", group_store, "store", "the default", "NAME of the store that the group's pages go to")
/* clang-format on */
