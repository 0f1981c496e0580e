/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows, in the order in which the usage shows them. */
#include <stdint.h>
#include <string.h>

#include "tools/grammar.h"

#define C(command) (1u << COMMAND_##command)
#define LISTS (C(PROCESSES) | C(APPS) | C(SERVICES) | C(CONTAINERS) | C(USERS))
#define READERS (C(TOP) | LISTS | C(STATUS))
#define OVERVIEWS (C(MODULES) | C(TABLES) | C(SETTINGS))

static const struct grammar_command commands[N_COMMANDS] = {
        [COMMAND_TOP] = { "top", "[TABLE]", "table that refreshes in place; default on a terminal",
                          { { WORD_CHOICE, "processes apps services containers users" } }, 0, 1 },
        [COMMAND_PROCESSES] = { "processes", "[NAME|PID...]", "every process with its totals, or some",
                                { { WORD_PROCESS, NULL }, { WORD_PROCESS, NULL } }, 0, SIZE_MAX },
        [COMMAND_APPS] = { "apps", "[NAME...]", "every application: programs, services, containers", {}, 0, SIZE_MAX },
        [COMMAND_SERVICES] = { "services", "[UNIT...]", "every systemd unit",
                               { { WORD_UNIT, NULL }, { WORD_UNIT, NULL } }, 0, SIZE_MAX },
        [COMMAND_CONTAINERS] = { "containers", "[NAME...]", "every container and virtual machine", {}, 0, SIZE_MAX },
        [COMMAND_USERS] = { "users", "[USER...]", "every user", { { WORD_USER, NULL }, { WORD_USER, NULL } }, 0,
                            SIZE_MAX },
        [COMMAND_STATUS] = { "status", "", "how the daemon is, what it counts and its cost", {}, 0, 0 },
        [COMMAND_MODULES] = { "modules", "", "what can be counted or left alone, and its cost", {}, 0, 0 },
        [COMMAND_TABLES] = { "tables", "", "rows in use, capacities, what did not fit", {}, 0, 0 },
        [COMMAND_SETTINGS] = { "settings", "", "every setting in force, and where it came from", {}, 0, 0 },
        [COMMAND_ENABLE] = { "enable", "MODULE", "switch a module on, for good or --for a while",
                             { { WORD_MODULE, NULL } }, 1, 1 },
        [COMMAND_DISABLE] = { "disable", "MODULE", "switch a module off", { { WORD_MODULE, NULL } }, 1, 1 },
        [COMMAND_SET] = { "set", "KEY VALUE", "change a setting while the daemon runs",
                          { { WORD_KEY, NULL }, { WORD_VALUE, NULL } }, 2, 64 },
        [COMMAND_IDENTIFY] = { "identify", "PID|CGROUP...", "what a process or a cgroup is called, and why",
                               { { WORD_PROCESS, NULL }, { WORD_PROCESS, NULL } }, 1, SIZE_MAX },
        [COMMAND_RULES] = { "rules", "[FILE]", "check the rules for apps: 'ok' or one line per fault",
                            { { WORD_FILE, NULL } }, 0, 1 },
        [COMMAND_DOCTOR] = { "doctor", "", "looks for what is wrong, and says what to do", {}, 0, 0 },
        [COMMAND_SEGMENT_DUMP] = { "segment dump", "FILE", "everything that a shared segment holds",
                                   { { WORD_FILE, NULL } }, 1, 1 },
        [COMMAND_SEGMENT_VERIFY] = { "segment verify", "FILE", "check a shared segment: 'ok' or one line per fault",
                                     { { WORD_FILE, NULL } }, 1, 1 },
        [COMMAND_HELP] = { "help", "", "this text", {}, 0, SIZE_MAX },
        [COMMAND_VERSION] = { "--version", "", NULL, {}, 0, 0 },
        [COMMAND_COMPLETE] = { "complete", "WORD...", NULL, {}, 0, SIZE_MAX },
};

static const struct grammar_option rows[] = {
        { OPTION_PID, "pid", "PID", WORD_PROCESS, NULL, "only this process", C(TOP) | C(PROCESSES), GROUP_ROWS },
        { OPTION_USER, "user", "USER", WORD_USER, NULL, "only what is this user's, by name or number",
          C(TOP) | LISTS, GROUP_ROWS },
        { OPTION_APP, "app", "NAME", WORD_NONE, NULL, "only what is of this application, * as in a shell",
          C(TOP) | C(PROCESSES) | C(APPS), GROUP_ROWS },
        { OPTION_SERVICE, "service", "UNIT", WORD_UNIT, NULL, "only processes of this unit",
          C(TOP) | C(PROCESSES) | C(SERVICES), GROUP_ROWS },
        { OPTION_CONTAINER, "container", "NAME", WORD_NONE, NULL, "only processes in this container",
          C(TOP) | C(PROCESSES) | C(CONTAINERS), GROUP_ROWS },
        { OPTION_SCOPE, "scope", "SCOPE", WORD_CHOICE, "all remote internet",
          "bytes to and from all (default), remote (not this\nhost), internet (nor private networks)", C(TOP) | LISTS,
          GROUP_ROWS },
        { 's', "sort", "COLUMN", WORD_COLUMN, NULL,
          "sort by traffic (default), tx, rx, tcp_tx, calls,\npid, process, service, ... or any counter",
          C(TOP) | LISTS, GROUP_FORMAT },
        { 'r', "reverse", NULL, WORD_NONE, NULL, "turn the order round", C(TOP) | LISTS, GROUP_FORMAT },
        { 'n', "limit", "N", WORD_NUMBER, NULL, "only the first N rows", C(TOP) | LISTS, GROUP_FORMAT },
        { OPTION_COLUMNS, "columns", "LIST", WORD_COLUMNS, NULL,
          "traffic (default), protocols, scopes, activity,\nall, names", C(TOP) | LISTS, GROUP_FORMAT },
        { OPTION_RATES, "rates", NULL, WORD_NONE, NULL, "traffic per second as well",
          C(TOP) | LISTS, GROUP_FORMAT },
        { 'i', "interval", "TIME", WORD_SPAN, "500ms 1s 5s 1min", "between refreshes, 0.1 s to 1 h: 2, 500ms, 1min",
          C(TOP) | LISTS, GROUP_FORMAT },
        { OPTION_ONCE, "once", NULL, WORD_NONE, NULL, "top: print one refresh as text", C(TOP), GROUP_FORMAT },
        { OPTION_COUNT, "count", "N", WORD_NUMBER, NULL, "top: stop after N refreshes", C(TOP), GROUP_FORMAT },
        { OPTION_BYTES, "bytes", NULL, WORD_NONE, NULL, "exact numbers instead of 1.21M", READERS, GROUP_FORMAT },
        { OPTION_NO_LEGEND, "no-legend", NULL, WORD_NONE, NULL, "no line of titles",
          C(TOP) | LISTS | OVERVIEWS | C(SEGMENT_DUMP), GROUP_FORMAT },
        { OPTION_JSON, "json", NULL, WORD_NONE, NULL, "JSON; one object per line with top",
          READERS | OVERVIEWS | C(IDENTIFY) | C(DOCTOR) | C(SEGMENT_DUMP) | C(SEGMENT_VERIFY), GROUP_FORMAT },
        { OPTION_COLOR, "color", "WHEN", WORD_CHOICE, "auto always never", "auto (default), always, never", 0,
          GROUP_FORMAT },
        { OPTION_FOR, "for", "TIME", WORD_SPAN, "1min 5min 1h 1d", "enable: how long, up to 365d: 300, 5min, 1h 30min",
          C(ENABLE), GROUP_CHANGE },
        { OPTION_SAVE, "save", NULL, WORD_NONE, NULL, "set: and for good; saves all changes at run time", C(SET),
          GROUP_CHANGE },
        { OPTION_VIEW, "view", "public|full", WORD_CHOICE, "public full",
          "what to ask for; default is the most that is granted", READERS, GROUP_SOURCE },
        { OPTION_RULES, "rules", "FILE", WORD_FILE, NULL, "identify: by this file instead of apps.conf", C(IDENTIFY),
          GROUP_SOURCE },
        { OPTION_RUNTIME_DIRECTORY, "runtime-directory", "DIR", WORD_DIRECTORY, NULL,
          "of the daemon, default /run/socktally", READERS | C(DOCTOR), GROUP_SOURCE },
        { 'h', "help", NULL, WORD_NONE, NULL, "this text", 0, GROUP_GENERAL },
        { OPTION_VERSION, "version", NULL, WORD_NONE, NULL, "the version", 0, GROUP_GENERAL },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const struct grammar_command *grammar_command(enum command command) {
        return &commands[command];
}

const struct grammar_option *grammar_next_option(const struct grammar_option *row) {
        row = row ? row + 1 : rows;
        return row < rows + N_ROWS ? row : NULL;
}

const struct grammar_option *grammar_option(int value) {
        for (size_t i = 0; i < N_ROWS; i++)
                if (rows[i].value == value)
                        return &rows[i];
        return NULL;
}

int grammar_is_word(enum command command, const char *word) {
        const char *name = commands[command].name;
        size_t n = strcspn(name, " ");

        return strlen(word) == n && memcmp(name, word, n) == 0;
}

const char *grammar_second_word(enum command command) {
        const char *space = strchr(commands[command].name, ' ');

        return space ? space + 1 : NULL;
}

void grammar_print_names(FILE *file) {
        const char *separator = "";

        for (size_t i = 0; i < N_COMMANDS; i++) {
                const char *name = commands[i].name;
                size_t n = strcspn(name, " ");

                if (!commands[i].help || (i > 0 && strncmp(commands[i - 1].name, name, n + 1) == 0 && name[n]))
                        continue;
                (void)fprintf(file, "%s%.*s", separator, (int)n, name);
                separator = ", ";
        }
}
