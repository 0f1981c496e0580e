/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of the grammar say what may come; modules, tables and values in force come from the daemon, which is asked
 * only if it runs. Whoever presses the tab key wants no message and no wait, so nothing here complains.
 */
#include <dirent.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "tools/completion.h"
#include "tools/control.h"
#include "tools/field.h"
#include "tools/listing.h"
#include "tools/setting.h"
#include "tools/untrusted.h"

struct unfinished {
        const char *const *words;
        size_t n;
        bool is_named;                    /* the command is known */
        enum command command;
        size_t n_arguments;               /* complete words behind the command's name */
        const char *key;                  /* the first of them */
        const struct grammar_option *row; /* whose value the last word is; NULL: it is no value */
        const char *last, *prefix;        /* the part to be completed, and what stands before it in the same word */
        const char *first;                /* word of the command, if it needs a second one */
        int prefix_length;
};

static void offer(const struct unfinished *line, const char *word, const char *explanation) {
        char clean[256];

        if (strncmp(word, line->last, strlen(line->last)) != 0)
                return;
        (void)untrusted_printable(clean, sizeof(clean), word);
        (void)printf("%.*s%s", line->prefix_length, line->prefix, clean);
        if (explanation && *explanation)
                (void)printf("\t%.*s", (int)strcspn(explanation, "\n"), explanation);
        (void)putchar('\n');
}

static void offer_choices(const struct unfinished *line, const char *choices) {
        char word[64];

        for (const char *p = choices; p && *p; p += strspn(p, " ")) {
                size_t n = strcspn(p, " ");

                (void)snprintf(word, sizeof(word), "%.*s", (int)n, p);
                offer(line, word, NULL);
                p += n;
        }
}

/* False: nobody answers. */
static bool ask(struct control *control) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);

        if (r >= 0)
                r = control_take(control, bus, false, &error);
        if (r >= 0)
                (void)control_take_settings(control, bus, &error);
        sd_bus_error_free(&error);
        (void)sd_bus_flush_close_unref(bus);
        return r >= 0;
}

static void offer_modules(const struct unfinished *line) {
        struct control control;

        if (!ask(&control)) {
                offer_choices(line, SETTING_MODULES_KNOWN);
                return;
        }
        for (size_t i = 0; i < control.n_objects; i++)
                if (control.objects[i].kind == CONTROL_MODULE)
                        offer(line, control.objects[i].name,
                              property_text(&control.objects[i].properties, "State"));
        control_done(&control);
}

static void offer_keys(const struct unfinished *line) {
        struct control control = { .n_objects = 0 };
        struct setting_found found;
        const char *keys[128];
        size_t n;

        (void)ask(&control);
        n = setting_keys(&control, keys, sizeof(keys) / sizeof(keys[0]));
        for (size_t i = 0; i < n; i++) {
                const struct setting *setting = setting_resolve(&control, keys[i], &found);
                char value[SETTING_SIZE];

                if (setting && setting->kind != SETTING_AT_START)
                        offer(line, keys[i], control.n_objects > 0 && setting_value(&control, setting, value) ? value :
                                                                                                                NULL);
        }
        control_done(&control);
}

static void offer_values(const struct unfinished *line) {
        struct control control = { .n_objects = 0 };
        struct setting_found found;
        const struct setting *setting = line->key ? setting_find(line->key) : NULL;

        if (!setting && line->key && ask(&control))
                setting = setting_resolve(&control, line->key, &found);
        if (setting && setting->kind == SETTING_MODULES) {
                if (line->n_arguments == 1)
                        offer(line, "none", NULL);
                offer_modules(line);
        } else if (setting && line->n_arguments == 1)
                offer_choices(line, setting->kind == SETTING_SWITCH ? "yes no" : setting->choices);
        control_done(&control);
}

/* With their names, which they choose themselves. */
static void offer_processes(const struct unfinished *line) {
        DIR *proc = opendir("/proc");
        const struct dirent *entry;

        while (proc && (entry = readdir(proc))) {
                char path[PATH_MAX], name[64] = "", clean[256];
                FILE *file;

                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                (void)snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
                file = fopen(path, "re");
                if (file && fgets(name, sizeof(name), file)) {
                        name[strcspn(name, "\n")] = '\0';
                        offer(line, entry->d_name, untrusted_printable(clean, sizeof(clean), name));
                }
                if (file)
                        (void)fclose(file);
        }
        if (proc)
                (void)closedir(proc);
}

/* From the file that everyone may read: asking for a view would start a daemon. */
static void offer_units(const struct unfinished *line) {
        const char *directory = secure_getenv("SOCKTALLY_RUNTIME_DIRECTORY");
        const struct order order = { field_find("service"), false, false };
        struct listing listing = { .hides_empty = true };
        struct socktally *reader = NULL;
        char path[PATH_MAX];
        const struct socktally_options how = { .size = sizeof(how), .file_path = path };

        (void)snprintf(path, sizeof(path), "%s/public", directory ? directory : "/run/socktally");
        if (socktally_open(&reader, &how) < 0)
                return;
        (void)socktally_refresh(reader);
        if (listing_take(&listing, reader, SOCKTALLY_TABLE_SERVICES, &order) >= 0)
                for (size_t i = 0; i < listing.n; i++)
                        if (listing.entries[i].texts[TEXT_SERVICE])
                                offer(line, listing.entries[i].texts[TEXT_SERVICE], NULL);
        listing_done(&listing);
        (void)socktally_close(reader);
}

static void offer_users(const struct unfinished *line) {
        const struct passwd *user;

        setpwent();
        while ((user = getpwent()))
                offer(line, user->pw_name, NULL);
        endpwent();
}

static void offer_columns(const struct unfinished *line) {
        const struct field *field;

        for (size_t i = 0; (field = field_at(i)); i++)
                offer(line, field->name, NULL);
}

static void offer_word(const struct unfinished *line, enum word word, const char *choices) {
        switch (word) {
        case WORD_CHOICE:
        case WORD_SPAN:
                offer_choices(line, choices);
                break;
        case WORD_COLUMNS:
                offer_choices(line, "traffic protocols scopes activity all");
                offer_columns(line);
                break;
        case WORD_COLUMN:
                offer_columns(line);
                break;
        case WORD_FILE:
                (void)puts(":files");
                break;
        case WORD_DIRECTORY:
                (void)puts(":directories");
                break;
        case WORD_MODULE:
                offer_modules(line);
                break;
        case WORD_PROCESS:
                offer_processes(line);
                break;
        case WORD_UNIT:
                offer_units(line);
                break;
        case WORD_USER:
                offer_users(line);
                break;
        case WORD_KEY:
                offer_keys(line);
                break;
        case WORD_VALUE:
                offer_values(line);
                break;
        case WORD_NUMBER:
        case WORD_NONE:
                break;
        }
}

static void offer_commands(const struct unfinished *line) {
        char word[64];

        for (unsigned c = 0; c < N_COMMANDS; c++) {
                const struct grammar_command *row = grammar_command((enum command)c);

                if (!row->help || (line->first && !grammar_is_word((enum command)c, line->first)))
                        continue;
                if (line->first) {
                        offer(line, grammar_second_word((enum command)c), row->help);
                        continue;
                }
                (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(row->name, " "), row->name);
                if (c == 0 || !grammar_is_word((enum command)(c - 1), word))
                        offer(line, word, grammar_second_word((enum command)c) ? "look into a shared segment" :
                                                                                 row->help);
        }
}

static void offer_options(const struct unfinished *line) {
        char word[64];

        for (const struct grammar_option *o = grammar_next_option(NULL); o; o = grammar_next_option(o)) {
                if (o->commands && !(line->is_named ? o->commands & 1u << line->command : o->commands & 1u))
                        continue;
                (void)snprintf(word, sizeof(word), "--%s", o->name);
                offer(line, word, o->help);
        }
}

static const struct grammar_option *find_option(const char *word) {
        size_t n = strcspn(word, "=");

        for (const struct grammar_option *o = grammar_next_option(NULL); o; o = grammar_next_option(o))
                if ((n > 2 && strncmp(word, "--", 2) == 0 && strlen(o->name) == n - 2 &&
                     memcmp(word + 2, o->name, n - 2) == 0) ||
                    (n == 2 && word[0] == '-' && o->value < 256 && word[1] == o->value))
                        return o;
        return NULL;
}

/* One complete word that is no option. */
static void take_word(struct unfinished *line, const char *word) {
        if (line->is_named) {
                if (line->n_arguments++ == 0)
                        line->key = word;
                return;
        }
        for (unsigned c = 0; c < N_COMMANDS; c++) {
                const char *second = grammar_second_word((enum command)c);

                if (line->first ? !second || !grammar_is_word((enum command)c, line->first) || strcmp(word, second) :
                                  !grammar_is_word((enum command)c, word))
                        continue;
                if (second && !line->first) {
                        line->first = word;
                        return;
                }
                line->is_named = true;
                line->command = (enum command)c;
                return;
        }
}

static void read_line(struct unfinished *line) {
        for (size_t i = 0; i + 1 < line->n; i++) {
                const struct grammar_option *row = line->words[i][0] == '-' ? find_option(line->words[i]) : NULL;

                if (line->words[i][0] != '-')
                        take_word(line, line->words[i]);
                else if (row && row->argument && !strchr(line->words[i], '=') && ++i + 1 == line->n)
                        line->row = row;
        }
        line->last = line->n > 0 ? line->words[line->n - 1] : "";
        line->prefix = "";
        if (!line->row && strncmp(line->last, "--", 2) == 0 && strchr(line->last, '=')) {
                line->row = find_option(line->last);
                line->prefix = line->last;
                line->last = strchr(line->last, '=') + 1;
                line->prefix_length = (int)(line->last - line->prefix);
        }
        /* In a list only its last part is open. */
        if (line->row && line->row->word == WORD_COLUMNS && strrchr(line->last, ',')) {
                line->prefix = line->prefix_length ? line->prefix : line->last;
                line->last = strrchr(line->last, ',') + 1;
                line->prefix_length = (int)(line->last - line->prefix);
        }
}

enum exit_status completion_run(const struct options *options) {
        struct unfinished line = { .words = options->arguments, .n = options->n_arguments };
        const struct grammar_command *row;
        size_t place;

        read_line(&line);
        row = grammar_command(line.command);
        place = line.n_arguments < 2 ? line.n_arguments : 1;
        if (line.row)
                offer_word(&line, line.row->word, line.row->choices);
        else if (line.last[0] == '-')
                offer_options(&line);
        else if (!line.is_named)
                offer_commands(&line);
        else if (line.n_arguments < row->n_allowed && line.command != COMMAND_HELP)
                offer_word(&line, row->words[place].word, row->words[place].choices);
        return STATUS_DONE;
}
