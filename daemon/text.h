/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_TEXT_H
#define SOCKTALLYD_TEXT_H
#include <stdbool.h>
#include <stddef.h>

/* Copies at most n bytes of src, up to its NUL, into dst as valid UTF-8 without characters that control something or
 * turn the direction of the text: each byte of such a character becomes '?', and each that is no UTF-8. Never cuts a
 * character in two. dst gets a NUL and zeros to its end. Returns the length. */
size_t text_clean(char *dst, size_t size, const char *src, size_t n);
/* True if text_clean() would change none of the n bytes but tab, newline and carriage return. */
bool text_is_plain(const char *text, size_t n);

#endif
