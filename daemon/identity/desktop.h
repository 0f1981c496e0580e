/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_DESKTOP_H
#define SOCKTALLYD_IDENTITY_DESKTOP_H
/* What an application calls itself, from its desktop file (specifications.freedesktop.org/desktop-entry-spec). */
#include <stddef.h>

struct identity;

/* Where desktop files of the system are, with NULL at the end. */
extern const char *const desktop_directories[];

/* The name of the application with this id, in the first of the directories that has its file, safe to print.
 * -ENOENT: none has; -EINVAL: there can be no such id. */
int desktop_name(const char *const directories[], const char *id, char *ret_name, size_t size);

/* Puts the name into identity->app. Of the two readings of a unit's name (see app.h), takes the one that is the id of
 * an installed application. */
void desktop_from_identity(const char *const directories[], struct identity *identity);

#endif
