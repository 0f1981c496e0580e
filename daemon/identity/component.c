/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <string.h>

#include "daemon/identity/component.h"
#include "daemon/text.h"

#define NAME_MAX_BYTES 4096 /* a path's limit, so no component is longer */

struct component component_of(const char *text) {
        return (struct component) { text, strlen(text) };
}

bool component_next(const char **path, struct component *ret_component) {
        const char *p = *path + strspn(*path, "/");
        size_t length = strcspn(p, "/");

        if (length == 0)
                return false;
        *path = p + length;
        if (p[0] == '_' && length > 1) {
                p++;
                length--;
        }
        *ret_component = (struct component) { p, length };
        return true;
}

bool component_has_prefix(struct component c, const char *prefix) {
        size_t n = strlen(prefix);

        return c.length > n && memcmp(c.text, prefix, n) == 0;
}

bool component_has_suffix(struct component c, const char *suffix) {
        size_t n = strlen(suffix);

        return c.length > n && memcmp(c.text + c.length - n, suffix, n) == 0;
}

bool component_take_prefix(struct component *c, const char *prefix) {
        if (!component_has_prefix(*c, prefix))
                return false;
        c->text += strlen(prefix);
        c->length -= strlen(prefix);
        return true;
}

bool component_take_suffix(struct component *c, const char *suffix) {
        if (!component_has_suffix(*c, suffix))
                return false;
        c->length -= strlen(suffix);
        return true;
}

static bool split(struct component *c, const char *at, struct component *ret_rest) {
        if (!at)
                return false;
        *ret_rest = (struct component) { at + 1, (size_t) (c->text + c->length - at - 1) };
        c->length = (size_t) (at - c->text);
        return true;
}

bool component_split(struct component *c, char at, struct component *ret_rest) {
        return split(c, memchr(c->text, at, c->length), ret_rest);
}

bool component_split_last(struct component *c, char at, struct component *ret_rest) {
        return split(c, memrchr(c->text, at, c->length), ret_rest);
}

bool component_equals(struct component c, const char *text) {
        return c.length == strlen(text) && memcmp(c.text, text, c.length) == 0;
}

static bool is_all(struct component c, int (*is_in)(int)) {
        for (size_t i = 0; i < c.length; i++)
                if (!is_in((unsigned char) c.text[i]))
                        return false;
        return true;
}

bool component_is_number(struct component c) {
        return c.length > 0 && is_all(c, isdigit);
}

bool component_is_alnum(struct component c) {
        return is_all(c, isalnum);
}

bool component_is_hex(struct component c, size_t length) {
        return c.length == length && is_all(c, isxdigit);
}

bool component_is_uuid(struct component c) {
        if (c.length != UUID_LENGTH)
                return false;
        for (size_t i = 0; i < UUID_LENGTH; i++) {
                bool is_between = i == 8 || i == 13 || i == 18 || i == 23;

                if (is_between ? !memchr("-_", c.text[i], 2) : !isxdigit((unsigned char) c.text[i]))
                        return false;
        }
        return true;
}

void component_copy(struct component c, char *dst, size_t size) {
        (void) text_clean(dst, size, c.text, c.length);
}

static unsigned digit(char c) {
        return c <= '9' ? (unsigned) (c - '0') : ((unsigned) c | 0x20) - 'a' + 10;
}

/* A NUL would end the text early, and is no part of a name. */
static bool is_escape(struct component c, size_t at) {
        return at + 4 <= c.length && memcmp(c.text + at, "\\x", 2) == 0 &&
               component_is_hex((struct component) { c.text + at + 2, 2 }, 2) &&
               memcmp(c.text + at + 2, "00", 2) != 0;
}

void component_unescape(struct component c, char *dst, size_t size) {
        char bytes[NAME_MAX_BYTES];
        size_t n = 0;

        for (size_t i = 0; i < c.length && n < sizeof bytes; n++)
                if (is_escape(c, i)) {
                        bytes[n] = (char) (digit(c.text[i + 2]) << 4 | digit(c.text[i + 3]));
                        i += 4;
                } else
                        bytes[n] = c.text[i++];
        (void) text_clean(dst, size, bytes, n);
}
