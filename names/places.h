/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_NAMES_PLACES_H
#define SOCKTALLY_NAMES_PLACES_H
/* Where each runtime keeps the names of its containers, and users the desktop files of their applications. */
#include <stdbool.h>
#include <sys/types.h>

#include "daemon/identity/question.h"

struct places {
        const char *root;  /* "/" */
        uid_t root_owner;  /* of the system's files, 0 */
        /* The home directory of a user, not freed; NULL: there is no such user. */
        const char *(*find_home)(uid_t uid);
};

/* Blocks as long as its files do. False: nobody knows. */
bool places_look_up(const struct places *places, const struct question *question,
                    char ret_name[static QUESTION_NAME_SIZE]);

#endif
