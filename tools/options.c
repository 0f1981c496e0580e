/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every complaint names the argument, says what was wrong and what is allowed. An option that means nothing to the
 * command is refused rather than ignored: who writes 'status --limit 5' expects something.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "tools/options.h"

#define INTERVAL_MIN_USEC UINT64_C(100000)
#define INTERVAL_MAX_USEC UINT64_C(3600000000)

#define C(command) (1u << COMMAND_##command)
#define LISTS (C(PROCESSES) | C(SERVICES))
#define READERS (C(TOP) | LISTS | C(STATUS))

enum {
        OPTION_JSON = 256,
        OPTION_ONCE,
        OPTION_COUNT,
        OPTION_RATES,
        OPTION_COLUMNS,
        OPTION_VIEW,
        OPTION_NO_LEGEND,
        OPTION_BYTES,
        OPTION_RUNTIME_DIRECTORY,
        OPTION_COLOR,
        OPTION_VERSION
};

static const struct option long_options[] = {
        { "json", no_argument, NULL, OPTION_JSON },
        { "once", no_argument, NULL, OPTION_ONCE },
        { "count", required_argument, NULL, OPTION_COUNT },
        { "interval", required_argument, NULL, 'i' },
        { "rates", no_argument, NULL, OPTION_RATES },
        { "sort", required_argument, NULL, 's' },
        { "reverse", no_argument, NULL, 'r' },
        { "columns", required_argument, NULL, OPTION_COLUMNS },
        { "limit", required_argument, NULL, 'n' },
        { "view", required_argument, NULL, OPTION_VIEW },
        { "no-legend", no_argument, NULL, OPTION_NO_LEGEND },
        { "bytes", no_argument, NULL, OPTION_BYTES },
        { "runtime-directory", required_argument, NULL, OPTION_RUNTIME_DIRECTORY },
        { "color", required_argument, NULL, OPTION_COLOR },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, OPTION_VERSION },
        { NULL, 0, NULL, 0 },
};

/* Which commands take which option; what is not here is taken by all. */
static const struct {
        int option;
        unsigned commands;
} scopes[] = {
        { OPTION_JSON, READERS | C(SEGMENT_DUMP) | C(SEGMENT_VERIFY) },
        { OPTION_ONCE, READERS },
        { OPTION_COUNT, C(TOP) },
        { 'i', C(TOP) | LISTS },
        { OPTION_RATES, C(TOP) | LISTS },
        { 's', C(TOP) | LISTS },
        { 'r', C(TOP) | LISTS },
        { OPTION_COLUMNS, C(TOP) | LISTS },
        { 'n', C(TOP) | LISTS },
        { OPTION_VIEW, READERS },
        { OPTION_NO_LEGEND, C(TOP) | LISTS | C(SEGMENT_DUMP) },
        { OPTION_BYTES, READERS },
        { OPTION_RUNTIME_DIRECTORY, READERS },
};

static const struct {
        const char *name;
        enum command command;
} commands[] = {
        { "top", COMMAND_TOP },
        { "processes", COMMAND_PROCESSES },
        { "services", COMMAND_SERVICES },
        { "status", COMMAND_STATUS },
        { "segment", COMMAND_SEGMENT_DUMP },
        { "help", COMMAND_HELP },
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

const char *command_name(enum command command) {
        switch (command) {
        case COMMAND_TOP:
                return "top";
        case COMMAND_PROCESSES:
                return "processes";
        case COMMAND_SERVICES:
                return "services";
        case COMMAND_STATUS:
                return "status";
        case COMMAND_SEGMENT_DUMP:
                return "segment dump";
        case COMMAND_SEGMENT_VERIFY:
                return "segment verify";
        case COMMAND_HELP:
                return "help";
        case COMMAND_VERSION:
                return "--version";
        }
        return "";
}

static enum exit_status __attribute__((format(printf, 1, 2))) usage(const char *format, ...) {
        va_list arguments;

        fputs("socktally: ", stderr);
        va_start(arguments, format);
        (void)vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputs("\nTry 'socktally --help'.\n", stderr);
        return STATUS_USAGE;
}

static const char *option_name(int option) {
        for (const struct option *o = long_options; o->name; o++)
                if (o->val == option)
                        return o->name;
        return "";
}

static enum exit_status parse_interval(struct options *options, const char *text) {
        int r = units_parse_duration(text, &options->interval_usec);

        if (r == -EINVAL)
                return usage("--interval: '%s' is no duration; allowed are 0.1 s to 1 h, such as 2, 0.5, 500ms, 1min",
                             text);
        if (r < 0 || options->interval_usec < INTERVAL_MIN_USEC || options->interval_usec > INTERVAL_MAX_USEC)
                return usage("--interval: %s is out of range; allowed are 0.1 s to 1 h", text);
        return STATUS_DONE;
}

static enum exit_status parse_positive(const char *option, const char *text, uint64_t max, uint64_t *ret_value) {
        int r = units_parse_number(text, max, ret_value);

        if (r == -EINVAL)
                return usage("--%s: '%s' is not a number; allowed is 1 or more", option, text);
        if (r < 0 || *ret_value == 0)
                return usage("--%s: %s is out of range; allowed is 1 or more", option, text);
        return STATUS_DONE;
}

/* The fields up to the first metric, whose names would fill the screen. */
static void print_field_names(FILE *file, bool only_numbers) {
        const struct field *field;
        const char *separator = "";

        for (size_t i = 0; (field = field_at(i)) && strcmp(field->name, "tcp_tx_bytes") != 0; i++) {
                if (only_numbers && field->kind != SHOWS_NUMBER)
                        continue;
                (void)fprintf(file, "%s%s", separator, field->name);
                separator = ", ";
        }
}

static enum exit_status refuse_field(const char *option, const char *name, bool is_columns) {
        (void)fprintf(stderr, "socktally: --%s: there is no column '%.*s'; allowed are %s", option,
                      (int)strcspn(name, ","), name,
                      is_columns ? "the sets traffic, protocols, activity, all, and lists of " : "");
        print_field_names(stderr, is_columns);
        fputs(" and every counter by its name, such as tcp_tx_bytes\nTry 'socktally --help'.\n", stderr);
        return STATUS_USAGE;
}

static enum exit_status parse_view(struct options *options, const char *text) {
        if (strcmp(text, "public") == 0)
                options->view = SOCKTALLY_VIEW_PUBLIC;
        else if (strcmp(text, "full") == 0)
                options->view = SOCKTALLY_VIEW_FULL;
        else
                return usage("--view: there is no view '%s'; allowed are public and full", text);
        return STATUS_DONE;
}

static enum exit_status parse_color(struct options *options, const char *text) {
        static const char names[][7] = { [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never" };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(text, names[i]) == 0) {
                        options->color = (enum color_when)i;
                        return STATUS_DONE;
                }
        return usage("--color: '%s' is not known; allowed are auto, always and never", text);
}

static enum exit_status parse_columns(struct options *options, const char *text) {
        const char *unknown;

        if (choice_check(text, &unknown) < 0)
                return refuse_field("columns", unknown, true);
        options->columns = text;
        return STATUS_DONE;
}

static enum exit_status parse_with_argument(struct options *options, int option, const char *text) {
        enum exit_status status = STATUS_DONE;
        uint64_t number = 0;

        switch (option) {
        case 'i':
                options->has_rates = true;
                return parse_interval(options, text);
        case OPTION_COUNT:
                return parse_positive("count", text, UINT64_MAX, &options->count);
        case 'n':
                status = parse_positive("limit", text, SIZE_MAX, &number);
                options->limit = (size_t)number;
                return status;
        case 's':
                options->sort = field_find(text);
                return options->sort ? STATUS_DONE : refuse_field("sort", text, false);
        case OPTION_COLUMNS:
                return parse_columns(options, text);
        case OPTION_VIEW:
                return parse_view(options, text);
        case OPTION_COLOR:
                return parse_color(options, text);
        case OPTION_RUNTIME_DIRECTORY:
                options->runtime_directory = text;
                return *text == '/' ? STATUS_DONE
                                    : usage("--runtime-directory: '%s' is not an absolute path", text);
        }
        return status;
}

static void set_flag(struct options *options, int option) {
        options->is_json |= option == OPTION_JSON;
        options->is_once |= option == OPTION_ONCE;
        options->is_exact |= option == OPTION_BYTES;
        options->is_reverse |= option == 'r';
        options->has_rates |= option == OPTION_RATES;
        options->has_legend &= option != OPTION_NO_LEGEND;
}

/* Some arguments are options for one command and nonsense for another: that is known only after all were read. */
static enum exit_status check_scopes(const struct options *options, uint64_t given) {
        for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
                const char *separator = "";

                if (!(given & UINT64_C(1) << i) || scopes[i].commands & 1u << options->command ||
                    options->command == COMMAND_HELP)
                        continue;
                (void)fprintf(stderr, "socktally: --%s means nothing to '%s'; it goes with ",
                              option_name(scopes[i].option), command_name(options->command));
                for (unsigned c = 0; c <= COMMAND_SEGMENT_VERIFY; c++)
                        if (scopes[i].commands & 1u << c) {
                                (void)fprintf(stderr, "%s%s", separator, command_name((enum command)c));
                                separator = ", ";
                        }
                fputs("\nTry 'socktally --help'.\n", stderr);
                return STATUS_USAGE;
        }
        return STATUS_DONE;
}

static enum exit_status parse_segment(struct options *options, int argc, char **argv) {
        if (argc < 2 || (strcmp(argv[1], "dump") != 0 && strcmp(argv[1], "verify") != 0))
                return usage("segment: %s%s%s; allowed are 'segment dump FILE' and 'segment verify FILE'",
                             argc < 2 ? "what to do is missing" : "'", argc < 2 ? "" : argv[1],
                             argc < 2 ? "" : "' is not known");
        options->command = argv[1][0] == 'd' ? COMMAND_SEGMENT_DUMP : COMMAND_SEGMENT_VERIFY;
        if (argc < 3)
                return usage("segment %s: the file is missing, such as /run/socktally/public", argv[1]);
        options->file = argv[2];
        return argc > 3 ? usage("segment %s: '%s' is one argument too many", argv[1], argv[3]) : STATUS_DONE;
}

static enum exit_status parse_command(struct options *options, int argc, char **argv) {
        size_t i = 0;

        while (i < N_COMMANDS && strcmp(argv[0], commands[i].name) != 0)
                i++;
        if (i == N_COMMANDS)
                return usage("there is no command '%s'; allowed are top, processes, services, status, segment, help",
                             argv[0]);
        options->command = commands[i].command;
        if (options->command == COMMAND_SEGMENT_DUMP)
                return parse_segment(options, argc, argv);
        if (options->command == COMMAND_TOP && argc > 1) {
                if (strcmp(argv[1], "services") != 0 && strcmp(argv[1], "processes") != 0)
                        return usage("top: there is no table '%s'; allowed are processes and services", argv[1]);
                options->is_services = argv[1][0] == 's';
                argc--;
                argv++;
        }
        if (argc > 1 && options->command != COMMAND_HELP)
                return usage("%s: '%s' is one argument too many", command_name(options->command), argv[1]);
        return STATUS_DONE;
}

static enum exit_status refuse_option(int result, const char *argument) {
        if (result == ':')
                return usage("%s: its value is missing", argument);
        if (strchr(argument, '=') && argument[1] == '-')
                return usage("%s: there is no such option, or it takes no value", argument);
        return usage("%s: there is no such option%s", argument,
                     argument[1] == '-' ? ", or its name is cut too short" : "");
}

static uint64_t scope_bit(int option) {
        for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
                if (scopes[i].option == option)
                        return UINT64_C(1) << i;
        return 0;
}

enum exit_status options_parse(struct options *ret_options, int argc, char **argv, bool has_terminal) {
        enum exit_status status = STATUS_DONE;
        uint64_t given = 0;
        int option;

        *ret_options = (struct options){ .limit = SIZE_MAX, .has_legend = true, .sort = field_find("traffic") };
        opterr = 0;
        optind = 0; /* GNU: start anew, so that a test can parse twice */
        while ((option = getopt_long(argc, argv, ":hi:n:rs:", long_options, NULL)) >= 0) {
                if (option == 'h' || option == OPTION_VERSION) {
                        ret_options->command = option == 'h' ? COMMAND_HELP : COMMAND_VERSION;
                        return STATUS_DONE;
                }
                if (option == '?' || option == ':')
                        return refuse_option(option, argv[optind - 1]);
                if (optarg)
                        status = parse_with_argument(ret_options, option, optarg);
                else
                        set_flag(ret_options, option);
                if (status != STATUS_DONE)
                        return status;
                given |= scope_bit(option);
        }
        if (optind < argc)
                status = parse_command(ret_options, argc - optind, argv + optind);
        else if (!has_terminal && given == 0) {
                options_print_help(stderr);
                return STATUS_USAGE;
        }
        return status == STATUS_DONE ? check_scopes(ret_options, given) : status;
}
