/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel and its policy allow. Files say what is set, but only an attempt says what is allowed: the daemon's
 * own program makes it, in its own process, with the same code that counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/doctor.h"

#ifndef SBINDIR
#define SBINDIR "/usr/sbin"
#endif

#define LEAST_MAJOR 5
#define LEAST_MINOR 11

int doctor_read_line(const char *root, const char *path, char *ret_line, size_t size) {
        char full[PATH_MAX];
        FILE *file;
        int r = 0;

        (void)snprintf(full, sizeof(full), "%s%s", root, path);
        file = fopen(full, "re");
        if (!file)
                return -errno;
        if (!fgets(ret_line, (int)size, file))
                r = -ENODATA;
        else
                ret_line[strcspn(ret_line, "\n")] = '\0';
        (void)fclose(file);
        return r;
}

static void check_version(struct findings *findings, const char *root) {
        unsigned major = 0, minor = 0;
        char line[128];
        int r = doctor_read_line(root, "/proc/sys/kernel/osrelease", line, sizeof(line));

        if (r < 0)
                finding_add(findings, FINDING_WARNING, "kernel", "mount /proc", "its version cannot be read: %s",
                            strerror(-r));
        else if (sscanf(line, "%u.%u", &major, &minor) == 2 &&
                 (major < LEAST_MAJOR || (major == LEAST_MAJOR && minor < LEAST_MINOR)))
                finding_add(findings, FINDING_PROBLEM, "kernel", "run Linux 5.11 or later", "Linux %s is too old",
                            line);
        else
                finding_add(findings, FINDING_OK, "kernel", NULL, "Linux %s", line);
}

static void check_btf(struct findings *findings, const char *root) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/sys/kernel/btf/vmlinux", root);
        if (access(path, R_OK) == 0)
                finding_add(findings, FINDING_OK, "BTF", NULL, "the kernel describes its types");
        else
                finding_add(findings, FINDING_PROBLEM, "BTF",
                            "mount /sys, or run a kernel built with CONFIG_DEBUG_INFO_BTF=y",
                            "/sys/kernel/btf/vmlinux: %s", strerror(errno));
}

/* "none [integrity] confidentiality": the one in brackets is in force. */
static void check_lockdown(struct findings *findings, const char *root) {
        char line[128], *mode;
        int r = doctor_read_line(root, "/sys/kernel/security/lockdown", line, sizeof(line));

        if (r < 0) {
                finding_add(findings, FINDING_INFO, "lockdown", NULL, "not known: /sys/kernel/security/lockdown: %s",
                            strerror(-r));
                return;
        }
        mode = strchr(line, '[');
        mode = mode ? mode + 1 : line;
        mode[strcspn(mode, "]")] = '\0';
        if (strcmp(mode, "confidentiality") == 0)
                finding_add(findings, FINDING_WARNING, "lockdown",
                            "if no attach method works, boot with lockdown=integrity",
                            "confidentiality: programs may not be allowed to read kernel memory");
        else
                finding_add(findings, FINDING_OK, "lockdown", NULL, "%s", mode);
}

/* The directory is there on each kernel that traces, mounted or not. */
static void check_tracing(struct findings *findings, const char *root) {
        char path[PATH_MAX], line[32];
        int r = doctor_read_line(root, "/proc/sys/kernel/ftrace_enabled", line, sizeof(line));

        (void)snprintf(path, sizeof(path), "%s/sys/kernel/tracing", root);
        if (access(path, F_OK) < 0)
                finding_add(findings, FINDING_PROBLEM, "tracing",
                            "run a kernel built with CONFIG_FTRACE=y and CONFIG_BPF_EVENTS=y",
                            "this kernel cannot trace: there is nothing to attach to");
        else if (r < 0)
                finding_add(findings, FINDING_WARNING, "tracing",
                            "if no attach method works, run Linux 6.3 or later, or a kernel built with "
                            "CONFIG_FUNCTION_TRACER=y",
                            "this kernel cannot trace functions: nothing can be attached by trampoline");
        else if (strcmp(line, "0") == 0)
                finding_add(findings, FINDING_WARNING, "tracing", "sysctl kernel.ftrace_enabled=1",
                            "kernel.ftrace_enabled is 0: what is attached by trampoline counts nothing");
        else
                finding_add(findings, FINDING_OK, "tracing", NULL, "the kernel traces tracepoints and functions");
}

static void check_unprivileged(struct findings *findings, const char *root) {
        char line[32];
        int r = doctor_read_line(root, "/proc/sys/kernel/unprivileged_bpf_disabled", line, sizeof(line));

        if (r < 0)
                finding_add(findings, FINDING_INFO, "unprivileged BPF", NULL, "not known: %s", strerror(-r));
        else if (strcmp(line, "0") == 0)
                finding_add(findings, FINDING_WARNING, "unprivileged BPF",
                            "nothing here needs that: sysctl kernel.unprivileged_bpf_disabled=2",
                            "every user may load programs into the kernel");
        else
                finding_add(findings, FINDING_OK, "unprivileged BPF", NULL, "disabled (%s); the daemon is privileged",
                            line);
}

static void check_statistics(struct findings *findings, const char *root) {
        char line[32];
        int r = doctor_read_line(root, "/proc/sys/kernel/bpf_stats_enabled", line, sizeof(line));

        if (r < 0)
                finding_add(findings, FINDING_INFO, "statistics", NULL, "not known: %s", strerror(-r));
        else if (strcmp(line, "0") == 0)
                finding_add(findings, FINDING_INFO, "statistics",
                            "sysctl kernel.bpf_stats_enabled=1 for as long as the cost is looked at",
                            "off: events and their cost are unknown in 'socktally modules'");
        else
                finding_add(findings, FINDING_INFO, "statistics", "sysctl kernel.bpf_stats_enabled=0 when done",
                            "on: each event costs a little more");
}

static void check_cgroups(struct findings *findings, const char *root) {
        char path[PATH_MAX], line[4096], type[64];
        bool is_found = false;
        FILE *mounts;

        (void)snprintf(path, sizeof(path), "%s/proc/self/mounts", root);
        mounts = fopen(path, "re");
        while (mounts && !is_found && fgets(line, sizeof(line), mounts))
                is_found = sscanf(line, "%*s %*s %63s", type) == 1 && strcmp(type, "cgroup2") == 0;
        if (mounts)
                (void)fclose(mounts);
        if (is_found)
                finding_add(findings, FINDING_OK, "cgroups", NULL, "cgroup v2 is mounted");
        else
                finding_add(findings, FINDING_WARNING, "cgroups",
                            "boot with systemd.unified_cgroup_hierarchy=1, or mount cgroup2",
                            "cgroup v2 is not mounted: services may not be told apart, and UDP costs more");
}

void doctor_kernel(struct findings *findings, const char *root) {
        check_version(findings, root);
        check_btf(findings, root);
        check_tracing(findings, root);
        check_lockdown(findings, root);
        check_unprivileged(findings, root);
        check_statistics(findings, root);
        check_cgroups(findings, root);
}

/* Its standard output, or NULL with errno set. */
static FILE *start_daemon(pid_t *ret_pid) {
        static const char *const arguments[] = { "socktallyd", "--check", NULL };
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return NULL;
        *ret_pid = fork();
        if (*ret_pid == 0) {
                if (dup2(fds[1], STDOUT_FILENO) < 0)
                        _exit(126);
                (void)execvp(arguments[0], (char **)arguments);
                (void)execv(SBINDIR "/socktallyd", (char **)arguments);
                _exit(127);
        }
        (void)close(fds[1]);
        if (*ret_pid > 0)
                return fdopen(fds[0], "re");
        (void)close(fds[0]);
        return NULL;
}

#define MAX_METHODS 8

struct method {
        char name[64], verdict[8], reason[512];
};

/* Negative: it could not be run. ret_rights: with whose it was tried, or empty. */
static int try_methods(struct method methods[static MAX_METHODS], char ret_rights[static 256]) {
        char line[1024];
        int n = 0, status = 0;
        pid_t pid = -1;
        FILE *output = start_daemon(&pid);

        if (!output)
                return -errno;
        while (n < MAX_METHODS && fgets(line, sizeof(line), output)) {
                struct method *method = &methods[n];

                method->reason[0] = '\0';
                line[strcspn(line, "\n")] = '\0';
                (void)sscanf(line, "rights\t%255[^\n]", ret_rights);
                n += sscanf(line, "attach-method\t%63[^\t]\t%7[^\t]\t%511[^\n]", method->name, method->verdict,
                            method->reason) >= 2;
        }
        (void)fclose(output);
        if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
                return n > 0 ? n : -ENOENT;
        return n;
}

/* Instructions of one call that sends or receives, Linux 6.12; tests/bench/cost.md. */
static const char *cost_of(const char *method) {
        if (strcmp(method, "tracepoint") == 0)
                return "; adds some 210 instructions to a call on TCP or UDP, 110 on AF_UNIX and all others";
        if (strcmp(method, "trampoline") == 0)
                return "; adds some 310 instructions to a call on TCP or UDP, none on others";
        return "";
}

static bool works(const struct method *method) {
        return strcmp(method->verdict, "yes") == 0;
}

/* The collector names the method in front of its reason, and so does the finding. */
static const char *reason_of(const struct method *method) {
        size_t length = strlen(method->name);
        bool is_named = strncmp(method->reason, method->name, length) == 0 &&
                        strncmp(method->reason + length, ": ", 2) == 0;

        return is_named ? method->reason + length + 2 : method->reason;
}

/* other: the name of a method that works; NULL: none does. */
static void add_method(struct findings *findings, const struct method *method, const char *other) {
        const char *reason = reason_of(method);
        char what[96];

        (void)snprintf(what, sizeof(what), "attach method %s", method->name);
        if (works(method) && !*reason)
                finding_add(findings, FINDING_OK, what, NULL, "works%s", cost_of(method->name));
        else if (works(method))
                finding_add(findings, FINDING_INFO, what, NULL, "works, with less than usual: %s%s", reason,
                            cost_of(method->name));
        else if (other)
                finding_add(findings, FINDING_INFO, what, NULL, "cannot be used here: %s; not needed, as %s works",
                            reason, other);
        else
                finding_add(findings, FINDING_PROBLEM, what,
                            "one method has to work: see kernel, BTF, tracing, lockdown and user namespace",
                            "cannot be used here: %s", reason);
}

static void add_methods(struct findings *findings, const struct method methods[], int n) {
        const char *working = NULL;

        for (int i = n - 1; i >= 0; i--)
                if (works(&methods[i]))
                        working = methods[i].name;
        for (int i = 0; i < n; i++)
                add_method(findings, &methods[i], working);
}

/* Methods in force, as the running daemon says. */
static bool name_methods(const struct patient *patient, char *ret_names, size_t size) {
        size_t used = 0;

        ret_names[0] = '\0';
        for (size_t i = 0; patient->is_there && i < patient->control.n_objects && used < size; i++) {
                const struct control_object *object = &patient->control.objects[i];
                const char *method = property_text(&object->properties, "AttachMethod");

                if (object->kind == CONTROL_MODULE && method && *method)
                        used += (size_t)snprintf(ret_names + used, size - used, "%s%s by %s", used ? ", " : "",
                                                 object->name, method);
        }
        return used > 0;
}

void doctor_methods(struct findings *findings, const struct patient *patient) {
        struct method methods[MAX_METHODS];
        char names[256], rights[256] = "";
        int n = 0;

        if (name_methods(patient, names, sizeof(names)))
                finding_add(findings, FINDING_OK, "attached", NULL, "%s", names);
        if (geteuid() != 0) {
                finding_add(findings, *names ? FINDING_INFO : FINDING_WARNING, "attach methods",
                            "run 'socktally doctor' as root to try each", "not tried, only root may");
                return;
        }
        n = try_methods(methods, rights);
        if (*rights)
                finding_add(findings, FINDING_OK, "rights to attach", NULL, "%s", rights);
        if (n <= 0)
                finding_add(findings, FINDING_WARNING, "attach methods", "install socktallyd or put it into PATH",
                            "not tried: 'socktallyd --check' cannot be run");
        else
                add_methods(findings, methods, n);
}
