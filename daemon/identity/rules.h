/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_RULES_H
#define SOCKTALLYD_IDENTITY_RULES_H
/*
 * The administrator's rules: patterns in an order, each with the group that a process belongs to whose name or command
 * line it matches. The first pattern that matches counts. Letters of ASCII match without regard to case.
 *
 * A process has up to three names: its command name as the kernel has it (comm); the whole name of its program, if the
 * kernel has cut it; and of an interpreter the name of the script that it runs, which is the last component of the
 * first argument that is an absolute path.
 *
 * Functions that take a table take NULL as an empty one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULES_PATTERNS_MAX 16384
#define RULES_SUBSTRINGS_MAX 512 /* each is looked for in each command line */
#define RULES_INTERPRETERS_MAX 64

struct procfs;
struct rules;

/* What a process was matched by. Texts belong to the table, and are good until it changes. */
struct rules_match {
        const char *group;
        const char *path; /* of the file that the pattern is in */
        unsigned line;
};

/* path: of the file that they are from. The table has the built-in list of interpreters. */
int rules_new(struct rules **ret_rules, const char *path);
struct rules *rules_free(struct rules *rules);

/* Adds a pattern behind all others: `name`, `prefix*`, `suffix` behind a `*`, or a text between two that is looked for
 * in the command line and in the names. -EINVAL: a `*` is inside; -ENODATA: `**` or nothing; -ENOSPC: too many
 * patterns; -E2BIG: too many of those that are looked for; -ENOMEM. */
int rules_add(struct rules *rules, const char *group, const char *pattern, unsigned line);
/* Adds to the interpreters, with the same errors; -EINVAL also for a text between two `*`. */
int rules_add_interpreter(struct rules *rules, const char *pattern);
void rules_clear_interpreters(struct rules *rules);

uint32_t rules_count(const struct rules *rules);
const char *rules_path(const struct rules *rules);
bool rules_is_same(const struct rules *a, const struct rules *b);

/* False: what rules_find() says of a process with this command name does not depend on its command line. */
bool rules_need_command_line(const struct rules *rules, const char *comm);
/* command_line: as in /proc/PID/cmdline, with a NUL behind each argument; NULL: not known. */
bool rules_find(const struct rules *rules, const char *comm, const char *command_line, size_t length,
                struct rules_match *ret_match);
/* The same for a process, whose command line is read if it matters. pid 0: it is not in /proc. start_time 0: whichever
 * process has the PID now. */
bool rules_find_process(const struct rules *rules, const struct procfs *procfs, uint32_t pid, uint64_t start_time,
                        const char *comm, struct rules_match *ret_match);

#endif
