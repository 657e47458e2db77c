/*
 * settings.c: what the configuration files say
 *
 * Strict: a section, name or value that is not known ends the start with the
 * line that holds it, since a limit that was misspelt would otherwise be no
 * limit at all.
 */
#include "settings.h"

#include <sys/stat.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inifile.h"
#include "size.h"
#include "watermark.h"

#define CLIENT_TIMEOUT_MAX_S 3600u

/* One call of settings_set(): where the value goes, and the complaint. */
struct assign {
	struct settings *settings;
	struct group_setting *group; /* in a [group NAME] section */
	const char *store;           /* in a [store NAME] section: NAME */
	const char *value;
	char *err;
	size_t errlen;
};

static int
complain(struct assign *a, const char *what, const char *advice)
{
	snprintf(a->err, a->errlen, "\"%s\" is not %s: %s", a->value, what,
	    advice);
	return -EINVAL;
}

static int
replace(char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int
set_log_level(struct assign *a)
{
	if (log_level_parse(a->value, &a->settings->log_level) < 0)
		return complain(a, "a log level",
		    "use error, warning, info or debug");
	return 0;
}

/* What it names is looked for when all has been read. */
static int
set_store(struct assign *a)
{
	struct spec spec;
	int r;

	r = spec_parse(a->value, &spec, a->err, a->errlen);
	if (r < 0)
		return r;
	spec_fini(&spec);
	return replace(&a->settings->store, a->value);
}

static int
set_spec(struct assign *a)
{
	return catalog_define(&a->settings->stores, a->store, a->value, a->err,
	    a->errlen);
}

static int
set_group_store(struct assign *a)
{
	if (!catalog_name_valid(a->value))
		return complain(a, "the name of a store",
		    "use that of a section [store NAME]");
	strcpy(a->group->store, a->value);
	return 0;
}

static int
set_dedup(struct assign *a)
{
	if (strcmp(a->value, "yes") != 0 && strcmp(a->value, "no") != 0)
		return complain(a, "an answer", "use yes or no");
	a->settings->dedup = strcmp(a->value, "yes") == 0;
	return 0;
}

static int
set_socket_dir(struct assign *a)
{
	if (a->value[0] != '/')
		return complain(a, "an absolute path", "start it with /");
	return replace(&a->settings->socket_dir, a->value);
}

static int
parse_number(const char *text, unsigned long max, unsigned long *value)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || n > max)
		return -EINVAL;
	*value = n;
	return 0;
}

static int
set_client_timeout(struct assign *a)
{
	unsigned long seconds;

	if (parse_number(a->value, CLIENT_TIMEOUT_MAX_S, &seconds) < 0 ||
	    seconds == 0)
		return complain(a, "a time", "use seconds, from 1 to 3600");
	a->settings->client_timeout_ms = (uint64_t)seconds * 1000;
	return 0;
}

static int
set_limit(struct assign *a)
{
	uint64_t bytes;

	if (size_parse(a->value, &bytes) < 0)
		return complain(a, "a size", "use a number with K, M or G");
	if (bytes != 0 && bytes < LIMIT_MIN_BYTES)
		return complain(a, "possible as a limit",
		    "use 8M or more, or 0 for none");
	a->group->limit_bytes = bytes;
	return 0;
}

static int
set_uid(struct assign *a)
{
	const struct passwd *pw;
	unsigned long uid;

	if (parse_number(a->value, (uid_t)-2, &uid) == 0) {
		a->group->uid = (uid_t)uid;
		return 0;
	}
	pw = getpwnam(a->value);
	if (pw == NULL)
		return complain(a, "a user", "use a name or a number");
	a->group->uid = pw->pw_uid;
	return 0;
}

static const struct parameter {
	const char *section, *name, *value;
	int (*set)(struct assign *);
} parameters[] = {
/* clang-format off */
#define PARAMETER(section_, ident, name_, default_, help) \
	{ section_, name_, default_, set_##ident },
#include "parameters.h"
#undef PARAMETER
	/* clang-format on */
};

#define NPARAMETERS (sizeof(parameters) / sizeof(parameters[0]))

bool
group_name_valid(const char *name)
{
	size_t i;

	for (i = 0; name[i] != '\0'; i++) {
		if (!isalnum((unsigned char)name[i]) &&
		    strchr("_.-@:", name[i]) == NULL)
			return false;
	}
	return i > 0 && i < GROUP_NAME_MAX;
}

/* Finds the group, or makes it: the section may be continued elsewhere. */
static int
group_of(struct assign *a, const char *name)
{
	struct group_setting *g;

	TAILQ_FOREACH(g, &a->settings->groups, entry) {
		if (strcmp(g->name, name) == 0)
			break;
	}
	if (g == NULL) {
		if (!group_name_valid(name)) {
			snprintf(a->err, a->errlen,
			    "\"%s\" cannot be the name of a group: use "
			    "letters, digits and _.-@:, at most %d",
			    name, GROUP_NAME_MAX - 1);
			return -EINVAL;
		}
		g = calloc(1, sizeof(*g));
		if (g == NULL)
			return -ENOMEM;
		strcpy(g->name, name);
		g->uid = geteuid();
		TAILQ_INSERT_TAIL(&a->settings->groups, g, entry);
	}
	a->group = g;
	return 0;
}

static int
store_of(struct assign *a, const char *name)
{
	if (!catalog_name_valid(name) || strcmp(name, STORE_UNNAMED) == 0) {
		snprintf(a->err, a->errlen,
		    "\"%s\" cannot be the name of a store: use letters, "
		    "digits and _.-, at most %d, and not \"" STORE_UNNAMED "\"",
		    name, STORE_NAME_MAX - 1);
		return -EINVAL;
	}
	a->store = name;
	return 0;
}

/* Sections that are written [KIND NAME]. */
static const struct named {
	const char *kind;
	int (*enter)(struct assign *, const char *name);
} named[] = {
	{ "group", group_of },
	{ "store", store_of },
};

/* => of the section, and *name is what follows the kind; or NULL */
static const struct named *
named_find(const char *section, const char **name)
{
	size_t i, len = strcspn(section, " ");

	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (strlen(named[i].kind) != len ||
		    strncmp(section, named[i].kind, len) != 0)
			continue;
		*name = section + len + (section[len] == ' ');
		return &named[i];
	}
	return NULL;
}

static const struct parameter *
parameter_find(const char *section, const char *name)
{
	size_t i;

	for (i = 0; i < NPARAMETERS; i++) {
		if (strcmp(parameters[i].section, section) == 0 &&
		    strcmp(parameters[i].name, name) == 0)
			return &parameters[i];
	}
	return NULL;
}

int
settings_set(struct settings *s, const char *section, const char *name,
    const char *value, char *err, size_t errlen)
{
	struct assign a = {
		.settings = s, .value = value, .err = err, .errlen = errlen
	};
	const struct parameter *p;
	const struct named *n;
	const char *its = NULL;
	int r = 0;

	n = named_find(section, &its);
	p = parameter_find(n != NULL ? n->kind : section, name);
	if (p == NULL) {
		snprintf(err, errlen,
		    "there is no setting \"%s\" in a section [%s]: see "
		    "pagerd.conf(5)",
		    name, section);
		return -EINVAL;
	}
	if (n != NULL)
		r = n->enter(&a, its);
	if (r == 0)
		r = p->set(&a);
	if (r == -ENOMEM)
		snprintf(err, errlen, "out of memory");
	return r;
}

int
settings_init(struct settings *s, bool user)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char err[160];
	size_t i;
	int r = 0;

	memset(s, 0, sizeof(*s));
	TAILQ_INIT(&s->groups);
	catalog_init(&s->stores);
	for (i = 0; i < NPARAMETERS && r == 0; i++) {
		if (strcmp(parameters[i].section, "daemon") == 0)
			r = settings_set(s, "daemon", parameters[i].name,
			    parameters[i].value, err, sizeof(err));
	}
	if (r < 0 || !user)
		return r;
	free(s->socket_dir);
	s->socket_dir = NULL;
	if (dir != NULL && asprintf(&s->socket_dir, "%s/pagerd", dir) < 0) {
		s->socket_dir = NULL;
		return -ENOMEM;
	}
	return 0;
}

void
settings_fini(struct settings *s)
{
	struct group_setting *g;

	while ((g = TAILQ_FIRST(&s->groups)) != NULL) {
		TAILQ_REMOVE(&s->groups, g, entry);
		free(g);
	}
	catalog_fini(&s->stores);
	free(s->store);
	free(s->socket_dir);
}

int
settings_settle(struct settings *s, char *err, size_t errlen)
{
	const struct group_setting *g;
	char names[CATALOG_TEXT_MAX];
	int r;

	r = catalog_settle(&s->stores, s->store, err, errlen);
	if (r < 0)
		return r;
	TAILQ_FOREACH(g, &s->groups, entry) {
		if (g->store[0] == '\0' ||
		    catalog_find(&s->stores, g->store) != NULL)
			continue;
		snprintf(err, errlen,
		    "group %s: there is no store \"%s\": add a section "
		    "[store %s], or choose one of %s",
		    g->name, g->store, g->store,
		    catalog_text(&s->stores, names));
		return -EINVAL;
	}
	return 0;
}

/* => an inifile_take */
static int
take(void *ctx, const char *section, const char *name, const char *value,
    char *err, size_t errlen)
{
	return settings_set(ctx, section, name, value, err, errlen);
}

static int
load_file(struct settings *s, const char *path, char *err, size_t errlen)
{
	return inifile_read(path, take, s, err, errlen);
}

static int
is_conf(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 &&
	       strcmp(d->d_name + len - 5, ".conf") == 0;
}

/* DIR/pagerd.conf.d/<something>.conf, in the order of their names. */
static int
load_parts(struct settings *s, const char *dir, char *err, size_t errlen)
{
	char path[4096];
	struct dirent **list;
	int i, n, r = 0;

	snprintf(path, sizeof(path), "%s/pagerd.conf.d", dir);
	n = scandir(path, &list, is_conf, alphasort);
	if (n < 0) {
		if (errno == ENOENT)
			return 0;
		snprintf(err, errlen, "%s: %s", path, strerror(errno));
		return -errno;
	}
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/pagerd.conf.d/%s", dir,
		    list[i]->d_name);
		if (r == 0)
			r = load_file(s, path, err, errlen);
		free(list[i]);
	}
	free(list);
	return r;
}

/* => false: there is none, so there are no files */
static bool
config_dir(bool user, char *dir, size_t size)
{
	const char *base = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");

	if (!user)
		snprintf(dir, size, "/etc/pagerd");
	else if (base != NULL && base[0] == '/')
		snprintf(dir, size, "%s/pagerd", base);
	else if (home != NULL && home[0] == '/')
		snprintf(dir, size, "%s/.config/pagerd", home);
	else
		return false;
	return true;
}

int
settings_load(struct settings *s, bool user, const char *file, char *err,
    size_t errlen)
{
	char dir[2048], path[2080];
	int r;

	if (file != NULL)
		return load_file(s, file, err, errlen);
	if (!config_dir(user, dir, sizeof(dir)))
		return 0;
	snprintf(path, sizeof(path), "%s/pagerd.conf", dir);
	if (access(path, F_OK) == 0) {
		r = load_file(s, path, err, errlen);
		if (r < 0)
			return r;
	}
	return load_parts(s, dir, err, errlen);
}
