/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every complaint names the argument, says what was wrong and what is allowed. An option that means nothing to the
 * command is refused rather than ignored: who writes 'status --limit 5' expects something.
 */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>

#include "tools/options.h"

#define INTERVAL_MIN_USEC UINT64_C(100000)
#define INTERVAL_MAX_USEC UINT64_C(3600000000)
#define LIFETIME_MIN_USEC UINT64_C(1000)
#define LIFETIME_MAX_USEC (UINT64_C(365) * 24 * 3600 * 1000000)
#define MAX_OPTIONS 64

enum exit_status options_refuse(const char *format, ...) {
        va_list arguments;

        fputs("socktally: ", stderr);
        va_start(arguments, format);
        (void)vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputs("\nTry 'socktally --help'.\n", stderr);
        return STATUS_USAGE;
}

static enum exit_status parse_interval(struct options *options, const char *text) {
        int r = units_parse_duration(text, &options->interval_usec);

        if (r == -EINVAL)
                return options_refuse("--interval: '%s' is no duration; allowed are 0.1 s to 1 h, such as 2, 0.5, "
                                      "500ms, 1min", text);
        if (r < 0 || options->interval_usec < INTERVAL_MIN_USEC || options->interval_usec > INTERVAL_MAX_USEC)
                return options_refuse("--interval: %s is out of range; allowed are 0.1 s to 1 h", text);
        return STATUS_DONE;
}

static enum exit_status parse_lifetime(struct options *options, const char *text) {
        static const char allowed[] = "allowed are 1ms to 365d, such as 300, 5min, 1h 30min; without --for it is for "
                                      "good";
        int r = units_parse_duration(text, &options->lifetime_usec);

        if (r == -EINVAL)
                return options_refuse("--for: '%s' is no duration; %s", text, allowed);
        if (r < 0 || options->lifetime_usec < LIFETIME_MIN_USEC || options->lifetime_usec > LIFETIME_MAX_USEC)
                return options_refuse("--for: %s is out of range; %s", text, allowed);
        return STATUS_DONE;
}

static enum exit_status parse_positive(const char *option, const char *text, uint64_t max, uint64_t *ret_value) {
        int r = units_parse_number(text, max, ret_value);

        if (r == -EINVAL)
                return options_refuse("--%s: '%s' is not a number; allowed is 1 or more", option, text);
        if (r < 0 || *ret_value == 0)
                return options_refuse("--%s: %s is out of range; allowed is 1 or more", option, text);
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
                      is_columns ? "the sets traffic, protocols, scopes, activity, all, and lists of " : "");
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
                return options_refuse("--view: there is no view '%s'; allowed are public and full", text);
        return STATUS_DONE;
}

/* A name, or a number as of a user that this machine does not know by name. */
static enum exit_status parse_user(struct options *options, const char *text) {
        const struct passwd *user = getpwnam(text);
        uint64_t number;

        if (!user && (units_parse_number(text, UINT32_MAX - 1, &number) < 0))
                return options_refuse("--user: there is no user '%s'; allowed are names of users and numbers", text);
        options->filter.has_user = true;
        options->filter.uid = user ? user->pw_uid : (uint32_t)number;
        return STATUS_DONE;
}

static enum exit_status parse_color(struct options *options, const char *text) {
        static const char names[][7] = { [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never" };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(text, names[i]) == 0) {
                        options->color = (enum color_when)i;
                        return STATUS_DONE;
                }
        return options_refuse("--color: '%s' is not known; allowed are auto, always and never", text);
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
        case OPTION_FOR:
                return parse_lifetime(options, text);
        case OPTION_VIEW:
                return parse_view(options, text);
        case OPTION_COLOR:
                return parse_color(options, text);
        case OPTION_PID:
                options->filter.has_pid = true;
                status = parse_positive("pid", text, UINT32_MAX, &number);
                options->filter.pid = (uint32_t)number;
                return status;
        case OPTION_USER:
                return parse_user(options, text);
        case OPTION_SERVICE:
                options->filter.service = text;
                break;
        case OPTION_APP:
                options->filter.app = text;
                break;
        case OPTION_CONTAINER:
                options->filter.container = text;
                break;
        case OPTION_SCOPE:
                if (!scope_find(text, &options->scope))
                        return options_refuse("--scope: there is no scope '%s'; allowed are all, remote and "
                                              "internet", text);
                break;
        case OPTION_RULES:
                options->rules_path = text;
                return STATUS_DONE;
        case OPTION_RUNTIME_DIRECTORY:
                options->runtime_directory = text;
                return *text == '/' ? STATUS_DONE
                                    : options_refuse("--runtime-directory: '%s' is not an absolute path", text);
        }
        return status;
}

static void set_flag(struct options *options, int option) {
        options->is_json |= option == OPTION_JSON;
        options->is_once |= option == OPTION_ONCE;
        options->is_exact |= option == OPTION_BYTES;
        options->is_reverse |= option == 'r';
        options->is_saved |= option == OPTION_SAVE;
        options->has_rates |= option == OPTION_RATES;
        options->has_legend &= option != OPTION_NO_LEGEND;
}

/* Some arguments are options for one command and nonsense for another: that is known only after all were read. */
static enum exit_status check_commands(const struct options *options, const bool given[]) {
        for (const struct grammar_option *o = grammar_next_option(NULL); o; o = grammar_next_option(o)) {
                const char *separator = "";

                if (!given[o->value] || !o->commands || o->commands & 1u << options->command ||
                    options->command == COMMAND_HELP)
                        continue;
                (void)fprintf(stderr, "socktally: --%s means nothing to '%s'; it goes with ", o->name,
                              grammar_command(options->command)->name);
                for (unsigned c = 0; c < N_COMMANDS; c++)
                        if (o->commands & 1u << c) {
                                (void)fprintf(stderr, "%s%s", separator, grammar_command((enum command)c)->name);
                                separator = ", ";
                        }
                fputs("\nTry 'socktally --help'.\n", stderr);
                return STATUS_USAGE;
        }
        return STATUS_DONE;
}

static enum exit_status refuse_command(const char *word) {
        (void)fprintf(stderr, "socktally: there is no command '%s'; allowed are ", word);
        grammar_print_names(stderr);
        (void)fputs("\nTry 'socktally --help'.\n", stderr);
        return STATUS_USAGE;
}

/* first is a command's word that wants another behind it. */
static enum exit_status refuse_second_word(const char *first, const char *second) {
        const char *separator = "";

        (void)fprintf(stderr, "socktally: %s: %s%s%s; allowed are ", first, second ? "'" : "what to do is missing",
                      second ? second : "", second ? "' is not known" : "");
        for (unsigned c = 0; c < N_COMMANDS; c++)
                if (grammar_is_word((enum command)c, first)) {
                        const struct grammar_command *row = grammar_command((enum command)c);

                        (void)fprintf(stderr, "%s'%s %s'", separator, row->name, row->arguments);
                        separator = " and ";
                }
        (void)fputs("\nTry 'socktally --help'.\n", stderr);
        return STATUS_USAGE;
}

static enum exit_status refuse_absence(const struct grammar_command *row, size_t n) {
        static const char *const missing[] = {
                [WORD_FILE] = "the file is missing, such as /run/socktally/public",
                [WORD_PROCESS] = "the PID or the path of a cgroup is missing, such as 1 or /system.slice/ssh.service",
                [WORD_MODULE] = "the module is missing; 'socktally modules' lists them",
                [WORD_KEY] = "the setting is missing; 'socktally settings' lists them",
                [WORD_VALUE] = "the value is missing, as in 'socktally set Interval 2s'",
        };

        return options_refuse("%s: %s", row->name, missing[row->words[n].word]);
}

static enum exit_status parse_arguments(struct options *options, int argc, char **argv) {
        const struct grammar_command *row = grammar_command(options->command);
        size_t n = (size_t)argc;

        if (n < row->n_required)
                return refuse_absence(row, n);
        if (n > row->n_allowed)
                return options_refuse("%s: '%s' is one argument too many", row->name, argv[row->n_allowed]);
        options->arguments = (const char *const *)argv;
        options->n_arguments = n;
        if (catalog_find(row->name)) {
                options->filter.names = options->arguments;
                options->filter.n_names = n;
        }
        if (options->command != COMMAND_TOP || n == 0)
                return STATUS_DONE;
        options->top = catalog_find(argv[0]);
        if (!options->top)
                return options_refuse("top: there is no table '%s'; allowed are processes, apps, services, containers "
                                      "and users", argv[0]);
        return STATUS_DONE;
}

static enum exit_status parse_command(struct options *options, int argc, char **argv) {
        bool is_first_word = false;

        for (unsigned c = 0; c < N_COMMANDS; c++) {
                const char *second = grammar_second_word((enum command)c);

                if (!grammar_is_word((enum command)c, argv[0]))
                        continue;
                is_first_word = true;
                if (second && (argc < 2 || strcmp(argv[1], second) != 0))
                        continue;
                options->command = (enum command)c;
                return parse_arguments(options, argc - (second ? 2 : 1), argv + (second ? 2 : 1));
        }
        return is_first_word ? refuse_second_word(argv[0], argv[1]) : refuse_command(argv[0]);
}

static enum exit_status refuse_option(int result, const char *argument) {
        if (result == ':')
                return options_refuse("%s: its value is missing", argument);
        if (strchr(argument, '=') && argument[1] == '-')
                return options_refuse("%s: there is no such option, or it takes no value", argument);
        return options_refuse("%s: there is no such option%s", argument,
                              argument[1] == '-' ? ", or its name is cut too short" : "");
}

/* What getopt_long(3) wants to know; returns the letters. */
static const char *build_tables(struct option long_options[static MAX_OPTIONS], char letters[static MAX_OPTIONS]) {
        size_t n = 0, used = 0;

        letters[used++] = ':';
        for (const struct grammar_option *o = grammar_next_option(NULL); o; o = grammar_next_option(o)) {
                long_options[n++] = (struct option){ o->name, o->argument ? required_argument : no_argument, NULL,
                                                     o->value };
                if (o->value < 256) {
                        letters[used++] = (char)o->value;
                        if (o->argument)
                                letters[used++] = ':';
                }
        }
        long_options[n] = (struct option){ NULL, 0, NULL, 0 };
        letters[used] = '\0';
        return letters;
}

static enum exit_status parse_options(struct options *options, int argc, char **argv, bool given[]) {
        struct option long_options[MAX_OPTIONS];
        char letters[MAX_OPTIONS];
        enum exit_status status = STATUS_DONE;
        int option;

        build_tables(long_options, letters);
        opterr = 0;
        optind = 0; /* GNU: start anew, so that a test can parse twice */
        while ((option = getopt_long(argc, argv, letters, long_options, NULL)) >= 0) {
                if (option == 'h' || option == OPTION_VERSION) {
                        options->command = option == 'h' ? COMMAND_HELP : COMMAND_VERSION;
                        given[option] = true;
                        return STATUS_DONE;
                }
                if (option == '?' || option == ':')
                        return refuse_option(option, argv[optind - 1]);
                if (optarg)
                        status = parse_with_argument(options, option, optarg);
                else
                        set_flag(options, option);
                if (status != STATUS_DONE)
                        return status;
                /* Who only chose colours has not said what to do. */
                given[option] = grammar_option(option)->commands != 0;
        }
        return STATUS_DONE;
}

enum exit_status options_parse(struct options *ret_options, int argc, char **argv, bool has_terminal) {
        bool given[N_OPTION_VALUES] = { false };
        enum exit_status status;

        *ret_options = (struct options){ .limit = SIZE_MAX, .has_legend = true, .sort = field_find("traffic") };
        if (argc > 1 && grammar_is_word(COMMAND_COMPLETE, argv[1])) {
                /* Its words are another command line's, options and all. */
                ret_options->command = COMMAND_COMPLETE;
                return parse_arguments(ret_options, argc - 2, argv + 2);
        }
        status = parse_options(ret_options, argc, argv, given);
        if (status != STATUS_DONE || given['h'] || given[OPTION_VERSION])
                return status;
        if (optind < argc)
                status = parse_command(ret_options, argc - optind, argv + optind);
        else if (!has_terminal && memchr(given, true, sizeof(given)) == NULL) {
                options_print_help(stderr);
                return STATUS_USAGE;
        }
        return status == STATUS_DONE ? check_commands(ret_options, given) : status;
}
