/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The form is that of Netdata's apps_groups.conf, so that a file that somebody has can be taken over. Two words in the
 * place of a group are keys: `interpreters` adds to the list of these (`clear` empties it), and `managers` is refused.
 * There it names processes whose children do not inherit their group, and here no process inherits one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "daemon/identity/app.h"
#include "daemon/identity/rules-file.h"
#include "daemon/text.h"

#define BLANKS " \t\r"
#define NAME "apps.conf"

struct reading {
        struct rules *rules;
        const char *path;
        rules_file_report *report;
        void *userdata;
        unsigned line, n_reports;
        bool is_full;
};

static void say(struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct reading *reading, const char *format, ...) {
        char line[512];
        size_t n;
        va_list ap;

        if (++reading->n_reports > RULES_FILE_REPORTS_MAX)
                return;
        n = (size_t) snprintf(line, sizeof line, "%.300s:%u: ", reading->path, reading->line);
        va_start(ap, format);
        vsnprintf(line + n, sizeof line - n, format, ap);
        va_end(ap);
        reading->report(reading->userdata, line, 0);
}

/* A word for a message: short, and safe to print. */
struct quotation {
        char text[64];
};

static const char *quote(struct quotation *quotation, const char *word) {
        text_clean(quotation->text, sizeof quotation->text, word, strlen(word));
        return quotation->text;
}

/* Takes the next word off the line: 1. 0: there is none; a word that begins with '#' begins a comment. -EINVAL: it is
 * wrong, which was said, and nothing behind it can be read. */
static int next_word(struct reading *reading, char **line, char **ret_word) {
        char *word = *line + strspn(*line, BLANKS), *end;
        struct quotation quotation;
        char mark = *word;

        if (mark == '\0' || mark == '#')
                return 0;
        if (mark == '"' || mark == '\'') {
                end = strchr(++word, mark);
                if (!end || (end[1] && !strchr(BLANKS, end[1]))) {
                        say(reading, "the quotation %c%s %s, ignoring the rest of the line", mark,
                            quote(&quotation, word), end ? "has no space behind it" : "is not closed");
                        return -EINVAL;
                }
        } else
                end = word + strcspn(word, BLANKS);
        *line = *end ? end + 1 : end;
        *end = '\0';
        *ret_word = word;
        return 1;
}

static int take_pattern(struct reading *reading, const char *group, const char *word) {
        struct quotation quotation;
        int r;

        r = rules_add(reading->rules, group, word, reading->line);
        switch (r) {
        case -EINVAL:
                say(reading, "pattern %s: a '*' can be its first and its last character only, ignoring it",
                    quote(&quotation, word));
                return 0;
        case -ENODATA:
                say(reading, "pattern \"%s\" has no text, ignoring it; '*' alone is every process",
                    quote(&quotation, word));
                return 0;
        case -E2BIG:
                say(reading, "pattern %s: more than %d patterns of the form *text*, ignoring it",
                    quote(&quotation, word), RULES_SUBSTRINGS_MAX);
                return 0;
        case -ENOSPC:
                say(reading, "more than %d patterns, ignoring this and all that follows", RULES_PATTERNS_MAX);
                reading->is_full = true;
                return 0;
        }
        return r;
}

static int take_interpreter(struct reading *reading, const char *word) {
        struct quotation quotation;
        int r;

        if (strcmp(word, "clear") == 0) {
                rules_clear_interpreters(reading->rules);
                return 0;
        }
        r = rules_add_interpreter(reading->rules, word);
        if (r == -ENOMEM)
                return r;
        if (r == -ENOSPC)
                say(reading, "interpreter %s: more than %d, ignoring it", quote(&quotation, word),
                    RULES_INTERPRETERS_MAX);
        else if (r < 0)
                say(reading, "interpreter \"%s\": must be a name, name* or *name, ignoring it",
                    quote(&quotation, word));
        return 0;
}

static int take_words(struct reading *reading, const char *group, char *rest) {
        bool is_interpreters = strcmp(group, "interpreters") == 0;
        struct quotation quotation;
        unsigned n = 0;
        char *word;
        int r;

        while ((r = next_word(reading, &rest, &word)) > 0 && !reading->is_full) {
                r = is_interpreters ? take_interpreter(reading, word) : take_pattern(reading, group, word);
                if (r < 0)
                        return r;
                n++;
        }
        if (r == 0 && n == 0)
                say(reading, "%s: has no pattern, ignoring it", quote(&quotation, group));
        return 0;
}

static char *trim(char *text) {
        size_t n;

        text += strspn(text, BLANKS);
        n = strlen(text);
        while (n > 0 && strchr(BLANKS, text[n - 1]))
                n--;
        text[n] = '\0';
        return text;
}

/* -ENOMEM is all that can fail. */
static int take_line(struct reading *reading, char *line, size_t n) {
        char group[APP_NAME_SIZE], *colon;
        struct quotation quotation;

        if (line[strspn(line, BLANKS)] == '#' || strspn(line, BLANKS) == n)
                return 0;
        if (!text_is_plain(line, n)) {
                say(reading, "%s, ignoring the line",
                    memchr(line, '\0', n) ? "a NUL byte is no text" : "invalid UTF-8 or a control character");
                return 0;
        }
        colon = strchr(line, ':');
        if (!colon) {
                say(reading, "\"%s\" is not of the form group: pattern..., ignoring it",
                    quote(&quotation, trim(line)));
                return 0;
        }
        *colon = '\0';
        line = trim(line);
        if (line[0] == '\0' || strlen(line) >= sizeof group) {
                say(reading, line[0] ? "the name of a group has more than %zu bytes, ignoring the line" :
                             "no group stands before the ':', ignoring the line", sizeof group - 1);
                return 0;
        }
        text_clean(group, sizeof group, line, strlen(line));
        if (strcmp(group, "managers") == 0) {
                say(reading, "managers: is not known, ignoring it; each process is matched by itself, and children "
                    "inherit no group");
                return 0;
        }
        return take_words(reading, group, colon + 1);
}

/* Reads up to a newline, or the end of the file, which is false if nothing is before it. What does not fit is counted
 * and dropped. A NUL is behind it. */
static bool read_line(FILE *file, char line[static RULES_FILE_LINE_MAX + 1], size_t *ret_n) {
        size_t n = 0;
        int c;

        while ((c = getc_unlocked(file)) != EOF && c != '\n') {
                if (n < RULES_FILE_LINE_MAX)
                        line[n] = (char) c;
                n++;
        }
        line[n < RULES_FILE_LINE_MAX ? n : RULES_FILE_LINE_MAX] = '\0';
        *ret_n = n;
        return c != EOF || n > 0;
}

static int take_file(struct reading *reading, FILE *file) {
        char line[RULES_FILE_LINE_MAX + 1];
        size_t n;
        int r = 0;

        while (r >= 0 && !reading->is_full && read_line(file, line, &n)) {
                reading->line++;
                if (n > RULES_FILE_LINE_MAX)
                        say(reading, "a line of more than %d bytes, ignoring it", RULES_FILE_LINE_MAX);
                else
                        r = take_line(reading, line, n);
        }
        return r >= 0 && ferror(file) ? -EIO : r;
}

static void say_more(const struct reading *reading) {
        char line[512];

        if (reading->n_reports <= RULES_FILE_REPORTS_MAX)
                return;
        snprintf(line, sizeof line, "%.300s: %u more things are wrong", reading->path,
                 reading->n_reports - RULES_FILE_REPORTS_MAX);
        reading->report(reading->userdata, line, 0);
}

/* Opening never waits, whatever the path leads to. A link to /dev/null is an empty file. */
static int open_file(const char *path, FILE **ret_file) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r = 0;
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                r = -errno;
        else if (!S_ISREG(st.st_mode) && !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
                r = -EISDIR;
        else if (st.st_size > RULES_FILE_SIZE_MAX)
                r = -EFBIG;
        if (r == 0 && !(*ret_file = fdopen(fd, "r")))
                r = -ENOMEM;
        if (r < 0)
                close(fd);
        return r;
}

static int report_unreadable(const char *path, int error, rules_file_report *report, void *userdata) {
        char line[512];

        if (error == -EISDIR)
                snprintf(line, sizeof line, "%.300s: not a regular file, ignoring it", path);
        else if (error == -EFBIG)
                snprintf(line, sizeof line, "%.300s: more than %d bytes, ignoring all of it", path,
                         RULES_FILE_SIZE_MAX);
        else
                snprintf(line, sizeof line, "%.300s: cannot be read: %s, ignoring it", path, strerror(-error));
        report(userdata, line, error);
        return error;
}

/* -ENOENT is returned and not reported. */
static int load(struct rules **ret_rules, const char *path, rules_file_report *report, void *userdata) {
        struct reading reading = { .path = path, .report = report, .userdata = userdata };
        FILE *file = NULL;
        int r;

        r = open_file(path, &file);
        if (r == -ENOENT)
                return r;
        if (r >= 0) {
                r = rules_new(&reading.rules, path);
                if (r >= 0)
                        r = take_file(&reading, file);
                fclose(file);
        }
        if (r < 0) {
                rules_free(reading.rules);
                return report_unreadable(path, r, report, userdata);
        }
        say_more(&reading);
        *ret_rules = reading.rules;
        return 0;
}

int rules_file_load(struct rules **ret_rules, const char *path, rules_file_report *report, void *userdata) {
        int r;

        r = load(ret_rules, path, report, userdata);
        return r == -ENOENT ? report_unreadable(path, r, report, userdata) : r;
}

int rules_file_find(struct rules **ret_rules, const char *const directories[], rules_file_report *report,
                    void *userdata) {
        char path[PATH_MAX];
        int r = -ENOENT;

        *ret_rules = NULL;
        for (size_t i = 0; directories[i] && r == -ENOENT; i++) {
                snprintf(path, sizeof path, "%s/" NAME, directories[i]);
                r = load(ret_rules, path, report, userdata);
        }
        return r == -ENOENT ? 0 : r;
}
