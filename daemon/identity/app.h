/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_APP_H
#define SOCKTALLYD_IDENTITY_APP_H
/* What people call the program that a cgroup belongs to: an application, a service, a container. Pure text. */
#include "daemon/identity/unit.h"

#define APP_NAME_SIZE UNIT_NAME_SIZE

enum app_kind {
        APP_KERNEL,    /* the root of all cgroups */
        APP_PROCESS,   /* nothing but the program's own name is known */
        APP_UNIT,      /* a unit of the system's manager */
        APP_USER_UNIT, /* a unit of a user's manager */
        APP_SESSION,   /* a login */
        APP_TRANSIENT, /* a unit that systemd-run made, without a name of its own */
        APP_DESKTOP,   /* an application of a desktop */
        APP_FLATPAK,
        APP_SNAP,
        APP_TERMINAL,  /* what runs in a terminal's window */
        APP_CONTAINER,
        APP_MACHINE,   /* a virtual machine */
        APP_CGROUP,    /* a cgroup of no known kind */
        APP_GROUP,     /* a group of processes by the administrator's rules */
        N_APP_KINDS
};

struct app {
        enum app_kind kind;
        char id[APP_NAME_SIZE];   /* the same for the same app after a restart, if that can be */
        char name[APP_NAME_SIZE]; /* to show */
        char other_id[APP_NAME_SIZE]; /* another reading of the unit's name, right if it is that of an installed
                                       * application and id is not; empty: there is none */
        const char *rule;         /* by which it was found, in a few words; static */
};

struct identity;

/* From the unit and the container, which are filled in already, and the path. */
void app_from_identity(const char *path, struct identity *identity);
/* The same as a source of names. */
void app_look_up(void *state, const char *path, struct identity *identity);
/* A process in the root of all cgroups is called after its program. */
void app_from_program(const char *comm, struct identity *identity);
/* The administrator's rules come before all others. */
void app_from_group(const char *group, struct identity *identity);

#endif
