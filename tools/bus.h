/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_BUS_H
#define SOCKTALLY_BUS_H
/*
 * The way to the daemon's control line, org.socktally1(5), and the one place where errors of the bus become one line
 * for a person and an exit code. DBUS_SYSTEM_BUS_ADDRESS names another bus, as for every program.
 */
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "tools/exit-status.h"

#define BUS_NAME "org.socktally1"
#define BUS_PATH "/org/socktally1"
#define BUS_MANAGER "org.socktally1.Manager"
#define BUS_MODULE "org.socktally1.Module"
#define BUS_TABLE "org.socktally1.Table"
#define BUS_LOG_PATH "/org/freedesktop/LogControl1"
#define BUS_LOG "org.freedesktop.LogControl1"

#define BUS_ANSWER_USEC (10 * UINT64_C(1000000))
#define BUS_START_USEC (30 * UINT64_C(1000000))
#define BUS_PASSWORD_USEC (310 * UINT64_C(1000000)) /* longer than the daemon waits for polkit */

/* Connects; says on stderr why not. The caller unrefs the connection. */
enum exit_status bus_open(sd_bus **ret_bus);
/* Calls a method of the daemon. types may be NULL. ret_reply may be NULL. 0 or a negative errno with error filled. */
int bus_call(sd_bus *bus, uint64_t timeout_usec, const char *path, const char *interface, const char *member,
             sd_bus_error *error, sd_bus_message **ret_reply, const char *types, ...);
/* Says "what: why; what to do" and returns the exit code. Frees what error holds. */
enum exit_status bus_explain(const char *what, int r, sd_bus_error *error);
/* The same for a value that may have been mistyped: the nearest of the words may have been meant. */
enum exit_status bus_explain_value(const char *what, int r, sd_bus_error *error, const char *nearest);
/* The exit code alone. */
enum exit_status bus_verdict(int r, const sd_bus_error *error);

#endif
