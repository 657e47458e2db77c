/*
 * test-spec.c: stacks of stores as people write them
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "spec.h"
#include "test.h"

static struct spec
parse(const char *text)
{
	struct spec s;
	char err[128] = "";

	CHECK(spec_parse(text, &s, err, sizeof(err)) == 0);
	CHECK(err[0] == '\0');
	return s;
}

/* => the tiers with a bar between, as backend_open() takes them */
static bool
reads(const char *text, const char *tiers)
{
	struct spec s = parse(text);
	char got[1024] = "";
	uint32_t i;

	for (i = 0; i < s.n; i++) {
		strcat(got, i > 0 ? "|" : "");
		strcat(got, s.tiers[i]);
	}
	spec_fini(&s);
	CHECK(s.n == 0);
	return strcmp(got, tiers) == 0;
}

static bool
shows(const char *text, const char *expected)
{
	struct spec s = parse(text);
	char *shown = spec_shown(&s, s.n - 1);
	bool same;

	CHECK(shown != NULL);
	same = strcmp(shown, expected) == 0;
	free(shown);
	spec_fini(&s);
	return same;
}

static void
test_one_tier(void)
{
	CHECK(reads("ram", "ram"));
	CHECK(reads("ram:", "ram:"));
	CHECK(reads("ram:2G", "ram:2G"));
	CHECK(reads("  ram:2G\t ", "ram:2G"));
	CHECK(reads("file:/a b/c:d#size=4G+nocrypt",
	    "file:/a b/c:d#size=4G+nocrypt"));
}

static void
test_tiers(void)
{
	CHECK(reads("ram:8M,null:512M", "ram:8M|null:512M"));
	CHECK(reads("a, b:1 ,c", "a|b:1|c"));
	CHECK(reads("1,2,3,4,5,6,7,8", "1|2|3|4|5|6|7|8"));
}

static void
test_uris(void)
{
	CHECK(reads("nbd://h", "nbd:nbd://h"));
	CHECK(reads("ram,nbds://u:p@h:10809/x?a=b#c,null",
	    "ram|nbd:nbds://u:p@h:10809/x?a=b#c|null"));
	CHECK(reads("nbd+unix:///x?socket=/s", "nbd:nbd+unix:///x?socket=/s"));
	CHECK(reads("nbds+unix:///?socket=/s", "nbd:nbds+unix:///?socket=/s"));
	CHECK(reads("nbd:nbd://h", "nbd:nbd://h"));
	CHECK(reads("nbd:/x", "nbd:/x"));
	CHECK(reads("http://h", "http://h"));
}

static void
test_shown(void)
{
	CHECK(shows("ram", "ram"));
	CHECK(shows("ram:2G", "ram:2G"));
	CHECK(shows("ram,file:/x#size=1G", "file:/x#size=1G"));
	CHECK(shows("nbd://h:10809/x", "nbd://h:10809/x"));
	CHECK(shows("nbd:nbd://h", "nbd://h"));
	CHECK(shows("nbd:/x", "nbd:/x"));
	CHECK(shows("nbd+unix:///x?socket=/s:1@2",
	    "nbd+unix:///x?socket=/s:1@2"));
	/* Whatever it is, it may have a password. */
	CHECK(shows("other:http://u:p@h/", "other:http://u@h/"));
}

static void
test_passwords(void)
{
	CHECK(shows("nbds://u:secret@h/x", "nbds://u@h/x"));
	CHECK(shows("nbds://:secret@h:1/x", "nbds://@h:1/x"));
	CHECK(shows("nbds://u@h:1/x", "nbds://u@h:1/x"));
	CHECK(shows("nbds://u:@h", "nbds://u@h"));
	CHECK(shows("nbds://u:s:e@c@h?q", "nbds://u@h?q"));
	CHECK(shows("nbds+unix://u:p@/x?socket=/s#o",
	    "nbds+unix://u@/x?socket=/s#o"));
}

static bool
refuses(const char *text, const char *why)
{
	struct spec s = { .n = 77 };
	char err[128] = "";

	CHECK(spec_parse(text, &s, err, sizeof(err)) == -EINVAL);
	CHECK(s.n == 77);
	CHECK(strchr(err, '\n') == NULL && strstr(err, "secret") == NULL);
	return strstr(err, why) != NULL;
}

static void
test_refused(void)
{
	CHECK(refuses("", "tier 0 has no name"));
	CHECK(refuses("  ", "tier 0 has no name"));
	CHECK(refuses(":secret", "tier 0 has no name"));
	CHECK(refuses("ram,", "tier 1 has no name"));
	CHECK(refuses(",ram", "tier 0 has no name"));
	CHECK(refuses("secret,ram, ,null", "tier 2 has no name"));
	CHECK(refuses("1,2,3,4,5,6,7,8,secret", "at most 8 tiers"));
}

static void
test_fini(void)
{
	struct spec s = { .n = 0 };

	spec_fini(&s);
}

static const struct test tests[] = {
	{ "one tier", test_one_tier },
	{ "tiers", test_tiers },
	{ "URIs of NBD servers", test_uris },
	{ "what is shown", test_shown },
	{ "passwords are not", test_passwords },
	{ "what is refused", test_refused },
	{ "nothing to free", test_fini },
};

TEST_MAIN(tests)
