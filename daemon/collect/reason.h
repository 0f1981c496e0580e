/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_REASON_H
#define SOCKTALLYD_COLLECT_REASON_H
#include <stddef.h>

/* Writes "WHAT WHICH: ERROR", unless reason is NULL, and returns the error. which may be empty. */
int collect_say(char *reason, size_t size, int error, const char *what, const char *which);
/* Adds a sentence to those that are there. */
void collect_say_more(char *reason, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
