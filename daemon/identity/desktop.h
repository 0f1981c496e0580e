/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_DESKTOP_H
#define SOCKTALLYD_IDENTITY_DESKTOP_H
/* What an application calls itself, from its desktop file (specifications.freedesktop.org/desktop-entry-spec). */
#include <stdbool.h>
#include <stddef.h>

#include "daemon/identity/question.h"

struct app;

/* Where desktop files of the system are, with NULL at the end. */
extern const char *const desktop_directories[];

/* The name of the application with this id, in the first of the directories that has its file, safe to print.
 * -ENOENT: none has; -EINVAL: there can be no such id. */
int desktop_name(const char *const directories[], const char *id, char *ret_name, size_t size);

/* The name of an application's file without ".desktop". False: what is called this way is no application. */
bool desktop_file(const struct app *app, char *ret_file, size_t size);

/* desktop_name() as one who is asked for names. */
bool desktop_ask(void *directories, const struct question *question, char ret_name[static QUESTION_NAME_SIZE]);

#endif
