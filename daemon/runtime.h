/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_RUNTIME_H
#define SOCKTALLYD_RUNTIME_H
/* Where readers find the daemon: its runtime directory and the socket there, made here or by the service manager. */
#include <stdbool.h>

struct keep;

/* Written by runtime.c alone, but for the directory's name. */
struct runtime {
        const char *directory;
        bool has_made_directory, has_made_socket;
        bool is_managed; /* a manager passed the socket, and can be told to keep descriptors */
};

/* Errors were logged. */
int runtime_make_directory(struct runtime *runtime);
/* The readers' socket, which is the caller's. What else the service manager passed is that of its store, and goes to
 * keep. Errors were logged. */
int runtime_open_socket(struct runtime *runtime, struct keep *keep, int *ret_fd);
/* Removes what was made here. */
void runtime_remove(const struct runtime *runtime);

#endif
