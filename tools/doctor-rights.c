/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the caller and the daemon may do where they run: capabilities, namespace, limits, and what /proc shows them. */
#include <dirent.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/doctor.h"

#define DAEMON_NAME "socktallyd"
#define SERVICE_GROUP "socktally"

/* A file of a process; pid 0: of the caller. NULL with errno set. */
static FILE *open_file(const char *root, pid_t pid, const char *name) {
        char path[PATH_MAX];

        if (pid == 0)
                (void)snprintf(path, sizeof(path), "%s/proc/self/%s", root, name);
        else
                (void)snprintf(path, sizeof(path), "%s/proc/%d/%s", root, (int)pid, name);
        return fopen(path, "re");
}

/* Reads with one conversion from the first line that fits. */
static bool scan(const char *root, pid_t pid, const char *name, const char *format, void *ret_value) {
        FILE *file = open_file(root, pid, name);
        bool is_found = false;
        char line[256];

        while (file && !is_found && fgets(line, sizeof(line), file))
                is_found = sscanf(line, format, ret_value) == 1;
        if (file)
                (void)fclose(file);
        return is_found;
}

static const struct {
        unsigned number;
        const char *name;
        bool is_vital;
} wanted[] = {
        { CAP_BPF, "CAP_BPF", true }, { CAP_PERFMON, "CAP_PERFMON", true }, { CAP_NET_ADMIN, "CAP_NET_ADMIN", false },
};

/* Names what is missing; returns how many of them nothing works without. */
static int name_missing(unsigned long long capabilities, char *ret_names, size_t size) {
        size_t used = 0;
        int n = 0;

        ret_names[0] = '\0';
        if (capabilities & 1ULL << CAP_SYS_ADMIN)
                return 0;
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
                if (capabilities & 1ULL << wanted[i].number)
                        continue;
                n += wanted[i].is_vital;
                used += (size_t)snprintf(ret_names + used, size - used, "%s%s", used ? " " : "", wanted[i].name);
        }
        return n;
}

void doctor_capabilities(struct findings *findings, const char *root, pid_t daemon) {
        unsigned long long capabilities = 0;
        char names[128];
        int n_vital;

        if (!scan(root, 0, "status", "CapEff: %llx", &capabilities))
                finding_add(findings, FINDING_WARNING, "own capabilities", "mount /proc", "they cannot be read");
        else if (name_missing(capabilities, names, sizeof(names)) > 0)
                finding_add(findings, FINDING_OK, "own capabilities", NULL,
                            "enough to read; a daemon would also need %s", names);
        else
                finding_add(findings, FINDING_OK, "own capabilities", NULL, "enough to run a daemon");
        if (daemon == 0)
                return;
        if (!scan(root, daemon, "status", "CapEff: %llx", &capabilities)) {
                finding_add(findings, FINDING_WARNING, "capabilities", NULL, "those of the daemon cannot be read");
                return;
        }
        n_vital = name_missing(capabilities, names, sizeof(names));
        if (names[0] == '\0')
                finding_add(findings, FINDING_OK, "capabilities", NULL, "the daemon has all that counting wants");
        else
                finding_add(findings, n_vital > 0 ? FINDING_PROBLEM : FINDING_WARNING, "capabilities",
                            "see AmbientCapabilities= with 'systemctl cat socktally'", "the daemon is without %s%s",
                            names, n_vital > 0 ? "" : ", UDP costs more");
}

/* The machine's own maps every user; the kernel looks for capabilities there when programs are loaded. */
static void check_user_namespace(struct findings *findings, const char *root, pid_t daemon) {
        unsigned long long n_users = 0;
        bool is_known = scan(root, daemon, "uid_map", "%*u %*u %llu", &n_users);

        if (!is_known)
                finding_add(findings, FINDING_INFO, "user namespace", NULL, "not known: uid_map cannot be read");
        else if (n_users < UINT_MAX)
                finding_add(findings, FINDING_PROBLEM, "user namespace",
                            "run it on the host, or in a container without a user namespace",
                            "%s in one of its own: there the kernel loads no programs (Operation not permitted), "
                            "whatever the capabilities", daemon ? "the daemon is" : "this is");
        else
                finding_add(findings, FINDING_OK, "user namespace", NULL, "%s in the machine's own",
                            daemon ? "the daemon is" : "this is");
}

static void check_locked_memory(struct findings *findings, const char *root, pid_t daemon) {
        char limit[32];

        if (!scan(root, daemon, "limits", "Max locked memory %31s", limit))
                finding_add(findings, FINDING_INFO, "locked memory", NULL, "the limit cannot be read");
        else
                finding_add(findings, FINDING_OK, "locked memory", NULL, "%s%s", limit,
                            strcmp(limit, "unlimited") == 0 ? "" :
                            " bytes; no matter, as Linux 5.11 and later do not charge tables to that");
}

static bool is_group_of_service(const char *root, const char *gid) {
        char path[PATH_MAX], line[1024], number[32];
        bool is_it = false;
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/etc/group", root);
        file = fopen(path, "re");
        while (file && !is_it && fgets(line, sizeof(line), file))
                is_it = sscanf(line, SERVICE_GROUP ":%*[^:]:%31[0-9]", number) == 1 && strcmp(number, gid) == 0;
        if (file)
                (void)fclose(file);
        return is_it;
}

/* proc(5): hidepid= is a number or a word, gid= the group from which nothing is hidden. */
static void check_hidepid(struct findings *findings, const char *root) {
        char options[512] = "", line[1024], gid[32] = "0", *hidden, *group;
        FILE *mounts = open_file(root, 0, "mounts");

        while (mounts && fgets(line, sizeof(line), mounts))
                (void)sscanf(line, "%*s /proc proc %511s", options);
        if (mounts)
                (void)fclose(mounts);
        hidden = strstr(options, "hidepid=");
        group = strstr(options, "gid=");
        if (group)
                (void)sscanf(group, "gid=%31[0-9]", gid);
        if (!hidden || hidden[8] == '0' || strncmp(hidden + 8, "off", 3) == 0)
                finding_add(findings, FINDING_OK, "hidepid", NULL, "everybody sees all processes in /proc");
        else if (is_group_of_service(root, gid))
                finding_add(findings, FINDING_OK, "hidepid", NULL,
                            "/proc hides processes of others, but not from group " SERVICE_GROUP);
        else
                finding_add(findings, FINDING_WARNING, "hidepid",
                            "mount -o remount,gid=" SERVICE_GROUP " /proc, and in /etc/fstab",
                            "/proc hides processes of others from the service: their names may be missing");
}

static bool is_daemon(const char *root, pid_t pid) {
        char comm[32];

        return scan(root, pid, "comm", "%31s", comm) && strcmp(comm, DAEMON_NAME) == 0;
}

/* A child of the daemon has its name, too. */
static void check_others(struct findings *findings, const char *root, pid_t daemon) {
        char path[PATH_MAX];
        struct dirent *entry;
        bool is_alone = true;
        DIR *processes;

        (void)snprintf(path, sizeof(path), "%s/proc", root);
        processes = opendir(path);
        while (processes && (entry = readdir(processes))) {
                pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
                int parent = 0;

                if (pid <= 0 || pid == daemon || !is_daemon(root, pid) ||
                    (scan(root, pid, "status", "PPid: %d", &parent) && is_daemon(root, parent)))
                        continue;
                is_alone = false;
                finding_add(findings, FINDING_WARNING, "other daemons",
                            daemon ? "end the one that is not the service, unless it is that of a container" :
                            "see its journal, or start the service instead",
                            daemon ? "PID %d runs too: each counts for itself, and costs for itself" :
                            "PID %d runs, but is not on the bus", (int)pid);
        }
        if (processes)
                (void)closedir(processes);
        if (is_alone)
                finding_add(findings, FINDING_OK, "other daemons", NULL, "none");
}

void doctor_surroundings(struct findings *findings, const char *root, pid_t daemon) {
        check_user_namespace(findings, root, daemon);
        check_locked_memory(findings, root, daemon);
        check_hidepid(findings, root);
        check_others(findings, root, daemon);
}
