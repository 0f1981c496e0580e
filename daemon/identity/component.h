/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_COMPONENT_H
#define SOCKTALLYD_IDENTITY_COMPONENT_H
/* One component of a cgroup's path, as a piece of the path's own text. Pure text, no system call. */
#include <stdbool.h>
#include <stddef.h>

#define UUID_LENGTH 36

struct component {
        const char *text; /* not terminated */
        size_t length;
};

struct component component_of(const char *text);

/* Takes the next component off the path; false at its end. systemd's escape is removed: components that would collide
 * with a file of the cgroup file system have one '_' in front. */
bool component_next(const char **path, struct component *ret_component);

/* Something is left beside the prefix or suffix. */
bool component_has_prefix(struct component c, const char *prefix);
bool component_has_suffix(struct component c, const char *suffix);
/* The same, and what was looked for is taken off. */
bool component_take_prefix(struct component *c, const char *prefix);
bool component_take_suffix(struct component *c, const char *suffix);
/* Splits at the first, or last, of a character: what is behind it goes to ret_rest, what is before it stays. */
bool component_split(struct component *c, char at, struct component *ret_rest);
bool component_split_last(struct component *c, char at, struct component *ret_rest);

bool component_equals(struct component c, const char *text);
bool component_is_number(struct component c);
bool component_is_alnum(struct component c); /* true for an empty one */
bool component_is_hex(struct component c, size_t length);
/* Eight, four, four, four and twelve hexadecimal digits; between them '-', or '_' in the name of a slice. */
bool component_is_uuid(struct component c);

/* Copies as text that is safe to print (see text_clean()), cut to size. */
void component_copy(struct component c, char *dst, size_t size);
/* The same with systemd's \xNN made bytes. */
void component_unescape(struct component c, char *dst, size_t size);

#endif
