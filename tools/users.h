/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_USERS_H
#define SOCKTALLY_USERS_H
/* Names of users, remembered: asking the system's user database once per row and refresh would be slow. */
#include <stdint.h>

#define USERS_REMEMBERED 64

struct users {
        struct {
                uint32_t uid;
                char name[33];
        } known[USERS_REMEMBERED];
        unsigned n, next;
};

/* The user's name, or the number for one without. Valid until USERS_REMEMBERED others were asked for. */
const char *users_name(struct users *users, uint32_t uid);

#endif
