/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options for settings are made from the table of settings, so file and command line cannot drift apart. Values are
 * checked here, before anything starts, and applied later, after the file.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "daemon/control/options.h"

enum {
        OPTION_CONFIG = 256,
        OPTION_RULES,
        OPTION_RUNTIME_DIRECTORY,
        OPTION_BUS,
        OPTION_CHECK,
        OPTION_DEBUG,
        OPTION_HELP,
        OPTION_VERSION,
        OPTION_SETTING
};

#define N_OWN 8

static void print_help(void) {
        const struct setting *settings;
        size_t n = settings_table(&settings);

        printf("Usage: socktallyd [OPTION]...\n"
               "Counts socket traffic per process in the kernel and publishes it in shared memory.\n\n"
               "  --config=FILE            read this file instead of socktally.conf, its drop-ins and apps.conf\n"
               "  --rules=FILE             read this file instead of apps.conf\n"
               "  --runtime-directory=DIR  where segments and the readers' socket are (/run/socktally)\n"
               "  --bus=BUS                system, session, none or an address: where org.socktally1 is served\n");
        for (size_t i = 0; i < n; i++)
                printf("  --%s=VALUE%*s%s\n", settings[i].option, (int) (17 - strlen(settings[i].option)), "",
                       settings[i].allowed);
        printf("  --check                  try each attach method, print what the kernel says, and exit\n"
               "  --debug                  say more\n"
               "  --help                   print this and exit\n"
               "  --version                print the version and exit\n\n"
               "See socktallyd(8) and socktally.conf(5).\n");
}

static void build_table(struct option table[]) {
        static const struct option own[N_OWN] = {
                { "config", required_argument, NULL, OPTION_CONFIG },
                { "rules", required_argument, NULL, OPTION_RULES },
                { "runtime-directory", required_argument, NULL, OPTION_RUNTIME_DIRECTORY },
                { "bus", required_argument, NULL, OPTION_BUS },
                { "check", no_argument, NULL, OPTION_CHECK },
                { "debug", no_argument, NULL, OPTION_DEBUG },
                { "help", no_argument, NULL, OPTION_HELP },
                { "version", no_argument, NULL, OPTION_VERSION },
        };
        const struct setting *settings;
        size_t n = settings_table(&settings);

        memcpy(table, own, sizeof own);
        for (size_t i = 0; i < n; i++)
                table[N_OWN + i] = (struct option) { .name = settings[i].option,
                                                     .has_arg = required_argument,
                                                     .val = OPTION_SETTING + (int) i };
}

static int take_setting(struct options *options, size_t number, const char *value, char *message, size_t size) {
        struct settings scratch = settings_default();
        const struct setting *settings;

        settings_table(&settings);
        if (settings_set(&scratch, number, value, "command line") < 0) {
                snprintf(message, size, "--%s=%s: must be %s", settings[number].option, value,
                         settings[number].allowed);
                return -EINVAL;
        }
        options->values[number] = value;
        return OPTIONS_RUN;
}

static int take_path(const char **path, const char *name, const char *value, char *message, size_t size) {
        if (value[0] == '\0') {
                snprintf(message, size, "--%s= needs a path", name);
                return -EINVAL;
        }
        *path = value;
        return OPTIONS_RUN;
}

static int take_bus(const char **bus, const char *value, char *message, size_t size) {
        static const char *const words[] = { "system", "session", "none" };
        bool is_word = false;

        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
                is_word = is_word || strcmp(value, words[i]) == 0;
        if (!is_word && !strchr(value, ':')) {
                snprintf(message, size, "--bus=%s: must be system, session, none or an address such as "
                         "unix:path=/run/dbus/system_bus_socket", value);
                return -EINVAL;
        }
        *bus = value;
        return OPTIONS_RUN;
}

/* c: what getopt_long() returned. Options from OPTION_SETTING on are settings, by their number. */
static int take_option(struct options *options, int c, const char *value, char *message, size_t size) {
        switch (c) {
        case OPTION_CONFIG: return take_path(&options->config_path, "config", value, message, size);
        case OPTION_RULES: return take_path(&options->rules_path, "rules", value, message, size);
        case OPTION_RUNTIME_DIRECTORY:
                return take_path(&options->runtime_directory, "runtime-directory", value, message, size);
        case OPTION_BUS: return take_bus(&options->bus, value, message, size);
        case OPTION_CHECK: options->is_check = true; return OPTIONS_RUN;
        case OPTION_DEBUG: options->debug = true; return OPTIONS_RUN;
        case OPTION_HELP: print_help(); return OPTIONS_DONE;
        case OPTION_VERSION: printf("socktallyd %s\n", PACKAGE_VERSION); return OPTIONS_DONE;
        }
        return take_setting(options, (size_t) (c - OPTION_SETTING), value, message, size);
}

int options_parse(int argc, char *argv[], struct options *ret_options, char *message, size_t size) {
        struct options options = { .runtime_directory = OPTIONS_RUNTIME_DIRECTORY };
        struct option table[N_OWN + N_SETTINGS + 1] = { 0 };
        int c, r;

        build_table(table);
        optind = 0;
        opterr = 0;
        while ((c = getopt_long(argc, argv, ":", table, NULL)) >= 0) {
                if (c == '?' || c == ':') {
                        snprintf(message, size, c == '?' ? "unknown option %s; --help lists them" : "%s needs a value",
                                 argv[optind - 1]);
                        return -EINVAL;
                }
                r = take_option(&options, c, optarg, message, size);
                if (r != OPTIONS_RUN)
                        return r;
        }
        if (optind < argc) {
                snprintf(message, size, "unexpected argument %s; --help lists the options", argv[optind]);
                return -EINVAL;
        }
        *ret_options = options;
        return OPTIONS_RUN;
}

void options_apply(const struct options *options, struct settings *settings) {
        if (options->debug)
                (void) settings_set(settings, SETTING_LOG_LEVEL, "debug", "command line");
        for (size_t i = 0; i < N_SETTINGS; i++)
                if (options->values[i])
                        (void) settings_set(settings, i, options->values[i], "command line"); /* was checked */
}
