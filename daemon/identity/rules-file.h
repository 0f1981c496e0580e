/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_RULES_FILE_H
#define SOCKTALLYD_IDENTITY_RULES_FILE_H
/*
 * apps.conf: lines `group: pattern...`. What is wrong is named with its line and left out, and the rest applies. How
 * long a line is, how many patterns there are and how many faults are told is bounded.
 */
#include "daemon/identity/rules.h"

#define RULES_FILE_LINE_MAX 8192
#define RULES_FILE_SIZE_MAX (16 * 1024 * 1024)
#define RULES_FILE_REPORTS_MAX 10

/* Gets one line per fault. error: why the whole file cannot be read, as a negative errno; 0 for a fault in it. */
typedef void rules_file_report(void *userdata, const char *line, int error);

/* One file, which is expected to exist. An error was reported. */
int rules_file_load(struct rules **ret_rules, const char *path, rules_file_report *report, void *userdata);
/* apps.conf in the first of the directories that has it. None has: 0, and *ret_rules is NULL. */
int rules_file_find(struct rules **ret_rules, const char *const directories[], rules_file_report *report,
                    void *userdata);

#endif
