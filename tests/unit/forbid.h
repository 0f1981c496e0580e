/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FORBID_H
#define TESTS_FORBID_H
/*
 * Proves that code makes no system call: after forbid_calls() every call but exit and the return from a signal ends the
 * process with status 1, its number stored where the caller said (shared memory, if another process is to see it).
 */
#include <stdint.h>

int forbid_calls(int32_t *ret_call);

/* Ends the process by that one call. Sanitizers make others in exit(), and before they call what never returns. */
void forbidden_exit(int status);

#endif
