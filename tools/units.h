/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_UNITS_H
#define SOCKTALLY_UNITS_H
/*
 * Numbers as people read them. Bytes go by powers of 1024 with upper case letters (K M G T P E), as ls -lh and systemd
 * do; counts go by powers of 1000 with k M G T P E. Three significant digits, rounded to nearest, so that a number
 * never takes more than five columns. Results do not depend on the locale.
 */
#include <stddef.h>
#include <stdint.h>

enum quantity { UNIT_BYTES, UNIT_COUNT, UNIT_MICROSECONDS };

#define UNITS_SIZE 32 /* room for every result, exact ones included */

/* Each fills buffer, which has UNITS_SIZE bytes, and returns it. */
const char *units_readable(char *buffer, uint64_t value, enum quantity unit);
const char *units_exact(char *buffer, uint64_t value);
/* "340 ms", "12.5 s", "3 min 20 s", "2 h 5 min", "6 d 3 h". */
const char *units_duration(char *buffer, uint64_t nanoseconds);

/* "2", "0.5", "500ms", "2s", "1.5min", "1h", "1d", "1min 30s"; a bare number is seconds. -EINVAL: not a duration;
 * -ERANGE: too long. */
int units_parse_duration(const char *text, uint64_t *ret_usec);
/* A decimal number without sign, not above max. -EINVAL, -ERANGE. */
int units_parse_number(const char *text, uint64_t max, uint64_t *ret_value);

#endif
