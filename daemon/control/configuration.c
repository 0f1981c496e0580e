/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads what an administrator wrote, and says precisely what is wrong with it. A file that is no configuration at all
 * gets one line, not one per byte. Files are small and read whole; opening never waits, whatever the path leads to.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/control/configuration.h"
#include "daemon/text.h"

#define SIZE_MAX_FILE 65536
#define REPORTS_MAX 10 /* per file */
#define DROPINS_MAX 256

struct reading {
        struct settings *settings;
        const char *path;
        configuration_report *report;
        void *userdata;
        unsigned line, n_reports;
        int error;
        enum { SECTION_NONE, SECTION_OURS, SECTION_IGNORED } section;
};

static void say(struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct reading *reading, const char *format, ...) {
        char line[512];
        size_t n = 0;
        va_list ap;

        if (++reading->n_reports > REPORTS_MAX)
                return;
        if (reading->line > 0)
                n = (size_t) snprintf(line, sizeof line, "%s:%u: ", reading->path, reading->line);
        else
                n = (size_t) snprintf(line, sizeof line, "%s: ", reading->path);
        if (n < sizeof line) {
                va_start(ap, format);
                vsnprintf(line + n, sizeof line - n, format, ap);
                va_end(ap);
        }
        reading->report(reading->userdata, line, reading->error);
}

static char *trim(char *text) {
        size_t n;

        text += strspn(text, " \t\r");
        n = strlen(text);
        while (n > 0 && strchr(" \t\r", text[n - 1]))
                n--;
        text[n] = '\0';
        return text;
}

static void take_section(struct reading *reading, const char *line) {
        if (strcmp(line, "[Socktally]") == 0) {
                reading->section = SECTION_OURS;
                return;
        }
        reading->section = SECTION_IGNORED;
        if (strncmp(line, "[X-", 3) != 0) /* other programs' own, as in systemd's files */
                say(reading, "unknown section %s, ignoring it; the section is [Socktally]", line);
}

/* An empty value stands for the default. */
static void take_value(struct reading *reading, const struct setting *setting, const char *value) {
        uint32_t bit = UINT32_C(1) << setting_number(setting);
        char source[SETTINGS_SOURCE_SIZE];

        if (value[0])
                snprintf(source, sizeof source, "%s:%u", reading->path, reading->line);
        else
                snprintf(source, sizeof source, "default");
        if (settings_set(reading->settings, setting_number(setting), value[0] ? value : setting->initial, source) < 0) {
                reading->settings->rejected |= bit;
                say(reading, "%s=%s: must be %s, ignoring it", setting->key, value, setting->allowed);
        } else
                reading->settings->rejected &= ~bit;
}

static void take_assignment(struct reading *reading, char *line) {
        char *equals = strchr(line, '='), *key, *value;
        const struct setting *setting;

        if (!equals) {
                say(reading, "\"%s\" is not of the form Key=value, ignoring it", line);
                return;
        }
        *equals = '\0';
        key = trim(line);
        value = trim(equals + 1);
        setting = setting_by_key(key);
        if (reading->section == SECTION_NONE)
                say(reading, "%s= stands before the section [Socktally], ignoring it", key);
        else if (!setting)
                say(reading, "unknown setting %s=, ignoring it; see socktally.conf(5)", key);
        else
                take_value(reading, setting, value);
}

static void take_line(struct reading *reading, char *line) {
        line = trim(line);
        if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
                return;
        if (line[0] == '[')
                take_section(reading, line);
        else if (reading->section != SECTION_IGNORED)
                take_assignment(reading, line);
}

/* 0, or a negative errno; -EFBIG: too large, -EISDIR: not a file, -EILSEQ: not text. *ret_text is NUL terminated. */
static int read_whole(const char *path, char **ret_text) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r = 0;
        char *text = NULL;
        struct stat st;
        ssize_t n = 0;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                r = -errno;
        else if (S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && strcmp(path, "/dev/null") == 0))
                text = malloc(SIZE_MAX_FILE + 1);
        else
                r = -EISDIR;
        if (r == 0 && !text)
                r = -ENOMEM;
        if (r == 0 && (n = read(fd, text, SIZE_MAX_FILE + 1)) < 0)
                r = -errno;
        close(fd);
        if (r == 0 && n > SIZE_MAX_FILE)
                r = -EFBIG;
        if (r == 0 && !text_is_plain(text, (size_t) n))
                r = -EILSEQ;
        if (r < 0) {
                free(text);
                return r;
        }
        text[n] = '\0';
        *ret_text = text;
        return 0;
}

static void say_unreadable(struct reading *reading, int error) {
        reading->error = error;
        if (error == -EFBIG || error == -EILSEQ)
                say(reading, "this is not a configuration file, ignoring all of it");
        else if (error == -EISDIR)
                say(reading, "not a regular file, ignoring it");
        else if (error == -E2BIG)
                say(reading, "more than %d drop-ins, ignoring the others", DROPINS_MAX);
        else
                say(reading, "cannot be read: %s, ignoring it", strerror(-error));
}

static void take_text(struct reading *reading, char *text) {
        for (char *line = text, *next; line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                reading->line++;
                take_line(reading, line);
        }
        if (reading->n_reports > REPORTS_MAX) {
                unsigned more = reading->n_reports - REPORTS_MAX;

                reading->n_reports = 0;
                reading->line = 0;
                say(reading, "%u more lines are wrong", more);
        }
}

/* -ENOENT is returned and not reported. */
static int load(struct settings *settings, const char *path, configuration_report *report, void *userdata) {
        struct reading reading = { .settings = settings, .path = path, .report = report, .userdata = userdata };
        char *text = NULL;
        int r;

        r = read_whole(path, &text);
        if (r == -ENOENT)
                return r;
        if (r < 0) {
                say_unreadable(&reading, r);
                return r;
        }
        take_text(&reading, text);
        free(text);
        return 0;
}

int configuration_load_file(struct settings *settings, const char *path, configuration_report *report, void *userdata) {
        struct reading reading = { .path = path, .report = report, .userdata = userdata };
        int r;

        r = load(settings, path, report, userdata);
        if (r == -ENOENT)
                say_unreadable(&reading, -ENOENT);
        return r;
}

struct dropins {
        char *paths[DROPINS_MAX];
        size_t n;
};

static const char *name_of(const char *path) {
        return strrchr(path, '/') + 1;
}

static bool has_name(const struct dropins *dropins, const char *name) {
        for (size_t i = 0; i < dropins->n; i++)
                if (strcmp(name_of(dropins->paths[i]), name) == 0)
                        return true;
        return false;
}

static bool is_dropin(const char *name) {
        size_t n = strlen(name);

        return n > 5 && name[0] != '.' && strcmp(name + n - 5, ".conf") == 0;
}

static int add_dropin(struct dropins *dropins, const char *directory, const char *name) {
        if (!is_dropin(name) || has_name(dropins, name))
                return 0;
        if (dropins->n == DROPINS_MAX)
                return -E2BIG;
        if (asprintf(&dropins->paths[dropins->n], "%s/%s", directory, name) < 0)
                return -ENOMEM;
        dropins->n++;
        return 0;
}

/* A directory that is not there has no drop-in; one that cannot be read might have. */
static int list_directory(struct dropins *dropins, const char *directory, configuration_report *report,
                          void *userdata) {
        struct reading reading = { .report = report, .userdata = userdata };
        char path[4096];
        struct dirent *entry;
        DIR *stream;
        int r = 0;

        snprintf(path, sizeof path, "%s/socktally.conf.d", directory);
        reading.path = path;
        stream = opendir(path);
        if (!stream && errno == ENOENT)
                return 0;
        if (!stream)
                r = -errno;
        while (r >= 0 && (errno = 0, entry = readdir(stream)))
                r = add_dropin(dropins, path, entry->d_name);
        if (r >= 0 && errno > 0)
                r = -errno;
        if (r < 0)
                say_unreadable(&reading, r);
        if (stream)
                closedir(stream);
        return r;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(name_of(*(char *const *) a), name_of(*(char *const *) b));
}

/* A link to /dev/null hides the files of its name, as everywhere in systemd. */
static bool is_mask(const char *path) {
        char *target = realpath(path, NULL);
        bool is_null = target && strcmp(target, "/dev/null") == 0;

        free(target);
        return is_null;
}

static int load_main(struct settings *settings, const char *const directories[], configuration_report *report,
                     void *userdata) {
        char path[4096];
        int r = -ENOENT;

        for (size_t i = 0; directories[i] && r == -ENOENT; i++) {
                snprintf(path, sizeof path, "%s/socktally.conf", directories[i]);
                r = is_mask(path) ? 0 : load(settings, path, report, userdata);
        }
        return r == -ENOENT ? 0 : r;
}

int configuration_load_except(struct settings *settings, const char *const directories[], const char *name,
                              configuration_report *report, void *userdata) {
        struct dropins dropins = { .n = 0 };
        int result, r;

        result = load_main(settings, directories, report, userdata);
        for (size_t i = 0; directories[i]; i++) {
                r = list_directory(&dropins, directories[i], report, userdata);
                if (r < 0 && result >= 0)
                        result = r;
        }
        qsort(dropins.paths, dropins.n, sizeof dropins.paths[0], compare_names);
        for (size_t i = 0; i < dropins.n; i++) {
                const char *path = dropins.paths[i];

                r = is_mask(path) || (name && strcmp(name_of(path), name) == 0) ? 0 :
                                                configuration_load_file(settings, path, report, userdata);
                if (r < 0 && result >= 0)
                        result = r;
                free(dropins.paths[i]);
        }
        return result;
}

int configuration_load(struct settings *settings, const char *const directories[], configuration_report *report,
                       void *userdata) {
        return configuration_load_except(settings, directories, NULL, report, userdata);
}
