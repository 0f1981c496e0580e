/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time spans as systemd's other configuration files have them. Integer arithmetic only, so that what is written is what
 * is meant, independent of locale.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/control/timespan.h"

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)

static const struct {
        const char *name;
        uint64_t usec;
} units[] = {
        { "us", 1 },
        { "usec", 1 },
        { "\xc2\xb5s", 1 },     /* micro sign */
        { "\xce\xbcs", 1 },     /* Greek mu */
        { "ms", 1000 },
        { "msec", 1000 },
        { "", USEC_PER_SEC },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "second", USEC_PER_SEC },
        { "seconds", USEC_PER_SEC },
        { "m", USEC_PER_MINUTE },
        { "min", USEC_PER_MINUTE },
        { "minute", USEC_PER_MINUTE },
        { "minutes", USEC_PER_MINUTE },
        { "h", USEC_PER_HOUR },
        { "hr", USEC_PER_HOUR },
        { "hour", USEC_PER_HOUR },
        { "hours", USEC_PER_HOUR },
        { "d", USEC_PER_DAY },
        { "day", USEC_PER_DAY },
        { "days", USEC_PER_DAY },
        { "w", 7 * USEC_PER_DAY },
        { "week", 7 * USEC_PER_DAY },
        { "weeks", 7 * USEC_PER_DAY },
};

static int unit_find(const char *name, size_t length, uint64_t *ret_usec) {
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
                if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0) {
                        *ret_usec = units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

/* A number with at most 9 digits that count behind its point: whole + fraction / scale. */
static int number_parse(const char **text, uint64_t *ret_whole, uint64_t *ret_fraction, uint64_t *ret_scale) {
        uint64_t whole = 0, fraction = 0, scale = 1;
        const char *p = *text;
        bool has_digit = false;

        for (; isdigit((unsigned char) *p); p++, has_digit = true)
                if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, *p - '0', &whole))
                        return -ERANGE;
        if (*p == '.')
                for (p++; isdigit((unsigned char) *p); p++, has_digit = true)
                        if (scale < UINT64_C(1000000000)) {
                                fraction = fraction * 10 + (uint64_t) (*p - '0');
                                scale *= 10;
                        }
        if (!has_digit)
                return -EINVAL;
        *text = p;
        *ret_whole = whole;
        *ret_fraction = fraction;
        *ret_scale = scale;
        return 0;
}

static const char *skip_space(const char *p) {
        while (isspace((unsigned char) *p))
                p++;
        return p;
}

/* One number with its unit. */
static int part_parse(const char **text, uint64_t *ret_usec) {
        uint64_t whole, fraction, scale, unit, usec;
        const char *p = *text;
        size_t n = 0;
        int r;

        r = number_parse(&p, &whole, &fraction, &scale);
        if (r < 0)
                return r;
        p = skip_space(p);
        while (p[n] && !isspace((unsigned char) p[n]) && !isdigit((unsigned char) p[n]) && p[n] != '.')
                n++;
        r = unit_find(p, n, &unit);
        if (r < 0)
                return r;
        if (__builtin_mul_overflow(whole, unit, &usec) ||
            __builtin_add_overflow(usec, (uint64_t) ((unsigned __int128) fraction * unit / scale), &usec))
                return -ERANGE;
        *text = skip_space(p + n);
        *ret_usec = usec;
        return 0;
}

int timespan_parse(const char *text, uint64_t *ret_usec) {
        const char *p = skip_space(text);
        uint64_t sum = 0, part;
        int r;

        do {
                r = part_parse(&p, &part);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, part, &sum))
                        return -ERANGE;
        } while (*p);
        *ret_usec = sum;
        return 0;
}

char *timespan_format(char *buffer, size_t size, uint64_t usec) {
        static const struct {
                const char *name;
                uint64_t usec;
        } steps[] = {
                { "d", USEC_PER_DAY }, { "h", USEC_PER_HOUR }, { "min", USEC_PER_MINUTE },
                { "s", USEC_PER_SEC }, { "ms", 1000 },         { "us", 1 },
        };
        size_t n = 0;

        snprintf(buffer, size, "0");
        for (size_t i = 0; i < sizeof steps / sizeof steps[0] && n < size; i++) {
                uint64_t count = usec / steps[i].usec;

                if (count == 0)
                        continue;
                n += (size_t) snprintf(buffer + n, size - n, "%s%" PRIu64 "%s", n ? " " : "", count, steps[i].name);
                usec %= steps[i].usec;
        }
        return buffer;
}
