/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Formatting works on integers: a double would lose the last bits of a 64-bit counter, and printf would take the
 * decimal point from the locale.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/units.h"

/* value / divisor with as many decimals as make three significant digits. False if it rounds up to base. */
static bool format_scaled(char *buffer, uint64_t value, uint64_t divisor, uint64_t base, char suffix) {
        uint64_t whole = value / divisor;
        unsigned decimals = whole >= 100 ? 0 : whole >= 10 ? 1 : 2;
        unsigned power;
        unsigned __int128 scaled;

        for (;; decimals--) {
                power = decimals == 2 ? 100 : decimals == 1 ? 10 : 1;
                scaled = ((unsigned __int128)value * power + divisor / 2) / divisor;
                /* 9.996 became 10.00: four digits, so one decimal less */
                if (decimals == 0 || scaled < 1000)
                        break;
        }
        if (scaled >= base * power)
                return false;
        if (decimals == 0)
                (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64 "%c", (uint64_t)scaled, suffix);
        else
                (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64 ".%0*u%c", (uint64_t)(scaled / power), (int)decimals,
                               (unsigned)(scaled % power), suffix);
        return true;
}

const char *units_readable(char *buffer, uint64_t value, enum quantity unit) {
        const uint64_t base = unit == UNIT_BYTES ? 1024 : 1000;
        const char *suffix = unit == UNIT_BYTES ? "KMGTPE" : "kMGTPE";
        uint64_t divisor = base;

        if (value < base)
                return units_exact(buffer, value);
        while (value / divisor >= base) {
                divisor *= base;
                suffix++;
        }
        if (!format_scaled(buffer, value, divisor, base, *suffix))
                (void)format_scaled(buffer, divisor * base, divisor * base, base, suffix[1]);
        return buffer;
}

const char *units_exact(char *buffer, uint64_t value) {
        (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64, value);
        return buffer;
}

const char *units_duration(char *buffer, uint64_t nanoseconds) {
        const uint64_t msec = nanoseconds / 1000000, sec = msec / 1000, min = sec / 60, hour = min / 60;

        if (nanoseconds < 1000000)
                (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64 " us", nanoseconds / 1000);
        else if (msec < 10 && nanoseconds % 1000000 >= 100000)
                (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64 ".%" PRIu64 " ms", msec, nanoseconds / 100000 % 10);
        else if (sec == 0)
                (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64 " ms", msec);
        else if (min == 0 && msec % 1000 < 100)
                (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64 " s", sec);
        else if (min == 0)
                (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64 ".%" PRIu64 " s", sec, msec % 1000 / 100);
        else if (hour == 0)
                (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64 " min %" PRIu64 " s", min, sec % 60);
        else if (hour < 24)
                (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64 " h %" PRIu64 " min", hour, min % 60);
        else
                (void)snprintf(buffer, UNITS_SIZE, "%" PRIu64 " d %" PRIu64 " h", hour / 24, hour % 24);
        return buffer;
}

/* Digits with at most six decimals as millionths. Returns the first character after them, NULL if there are none. */
static const char *parse_millionths(const char *text, uint64_t *ret_value) {
        uint64_t value = 0, weight = 100000;
        const char *p = text;

        for (; *p >= '0' && *p <= '9'; p++) {
                if (value > UINT32_MAX)
                        return NULL;
                value = value * 10 + (uint64_t)(*p - '0');
        }
        if (p == text)
                return NULL;
        value *= 1000000;
        if (*p == '.') {
                if (p[1] < '0' || p[1] > '9')
                        return NULL;
                for (p++; *p >= '0' && *p <= '9'; p++, weight /= 10)
                        value += (uint64_t)(*p - '0') * weight;
        }
        *ret_value = value;
        return p;
}

/* How many microseconds the unit of this length has; 0: there is no such unit. */
static uint64_t unit_usec(const char *name, size_t length) {
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = {
                { "", 1000000 }, { "s", 1000000 }, { "sec", 1000000 }, { "ms", 1000 }, { "us", 1 },
                { "min", 60000000 }, { "m", 60000000 }, { "h", 3600000000 }, { "d", 86400000000 },
                { "w", 604800000000 },
        };

        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
                if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0)
                        return units[i].usec;
        return 0;
}

int units_parse_duration(const char *text, uint64_t *ret_usec) {
        unsigned __int128 sum = 0;

        do {
                uint64_t millionths, usec;
                size_t n = 0;

                text = parse_millionths(text, &millionths);
                if (!text)
                        return -EINVAL;
                text += strspn(text, " ");
                while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z'))
                        n++;
                usec = unit_usec(text, n);
                if (usec == 0)
                        return -EINVAL;
                sum += (unsigned __int128)millionths * usec / 1000000;
                if (sum > UINT64_MAX / 1000)
                        return -ERANGE;
                text += n;
                text += strspn(text, " ");
        } while (*text);
        *ret_usec = (uint64_t)sum;
        return 0;
}

int units_parse_number(const char *text, uint64_t max, uint64_t *ret_value) {
        uint64_t value = 0;

        if (*text == '\0')
                return -EINVAL;
        for (const char *p = text; *p; p++) {
                if (*p < '0' || *p > '9')
                        return -EINVAL;
                if (value > (UINT64_MAX - 9) / 10)
                        return -ERANGE;
                value = value * 10 + (uint64_t)(*p - '0');
        }
        if (value > max)
                return -ERANGE;
        *ret_value = value;
        return 0;
}
