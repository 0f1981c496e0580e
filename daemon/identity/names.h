/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_NAMES_H
#define SOCKTALLYD_IDENTITY_NAMES_H
/*
 * The source of names that people gave: of containers and of applications. Desktop files of the system are read at
 * once. Everything else needs privilege, and is asked of the service of names (socktally-names(8)), if it is there.
 */
#include <stdbool.h>
#include <stdint.h>

struct identity;
struct names;

/* What it points to must live as long as the source does. */
struct names_config {
        const char *socket;                /* a path of at most 107 bytes */
        const char *const *directories;    /* of desktop files, with NULL at the end */
        uint64_t patience_usec;            /* an answer that takes longer does not come */
        uint64_t pause_usec;               /* between two connections */
        uint64_t max_age_usec;             /* of an answer: then it is asked for again, if somebody wants it */
};

int names_new(struct names **ret_names, const struct names_config *config);

/* As a source of names, see source.h; the state is a struct names. */
void names_look_up(void *state, const char *path, struct identity *identity);
int names_open(void **ret_state);
void names_close(void *state);
int names_fd(const void *state);
bool names_follow(void *state);
const char *names_complaint(void *state);

#endif
