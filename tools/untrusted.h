/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_UNTRUSTED_H
#define SOCKTALLY_UNTRUSTED_H
/*
 * Names come from processes and containers: a name may try to move the cursor, recolour the terminal or reverse the
 * line it stands in. Whatever this locale cannot print in place is shown as \xNN instead.
 */
#include <stddef.h>

/* Copies text, escaped, into buffer and cuts it there at a whole character. Returns buffer. size is at least 1. */
const char *untrusted_printable(char *buffer, size_t size, const char *text);
/* Columns that a printable text takes on the screen, and the bytes of its longest prefix that fits into max columns. */
size_t untrusted_width(const char *text, size_t max, size_t *ret_bytes);

#endif
