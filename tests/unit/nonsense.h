/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_NONSENSE_H
#define SOCKTALLY_TESTS_NONSENSE_H
/*
 * Calls that no sane program would make, and among them some that one would. What there is to call is learned from the
 * daemon's introspection data, so a new member gets its share by itself. The same seed makes the same calls.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

/* A property that callers can change: writable, or with a method SetNAME, or a module's Enabled. */
struct nonsense_setting {
        char path[96], interface[64], property[48];
        char type; /* s t u b; 0: another */
};

enum { NONSENSE_CHANGES_NOTHING = -1, NONSENSE_CHANGES_ALL = -2 };

/* What a call changes if it succeeds. */
struct nonsense_change {
        int setting; /* its number, or one of the above */
        bool is_certain;
        char value[64];
};

struct nonsense;

/* Asks the daemon what can be called. NULL: it does not say. */
struct nonsense *nonsense_new(sd_bus *bus, const char *destination, uint64_t seed);
struct nonsense *nonsense_free(struct nonsense *nonsense);
size_t nonsense_settings(const struct nonsense *nonsense, const struct nonsense_setting **ret_settings);
/* 0, or a negative errno when this piece of nonsense cannot even be put into a message. */
int nonsense_call(struct nonsense *nonsense, sd_bus *bus, sd_bus_message **ret_call,
                  struct nonsense_change *ret_change);
uint32_t nonsense_draw(struct nonsense *nonsense);

#endif
