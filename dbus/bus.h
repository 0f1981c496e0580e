/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_BUS_H
#define SOCKTALLY_BUS_H
/*
 * The bus face: org.socktally1 on the system bus, see org.socktally1(5). It sees the daemon through a struct of
 * operations alone and owns nothing of it. The daemon need not care whether there is a bus: this face connects when the
 * bus appears, and again when the connection was lost.
 */
#include "daemon/control/operations.h"

struct bus;
struct sd_event;

/* Groups of objects on the bus, as bits. */
enum {
        BUS_MANAGER = 1 << 0, /* the manager, with settings and facts */
        BUS_MODULES = 1 << 1,
        BUS_TABLES = 1 << 2,
        BUS_ALL = BUS_MANAGER | BUS_MODULES | BUS_TABLES
};

/* which: system (or NULL), session, or the address of a bus. operations and daemon must outlive the bus face. -errno:
 * nothing is left, and a daemon can do without. A bus that is not there is no error. */
int bus_new(struct bus **ret_bus, const char *which, struct sd_event *event,
            const struct control_operations *operations, void *daemon);
/* Answers all callers that still wait: the daemon ends. Takes NULL. */
struct bus *bus_free(struct bus *bus);

/* Properties of these groups of objects may have changed. At the end of the loop's turn each is compared with what was
 * last announced, and those that differ are announced as PropertiesChanged. A call only sets a flag, so it may be made
 * often. bus: NULL does nothing. */
void bus_changed(struct bus *bus, unsigned groups);

#endif
