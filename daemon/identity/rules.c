/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Patterns that are a whole name are found by a hash of it, so a file of thousands of names costs no more than one of
 * ten. All others are tried in their order, up to the first that stands behind the whole name that matched. Texts are
 * in lower case and lie one behind the other in one piece of memory, which patterns point into by offset.
 *
 * Example: patterns `nginx` (0), `py*` (1), `python3` (2). For python3 the hash finds 2; then 1 is tried, as it stands
 * before 2, and matches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/identity/component.h"
#include "daemon/identity/procfs.h"
#include "daemon/identity/rules.h"
#include "daemon/lookup.h"

#define COMMAND_LINE_SIZE 4096
#define COMM_LENGTH_MAX (PROCFS_NAME_SIZE - 1) /* a name of this length may have been cut by the kernel */

enum kind { KIND_NAME, KIND_PREFIX, KIND_SUFFIX, KIND_SUBSTRING };

/* Without padding, as tables are compared byte by byte. */
struct pattern {
        uint32_t order; /* among all patterns */
        uint32_t kind;
        uint32_t text, length;
        uint32_t group; /* NUL terminated */
        uint32_t line;
};

struct list {
        struct pattern *items;
        uint32_t n, size;
};

struct rules {
        char *path;
        char *text;
        uint32_t text_used, text_size;
        struct list names, others, interpreters; /* names: of KIND_NAME, each once */
        struct lookup lookup;                    /* of names */
        uint32_t n_patterns, n_substrings;
};

static const char *const builtin_interpreters[] = { "bash", "dash", "java", "ksh",   "lua*", "node", "perl*",
                                                    "php*", "python*", "ruby*", "sh", "tclsh*", "zsh" };

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

int rules_new(struct rules **ret_rules, const char *path) {
        struct rules *rules = calloc(1, sizeof *rules);
        int r = 0;

        if (!rules)
                return -ENOMEM;
        rules->path = strdup(path);
        if (!rules->path)
                r = -ENOMEM;
        for (size_t i = 0; i < sizeof builtin_interpreters / sizeof builtin_interpreters[0] && r >= 0; i++)
                r = rules_add_interpreter(rules, builtin_interpreters[i]);
        if (r < 0) {
                rules_free(rules);
                return r;
        }
        *ret_rules = rules;
        return 0;
}

struct rules *rules_free(struct rules *rules) {
        if (!rules)
                return NULL;
        free(rules->path);
        free(rules->text);
        free(rules->names.items);
        free(rules->others.items);
        free(rules->interpreters.items);
        lookup_done(&rules->lookup);
        free(rules);
        return NULL;
}

/* Puts a text with a NUL behind it into the table. */
static int add_text(struct rules *rules, const char *text, size_t length, uint32_t *ret_offset) {
        size_t wanted = rules->text_used + length + 1, size = rules->text_size ? rules->text_size : 1024;
        char *larger;

        while (size < wanted)
                size *= 2;
        if (size > UINT32_MAX)
                return -ENOMEM;
        if (size > rules->text_size) {
                larger = realloc(rules->text, size);
                if (!larger)
                        return -ENOMEM;
                rules->text = larger;
                rules->text_size = (uint32_t) size;
        }
        *ret_offset = rules->text_used;
        memcpy(rules->text + rules->text_used, text, length);
        rules->text[rules->text_used + length] = '\0';
        rules->text_used += (uint32_t) (length + 1);
        return 0;
}

static int add_item(struct list *list, const struct pattern *pattern) {
        uint32_t size = list->size ? list->size * 2 : 16;
        struct pattern *larger;

        if (list->n == list->size) {
                larger = realloc(list->items, size * sizeof *larger);
                if (!larger)
                        return -ENOMEM;
                list->items = larger;
                list->size = size;
        }
        list->items[list->n++] = *pattern;
        return 0;
}

/* From a pattern as it is written to its kind and its text. */
static int take_apart(const char *written, enum kind *ret_kind, struct component *ret_text) {
        struct component c = component_of(written);
        bool has_first = c.length > 0 && c.text[0] == '*', has_last;

        c.text += has_first;
        c.length -= has_first;
        has_last = c.length > 0 && c.text[c.length - 1] == '*';
        c.length -= has_last;
        if (memchr(c.text, '*', c.length))
                return -EINVAL;
        if (c.length == 0 && has_first == has_last)
                return -ENODATA;
        if (has_first)
                *ret_kind = has_last ? KIND_SUBSTRING : KIND_SUFFIX;
        else
                *ret_kind = has_last ? KIND_PREFIX : KIND_NAME;
        *ret_text = c;
        return 0;
}

static int add_pattern_text(struct rules *rules, struct component text, struct pattern *pattern) {
        int r;

        r = add_text(rules, text.text, text.length, &pattern->text);
        if (r < 0)
                return r;
        pattern->length = (uint32_t) text.length;
        for (char *p = rules->text + pattern->text; *p; p++)
                *p = lower(*p);
        return 0;
}

static bool has_name(const void *owner, uint32_t number, const void *key) {
        const struct rules *rules = owner;
        const struct pattern *pattern = &rules->names.items[number];
        const struct component *name = key;

        return name->length == pattern->length && memcmp(name->text, rules->text + pattern->text, name->length) == 0;
}

static const struct pattern *find_name(const struct rules *rules, struct component name) {
        uint32_t number = lookup_find(&rules->lookup, lookup_hash(name.text, name.length), has_name, rules, &name);

        return number == LOOKUP_NONE ? NULL : &rules->names.items[number];
}

/* One that was there before always wins. */
static int add_name(struct rules *rules, const struct pattern *pattern) {
        struct component name = { rules->text + pattern->text, pattern->length };
        int r;

        if (find_name(rules, name))
                return 0;
        r = lookup_reserve(&rules->lookup);
        if (r >= 0)
                r = add_item(&rules->names, pattern);
        if (r >= 0)
                lookup_add(&rules->lookup, lookup_hash(name.text, name.length), rules->names.n - 1);
        return r;
}

int rules_add(struct rules *rules, const char *group, const char *pattern, unsigned line) {
        struct pattern new = { .order = rules->n_patterns, .line = line };
        struct component text;
        enum kind kind;
        int r;

        r = take_apart(pattern, &kind, &text);
        if (r < 0)
                return r;
        if (rules->n_patterns == RULES_PATTERNS_MAX)
                return -ENOSPC;
        if (kind == KIND_SUBSTRING && rules->n_substrings == RULES_SUBSTRINGS_MAX)
                return -E2BIG;
        new.kind = kind;
        r = add_pattern_text(rules, text, &new);
        if (r >= 0)
                r = add_text(rules, group, strlen(group), &new.group);
        if (r >= 0)
                r = kind == KIND_NAME ? add_name(rules, &new) : add_item(&rules->others, &new);
        if (r < 0)
                return r;
        rules->n_patterns++;
        rules->n_substrings += kind == KIND_SUBSTRING;
        return 0;
}

int rules_add_interpreter(struct rules *rules, const char *pattern) {
        struct pattern new = { .order = 0 };
        struct component text;
        enum kind kind;
        int r;

        r = take_apart(pattern, &kind, &text);
        if (r < 0)
                return r;
        if (kind == KIND_SUBSTRING)
                return -EINVAL;
        if (rules->interpreters.n == RULES_INTERPRETERS_MAX)
                return -ENOSPC;
        new.kind = kind;
        r = add_pattern_text(rules, text, &new);
        return r < 0 ? r : add_item(&rules->interpreters, &new);
}

void rules_clear_interpreters(struct rules *rules) {
        rules->interpreters.n = 0;
}

uint32_t rules_count(const struct rules *rules) {
        return rules ? rules->n_patterns : 0;
}

const char *rules_path(const struct rules *rules) {
        return rules ? rules->path : NULL;
}

static bool is_same_list(const struct list *a, const struct list *b) {
        return a->n == b->n && (a->n == 0 || memcmp(a->items, b->items, a->n * sizeof a->items[0]) == 0);
}

bool rules_is_same(const struct rules *a, const struct rules *b) {
        if (!a || !b)
                return a == b;
        return strcmp(a->path, b->path) == 0 && a->text_used == b->text_used &&
               memcmp(a->text, b->text, a->text_used) == 0 && is_same_list(&a->names, &b->names) &&
               is_same_list(&a->others, &b->others) && is_same_list(&a->interpreters, &b->interpreters);
}

static bool matches(const struct rules *rules, const struct pattern *pattern, struct component c) {
        const char *text = rules->text + pattern->text;
        size_t n = pattern->length;

        switch ((enum kind) pattern->kind) {
        case KIND_NAME:
                return c.length == n && memcmp(c.text, text, n) == 0;
        case KIND_PREFIX:
                return c.length >= n && memcmp(c.text, text, n) == 0;
        case KIND_SUFFIX:
                return c.length >= n && memcmp(c.text + c.length - n, text, n) == 0;
        case KIND_SUBSTRING:
                return memmem(c.text, c.length, text, n);
        }
        return false;
}

/* All that patterns are held against, in lower case. */
struct subject {
        struct component names[3];
        size_t n_names;
        struct component command_line;
        char comm[64], line[COMMAND_LINE_SIZE];
};

static bool is_interpreter(const struct rules *rules, struct component name) {
        for (uint32_t i = 0; i < rules->interpreters.n; i++)
                if (matches(rules, &rules->interpreters.items[i], name))
                        return true;
        return false;
}

static struct component last_component(struct component path) {
        struct component rest;

        return component_split_last(&path, '/', &rest) ? rest : path;
}

/* Takes the next argument off a command line. */
static struct component next_argument(struct component *line) {
        struct component argument = { line->text, strnlen(line->text, line->length) };
        size_t n = argument.length < line->length ? argument.length + 1 : argument.length;

        line->text += n;
        line->length -= n;
        return argument;
}

static void add_names(struct subject *subject, const struct rules *rules) {
        struct component comm = subject->names[0], rest = subject->command_line, argument, name;

        name = last_component(next_argument(&rest));
        if (comm.length >= COMM_LENGTH_MAX && name.length > comm.length &&
            memcmp(name.text, comm.text, comm.length) == 0)
                subject->names[subject->n_names++] = name;
        if (!is_interpreter(rules, comm))
                return;
        while (rest.length > 0) {
                argument = next_argument(&rest);
                name = last_component(argument);
                if (argument.length > 0 && argument.text[0] == '/' && name.length > 0) {
                        subject->names[subject->n_names++] = name;
                        return;
                }
        }
}

static struct component fold(char *dst, size_t size, const char *src, size_t n) {
        if (n > size)
                n = size;
        for (size_t i = 0; i < n; i++)
                dst[i] = lower(src[i]);
        return (struct component) { dst, n };
}

static void subject_init(struct subject *subject, const struct rules *rules, const char *comm,
                         const char *command_line, size_t length) {
        subject->names[0] = fold(subject->comm, sizeof subject->comm, comm, strlen(comm));
        subject->n_names = 1;
        subject->command_line = (struct component) { "", 0 };
        while (command_line && length > 0 && command_line[length - 1] == '\0')
                length--;
        if (!command_line || length == 0)
                return;
        subject->command_line = fold(subject->line, sizeof subject->line, command_line, length);
        add_names(subject, rules);
        for (size_t i = 0; i < subject->command_line.length; i++)
                if (subject->line[i] == '\0')
                        subject->line[i] = ' ';
}

static bool matches_any(const struct rules *rules, const struct pattern *pattern, const struct subject *subject) {
        for (size_t i = 0; i < subject->n_names; i++)
                if (matches(rules, pattern, subject->names[i]))
                        return true;
        return pattern->kind == KIND_SUBSTRING && matches(rules, pattern, subject->command_line);
}

bool rules_need_command_line(const struct rules *rules, const char *comm) {
        char folded[64];

        if (!rules || rules->n_patterns == 0)
                return false;
        return rules->n_substrings > 0 || strlen(comm) >= COMM_LENGTH_MAX ||
               is_interpreter(rules, fold(folded, sizeof folded, comm, strlen(comm)));
}

bool rules_find(const struct rules *rules, const char *comm, const char *command_line, size_t length,
                struct rules_match *ret_match) {
        const struct pattern *best = NULL, *found;
        struct subject subject;

        if (!rules || rules->n_patterns == 0)
                return false;
        subject_init(&subject, rules, comm, command_line, length);
        for (size_t i = 0; i < subject.n_names; i++) {
                found = find_name(rules, subject.names[i]);
                if (found && (!best || found->order < best->order))
                        best = found;
        }
        for (uint32_t i = 0; i < rules->others.n; i++) {
                found = &rules->others.items[i];
                if (best && best->order < found->order)
                        break;
                if (matches_any(rules, found, &subject)) {
                        best = found;
                        break;
                }
        }
        if (best)
                *ret_match = (struct rules_match) { rules->text + best->group, rules->path, best->line };
        return best;
}

bool rules_find_process(const struct rules *rules, const struct procfs *procfs, uint32_t pid, uint64_t start_time,
                        const char *comm, struct rules_match *ret_match) {
        char line[COMMAND_LINE_SIZE];
        int n = -ESRCH;

        if (rules_need_command_line(rules, comm))
                n = procfs_command_line(procfs, pid, start_time, line, sizeof line);
        return rules_find(rules, comm, n < 0 ? NULL : line, n < 0 ? 0 : (size_t) n, ret_match);
}
