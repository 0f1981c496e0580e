/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process chooses its own name, so names are bytes from a stranger. What is published must be safe to print: bounded,
 * valid UTF-8, no control characters, none that turns the direction of the text. Everything else passes unchanged.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "daemon/text.h"

static unsigned sequence_length(unsigned char first) {
        if (first < 0x80)
                return 1;
        if (first >= 0xc2 && first < 0xe0)
                return 2;
        if (first >= 0xe0 && first < 0xf0)
                return 3;
        if (first >= 0xf0 && first < 0xf5)
                return 4;
        return 0;
}

/* Marks, embeddings, overrides and isolates of direction: they would show a name, and what stands behind it, in
 * another order than it has. */
static bool turns_direction(uint32_t c) {
        return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* The limits are those of RFC 3629: no overlong form, no surrogate, nothing past U+10FFFF. */
static bool is_allowed(uint32_t c, unsigned length) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };

        if (c < smallest[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return false;
        return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0x2028 && c != 0x2029 && !turns_direction(c);
}

/* Bytes of the character at the start of src if it may pass, else 0. */
static unsigned character_length(const char *src, size_t n) {
        unsigned length = sequence_length((unsigned char) src[0]);
        uint32_t c;

        if (length == 0 || length > n)
                return 0;
        c = length == 1 ? (unsigned char) src[0] : (unsigned char) src[0] & (0x7fU >> length);
        for (unsigned i = 1; i < length; i++) {
                if (((unsigned char) src[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | ((unsigned char) src[i] & 0x3f);
        }
        return is_allowed(c, length) ? length : 0;
}

bool text_is_plain(const char *text, size_t n) {
        for (size_t i = 0; i < n;) {
                unsigned length = memchr("\t\n\r", text[i], 3) ? 1 : character_length(text + i, n - i);

                if (length == 0)
                        return false;
                i += length;
        }
        return true;
}

size_t text_clean(char *dst, size_t size, const char *src, size_t n) {
        size_t used = 0;

        n = strnlen(src, n);
        for (size_t i = 0; i < n;) {
                unsigned length = character_length(src + i, n - i);

                if (used + (length ? length : 1) > size - 1)
                        break;
                if (length == 0) {
                        dst[used++] = '?';
                        i++;
                        continue;
                }
                memcpy(dst + used, src + i, length);
                used += length;
                i += length;
        }
        memset(dst + used, 0, size - used);
        return used;
}
