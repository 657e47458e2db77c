/*
 * size.h: sizes and tokens as people write them
 */
#ifndef SIZE_H
#define SIZE_H

#include <stddef.h>
#include <stdint.h>

#define SIZE_TEXT_MAX 16
#define TOKEN_BYTES 16
#define TOKEN_TEXT_MAX (2 * TOKEN_BYTES + 1)

/*
 * size_parse: "64M", "2G", "65536"; K, M, G, T are powers of 1024, an
 * optional trailing B or iB is accepted, digits only otherwise
 *
 * => returns 0, -EINVAL (not a size), -ERANGE (does not fit)
 */
int size_parse(const char *text, uint64_t *bytes);

/* => writes "64M", "1.5G": at most three digits; returns buf */
const char *size_format(uint64_t bytes, char buf[SIZE_TEXT_MAX]);

/* => 32 hex digits; token_parse returns 0 or -EINVAL */
int token_parse(const char *text, uint8_t token[TOKEN_BYTES]);
const char *token_format(const uint8_t token[TOKEN_BYTES],
    char buf[TOKEN_TEXT_MAX]);
int token_random(uint8_t token[TOKEN_BYTES]); /* 0 or -errno */

#endif
