/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_GRAMMAR_H
#define SOCKTALLY_GRAMMAR_H
/*
 * What can be typed, once: every command and every option is one row, and the parser, the usage and the
 * completion read the rows. A new command needs its row in grammar.c, its enum, and its row in main.c, which runs it.
 */
#include <stddef.h>
#include <stdio.h>

enum command {
        COMMAND_TOP,
        COMMAND_PROCESSES,
        COMMAND_APPS,
        COMMAND_SERVICES,
        COMMAND_CONTAINERS,
        COMMAND_USERS,
        COMMAND_STATUS,
        COMMAND_MODULES,
        COMMAND_TABLES,
        COMMAND_SETTINGS,
        COMMAND_ENABLE,
        COMMAND_DISABLE,
        COMMAND_SET,
        COMMAND_IDENTIFY,
        COMMAND_RULES,
        COMMAND_DOCTOR,
        COMMAND_SEGMENT_DUMP,
        COMMAND_SEGMENT_VERIFY,
        COMMAND_HELP,
        COMMAND_VERSION,
        COMMAND_COMPLETE,
        N_COMMANDS
};

/* Long options without a letter; the others are their letter. */
enum {
        OPTION_JSON = 256,
        OPTION_ONCE,
        OPTION_COUNT,
        OPTION_RATES,
        OPTION_COLUMNS,
        OPTION_VIEW,
        OPTION_NO_LEGEND,
        OPTION_BYTES,
        OPTION_FOR,
        OPTION_SAVE,
        OPTION_RULES,
        OPTION_RUNTIME_DIRECTORY,
        OPTION_COLOR,
        OPTION_PID,
        OPTION_USER,
        OPTION_SERVICE,
        OPTION_APP,
        OPTION_CONTAINER,
        OPTION_SCOPE,
        OPTION_VERSION,
        N_OPTION_VALUES
};

/* What an argument, or the value of an option, is. */
enum word {
        WORD_NONE,
        WORD_CHOICE, /* one of the row's choices */
        WORD_NUMBER,
        WORD_SPAN, /* of time; the choices are examples */
        WORD_COLUMN,
        WORD_COLUMNS,
        WORD_FILE,
        WORD_DIRECTORY,
        WORD_MODULE,
        WORD_PROCESS, /* a PID */
        WORD_UNIT, /* of systemd, of which something was counted */
        WORD_USER,
        WORD_KEY,
        WORD_VALUE, /* of the key before it; may be several words */
};

struct grammar_command {
        const char *name;      /* one word, or two such as "segment dump"; "--version" stands for itself */
        const char *arguments; /* as the usage shows them; "" */
        const char *help;      /* lines; NULL: not in the usage */
        struct {
                enum word word;
                const char *choices; /* separated by spaces */
        } words[2];
        size_t n_required, n_allowed;
};

enum option_group { GROUP_ROWS, GROUP_FORMAT, GROUP_CHANGE, GROUP_SOURCE, GROUP_GENERAL, N_OPTION_GROUPS };

struct grammar_option {
        int value;
        const char *name;
        const char *argument; /* "COLUMN"; NULL: it takes none */
        enum word word;
        const char *choices;
        const char *help;
        unsigned commands; /* a bit per command that takes it; 0: all do */
        enum option_group group;
};

const struct grammar_command *grammar_command(enum command command);
/* The row after `row`, the first after NULL, NULL after the last. */
const struct grammar_option *grammar_next_option(const struct grammar_option *row);
const struct grammar_option *grammar_option(int value);
/* Whether the command's name begins with this word. */
int grammar_is_word(enum command command, const char *word);
/* The second word of the name; NULL: it has one. */
const char *grammar_second_word(enum command command);
/* First words of all commands of the usage, each once, separated by ", ". */
void grammar_print_names(FILE *file);

#endif
