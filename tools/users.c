/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A ring: with more users than it holds, those seen longest ago are asked for again. */
#include <pwd.h>
#include <stdio.h>

#include "tools/users.h"

const char *users_name(struct users *users, uint32_t uid) {
        const struct passwd *user;
        unsigned slot;

        for (unsigned i = 0; i < users->n; i++)
                if (users->known[i].uid == uid)
                        return users->known[i].name;
        slot = users->next;
        users->next = (users->next + 1) % USERS_REMEMBERED;
        users->n += users->n < USERS_REMEMBERED;
        users->known[slot].uid = uid;
        user = getpwuid(uid);
        if (user)
                (void)snprintf(users->known[slot].name, sizeof(users->known[slot].name), "%s", user->pw_name);
        else
                (void)snprintf(users->known[slot].name, sizeof(users->known[slot].name), "%u", uid);
        return users->known[slot].name;
}
