/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_CALLER_H
#define SOCKTALLY_CALLER_H
/* Whether the sender of a message may have what it asks for. */
#include <systemd/sd-bus.h>

struct bus;

enum caller_right {
        CALLER_IS_ROOT,       /* root alone */
        CALLER_MAY_CONFIGURE, /* root, or polkit's org.socktally1.configure */
        CALLER_MAY_READ_FULL  /* root, the group, or polkit's org.socktally1.read-full */
};

/* 1: it may. 0: somebody has to be asked; handler is called with the same message and userdata when the answer is
 * there, and calls this function again; return 1 to sd-bus until then. Negative: it may not, error is filled. */
int caller_authorise(struct bus *bus, sd_bus_message *message, enum caller_right right,
                     sd_bus_message_handler_t handler, void *userdata, sd_bus_error *error);
/* Answers all who wait: nobody will decide any more. */
void caller_abandon(struct bus *bus);

#endif
