/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_TEXT_H
#define SOCKTALLY_TEXT_H
/*
 * Names come from processes and containers, and end on terminals.
 */
#include <stdbool.h>
#include <stdint.h>

/* Ends the text within its room of size bytes and replaces what no terminal should get. */
void stly_text_make_safe(char *text, uint32_t size);
/* True if that would change nothing. */
bool stly_text_is_safe(const char *text, uint32_t size);

#endif
