/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_TIMESPAN_H
#define SOCKTALLYD_CONTROL_TIMESPAN_H
#include <stddef.h>
#include <stdint.h>

/* Reads a time span in systemd's form, systemd.time(7): "100ms", "1.5s", "1min 30s"; a number alone is seconds.
 * -EINVAL: not a time span; -ERANGE: does not fit. */
int timespan_parse(const char *text, uint64_t *ret_usec);
/* Writes it the same way, "1min 30s". Returns buffer. */
char *timespan_format(char *buffer, size_t size, uint64_t usec);

#endif
