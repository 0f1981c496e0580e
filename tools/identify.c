/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules are those of daemon/identity/, applied here. So this works without the daemon, and for a path that is on
 * another machine.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "daemon/identity/component.h"
#include "daemon/identity/identity.h"
#include "daemon/identity/procfs.h"
#include "daemon/identity/rules.h"
#include "tools/identify.h"
#include "tools/json.h"
#include "tools/namer.h"
#include "tools/rules.h"
#include "tools/units.h"
#include "tools/untrusted.h"

#define RULE_SOURCE_SIZE (PATH_MAX + 16)
#define MOUNT "/sys/fs/cgroup" /* a path may be given with it in front */

struct subject {
        uint32_t pid;       /* 0: a path was given */
        char path[PATH_MAX];
        struct identity identity;
        struct rules_match match; /* without a group: no rule of the administrator says anything */
};

static bool is_root(const char *path) {
        return strcmp(path, "/") == 0;
}

/* Version 2 counts, unless it has the process in its root: then systemd's own hierarchy of version 1 may know more. */
static int read_path(const struct procfs *procfs, uint32_t pid, char *ret_path, size_t size) {
        char other[PATH_MAX];
        int r = procfs_cgroup(procfs, pid, 0, "", ret_path, size);

        if ((r == -ENOENT || (r >= 0 && is_root(ret_path))) &&
            procfs_cgroup(procfs, pid, 0, "name=systemd", other, sizeof(other)) >= 0) {
                (void)snprintf(ret_path, size, "%s", other);
                r = 0;
        }
        return r;
}

/* A thread of the kernel is in the root of all cgroups, is called after that, and no rule is for it. */
static void name_process(struct subject *subject, const struct procfs *procfs, const struct rules *rules) {
        char name[PROCFS_NAME_SIZE];
        int r = procfs_name(procfs, subject->pid, name);

        if (r != 0)
                return;
        if (is_root(subject->path))
                app_from_program(name, &subject->identity);
        if (rules_find_process(rules, procfs, subject->pid, 0, name, &subject->match))
                app_from_group(subject->match.group, &subject->identity);
}

static int read_process(struct subject *subject, struct namer *namer, const struct rules *rules) {
        struct procfs procfs = PROCFS_NULL;
        int r = procfs_open(&procfs, "/proc");

        if (r >= 0)
                r = read_path(&procfs, subject->pid, subject->path, sizeof(subject->path));
        if (r >= 0) {
                identity_from_path(subject->path, namer_ask, namer, &subject->identity);
                name_process(subject, &procfs, rules);
        }
        procfs_close(&procfs);
        return r;
}

static enum exit_status take_pid(struct subject *subject, struct namer *namer, const struct rules *rules,
                                 const char *argument) {
        uint64_t pid;
        int r;

        if (units_parse_number(argument, INT32_MAX, &pid) < 0 || pid == 0)
                return options_refuse("identify: '%s' is no PID (1 to %d), and no path, which begins with '/'",
                                      argument, INT32_MAX);
        subject->pid = (uint32_t)pid;
        r = read_process(subject, namer, rules);
        if (r == -ESRCH)
                warnx("there is no process %" PRIu32 ", or it is hidden here (/proc mounted with hidepid=)",
                      subject->pid);
        else if (r < 0)
                warnx("cannot find the cgroup of process %" PRIu32 ": %s", subject->pid, strerror(-r));
        return r < 0 ? STATUS_FAILED : STATUS_DONE;
}

static enum exit_status take_path(struct subject *subject, struct namer *namer, const char *argument) {
        size_t n = strlen(MOUNT);

        if (strncmp(argument, MOUNT, n) == 0 && (argument[n] == '/' || argument[n] == '\0'))
                argument += n;
        if (strlen(argument) >= sizeof(subject->path))
                return options_refuse("identify: a path has at most %d bytes, this one %zu", PATH_MAX - 1,
                                      strlen(argument));
        (void)snprintf(subject->path, sizeof(subject->path), "%s", *argument ? argument : "/");
        identity_from_path(subject->path, namer_ask, namer, &subject->identity);
        return STATUS_DONE;
}

static enum exit_status find(struct subject *ret_subject, struct namer *namer, const struct rules *rules,
                             const char *argument) {
        *ret_subject = (struct subject){ .pid = 0 };
        return argument[0] == '/' ? take_path(ret_subject, namer, argument)
                                  : take_pid(ret_subject, namer, rules, argument);
}

static void put(struct json_object *object, const char *key, const char *value) {
        (void)json_object_object_add(object, key, value[0] ? json_object_new_string(value) : NULL);
}

/* The library takes only UTF-8, and a path is bytes. */
static void put_path(struct json_object *object, const struct subject *subject) {
        char path[PATH_MAX];

        component_copy((struct component){ subject->path, strlen(subject->path) }, path, sizeof(path));
        put(object, "cgroup", path);
}

/* FILE:LINE of the administrator's rule; "": none says anything. */
static const char *rule_source(const struct subject *subject, char text[static RULE_SOURCE_SIZE]) {
        text[0] = '\0';
        if (subject->match.group)
                (void)snprintf(text, RULE_SOURCE_SIZE, "%s:%u", subject->match.path, subject->match.line);
        return text;
}

static void put_number(struct json_object *object, const char *key, uint32_t number, bool is_known) {
        (void)json_object_object_add(object, key, is_known ? json_object_new_int64(number) : NULL);
}

static enum exit_status print_json(const struct subject *subject) {
        const struct identity *identity = &subject->identity;
        struct json_object *object = json_object_new_object();
        char container[CONTAINER_ID_SIZE], source[RULE_SOURCE_SIZE];

        container_name(&identity->container, container);
        put_number(object, "pid", subject->pid, subject->pid != 0);
        put_path(object, subject);
        put(object, "app", identity->app.id);
        put(object, "app_kind", identity_kind(identity));
        put(object, "display_name", identity->app.name);
        put(object, "service", identity->unit.name);
        if (!identity->unit.name[0])
                put(object, "service_scope", "");
        else if (identity->unit.uid == UNIT_SYSTEM)
                put(object, "service_scope", "system");
        else
                put_number(object, "service_scope", identity->unit.uid, true);
        put_number(object, "owner", identity->unit.owner, identity->unit.owner != UNIT_SYSTEM);
        put(object, "slice", identity->unit.slice);
        put(object, "container", container);
        put(object, "container_name", identity->container.name);
        put(object, "container_id", identity->container.id);
        put(object, "container_runtime", identity->container.runtime);
        put(object, "pod", identity->container.pod);
        put(object, "rule", identity->app.rule);
        put(object, "rule_source", rule_source(subject, source));
        return json_print(object, true);
}

static void print_line(const char *label, const char *value) {
        char text[4 * PATH_MAX];

        if (value[0])
                (void)printf("%12s: %s\n", label, untrusted_printable(text, sizeof(text), value));
}

static void print_text(const struct subject *subject) {
        const struct identity *identity = &subject->identity;
        char text[CONTAINER_ID_SIZE + CONTAINER_RUNTIME_SIZE + 32], source[RULE_SOURCE_SIZE];

        print_line("Name", identity->app.name);
        print_line("App", identity->app.id);
        print_line("Kind", identity_kind(identity));
        print_line("Service", identity->unit.name);
        if (identity->unit.name[0] && identity->unit.uid != UNIT_SYSTEM) {
                (void)snprintf(text, sizeof(text), "user %" PRIu32, identity->unit.uid);
                print_line("Manager", text);
        } else if (identity->unit.name[0])
                print_line("Manager", "system");
        if (identity->unit.owner != UNIT_SYSTEM) {
                (void)snprintf(text, sizeof(text), "user %" PRIu32 " can give any name to cgroups here",
                               identity->unit.owner);
                print_line("Owner", text);
        }
        print_line("Slice", identity->unit.slice);
        print_line("Container", identity->container.id);
        print_line("Called", identity->container.name);
        print_line("Runtime", identity->container.runtime);
        print_line("Pod", identity->container.pod);
        print_line("Cgroup", subject->path);
        print_line("By", identity->app.rule);
        print_line("Rule", rule_source(subject, source));
}

enum exit_status identify_run(const struct options *options) {
        struct namer namer = NAMER_NULL;
        enum exit_status worst = STATUS_DONE;
        struct rules *rules;

        if (rules_command_read(options->rules_path, &rules) < 0)
                return STATUS_FAILED;
        for (size_t i = 0; i < options->n_arguments; i++) {
                struct subject subject;
                enum exit_status status = find(&subject, &namer, rules, options->arguments[i]);

                if (status == STATUS_DONE && options->is_json)
                        status = print_json(&subject);
                else if (status == STATUS_DONE) {
                        if (i > 0)
                                (void)putchar('\n');
                        print_text(&subject);
                }
                if (status > worst)
                        worst = status;
        }
        (void)rules_free(rules);
        namer_done(&namer);
        return worst;
}
