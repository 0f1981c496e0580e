/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_POLKIT_H
#define SOCKTALLY_POLKIT_H
/* Two questions to polkit, neither of which waits. */
#include <stdbool.h>

#include <systemd/sd-bus.h>

/* Asks whether this name on the bus may do this. The answer goes to callback. id: for polkit_cancel(). */
int polkit_check(sd_bus *connection, sd_bus_slot **ret_slot, const char *name, const char *action, bool is_interactive,
                 const char *id, sd_bus_message_handler_t callback, void *userdata);
/* Nobody waits for the answer any more: a dialog may be closed. */
void polkit_cancel(sd_bus *connection, const char *id);
/* Reads the answer. 1: yes. Negative: no, error says why. */
int polkit_verdict(sd_bus_message *answer, sd_bus_error *error);

#endif
