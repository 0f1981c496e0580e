/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_BROKER_H
#define SOCKTALLY_LIVE_BROKER_H
/* A bus of the test's own, on which everybody may do everything: dbus-daemon as a child process. */
#include <sys/types.h>

struct broker {
        pid_t pid;
        char directory[64], address[96];
};

/* -1: there is no dbus-daemon here, or it does not start. */
int broker_start(struct broker *broker);
void broker_stop(struct broker *broker);

#endif
