/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_NONSENSE_H
#define SOCKTALLY_TESTS_NONSENSE_H
/*
 * Calls that no sane program would make, and among them some that one would. What there is to call is learned from the
 * daemon's introspection data, so a new member gets its share by itself. The same seed makes the same calls.
 */
#include <stdint.h>

#include <systemd/sd-bus.h>

struct nonsense;

/* Asks the daemon what can be called. NULL: it does not say. */
struct nonsense *nonsense_new(sd_bus *bus, const char *destination, uint64_t seed);
struct nonsense *nonsense_free(struct nonsense *nonsense);
/* Sends one call and counts it if there will be an answer, which counts it down. 0 or a negative errno. */
int nonsense_send(struct nonsense *nonsense, sd_bus *bus, int *n_in_flight);
/* So many calls, and until all are answered. Not 0: a call was not answered, or the connection was lost. */
int nonsense_flood(sd_bus *bus, const char *destination, uint64_t seed, int n_calls);

#endif
