#include "spec.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"
#define NBD "nbd:"

static const char *const uri_schemes[] = { "nbd://", "nbds://", "nbd+unix://",
	"nbds+unix://" };

/* => of an NBD server, at its first character */
static bool
is_uri(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(uri_schemes) / sizeof(uri_schemes[0]); i++) {
		if (strncmp(text, uri_schemes[i], strlen(uri_schemes[i])) == 0)
			return true;
	}
	return false;
}

static int
add_tier(struct spec *s, const char *text, size_t len, char *err, size_t errlen)
{
	if (s->n == SPEC_TIERS_MAX) {
		snprintf(err, errlen, "a store has at most %u tiers",
		    SPEC_TIERS_MAX);
		return -EINVAL;
	}
	if (len == 0 || text[0] == ':') {
		snprintf(err, errlen,
		    "tier %u has no name: write NAME or NAME:ARGUMENTS, as in "
		    "pagerd-backends(7)",
		    s->n);
		return -EINVAL;
	}
	if (asprintf(&s->tiers[s->n], "%s%.*s", is_uri(text) ? NBD : "",
		(int)len, text) < 0) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	s->n++;
	return 0;
}

int
spec_parse(const char *text, struct spec *out, char *err, size_t errlen)
{
	struct spec s = { .n = 0 };
	const char *end;
	size_t len;
	int r;

	for (;; text = end + 1) {
		text += strspn(text, BLANKS);
		len = strcspn(text, ",");
		end = text + len;
		while (len > 0 && strchr(BLANKS, text[len - 1]) != NULL)
			len--;
		r = add_tier(&s, text, len, err, errlen);
		if (r < 0 || *end == '\0')
			break;
	}
	if (r < 0)
		spec_fini(&s);
	else
		*out = s;
	return r;
}

void
spec_fini(struct spec *s)
{
	while (s->n > 0)
		free(s->tiers[--s->n]);
}

/* USER:PASSWORD@, where the host would be, becomes USER@. */
static void
hide_password(char *text)
{
	char *start = strstr(text, "://");
	char *at, *colon;
	size_t len;

	if (start == NULL)
		return;
	start += 3;
	len = strcspn(start, "/?#");
	at = memrchr(start, '@', len);
	if (at == NULL)
		return;
	colon = memchr(start, ':', (size_t)(at - start));
	if (colon != NULL)
		memmove(colon, at, strlen(at) + 1);
}

char *
spec_shown(const struct spec *s, uint32_t tier)
{
	const char *text = s->tiers[tier];
	size_t skip = strlen(NBD);
	char *shown;

	if (strncmp(text, NBD, skip) != 0 || !is_uri(text + skip))
		skip = 0;
	shown = strdup(text + skip);
	if (shown != NULL)
		hide_password(shown);
	return shown;
}
