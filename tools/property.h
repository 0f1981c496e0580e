/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_PROPERTY_H
#define SOCKTALLY_PROPERTY_H
/*
 * Properties of the daemon's objects as they came over the bus: whatever it has is kept, and what it does not have is
 * unknown. So a command and a daemon of different age get along.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

struct property {
        char *name;
        char type;       /* on the bus: s, t, u or b */
        char *text;      /* NULL: it is a number */
        uint64_t number; /* booleans are 0 and 1 */
};

struct properties {
        struct property *list;
        size_t n;
};

/* Reads an array a{sv}; values that are neither text nor unsigned numbers nor booleans are left out. */
int properties_read(struct properties *properties, sd_bus_message *message);
void properties_done(struct properties *properties);
/* 0: unknown. */
char property_type(const struct properties *properties, const char *name);
/* NULL: unknown, or no text. */
const char *property_text(const struct properties *properties, const char *name);
/* false: unknown, or no number. */
bool property_number(const struct properties *properties, const char *name, uint64_t *ret_number);

#endif
