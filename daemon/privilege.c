/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this process may do, and who may read what it publishes. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/privilege.h"

/* Each with what it is for; socktally.service grants these and says so. CAP_SYS_ADMIN includes all of them. */
static const struct {
        unsigned number;
        const char *name;
        bool is_vital;
} wanted[] = {
        { CAP_BPF, "CAP_BPF", true },              /* load programs and maps */
        { CAP_PERFMON, "CAP_PERFMON", true },      /* attach to tracepoints, read kernel memory in programs */
        { CAP_NET_ADMIN, "CAP_NET_ADMIN", false }, /* attach to the release of sockets; without it UDP costs more */
};

#define N_WANTED (sizeof wanted / sizeof wanted[0])

static uint64_t read_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

        if (syscall(SYS_capget, &header, data) < 0)
                return UINT64_MAX; /* unknown; the kernel will tell */
        return data[0].effective | (uint64_t) data[1].effective << 32;
}

static void name_capabilities(uint64_t capabilities, char *ret_names, size_t size) {
        size_t used = 0;

        ret_names[0] = '\0';
        for (size_t i = 0; i < N_WANTED && used < size; i++)
                if (capabilities & UINT64_C(1) << wanted[i].number)
                        used += (size_t) snprintf(ret_names + used, size - used, "%s%s", used ? " " : "",
                                                  wanted[i].name);
}

int privilege_missing(char *ret_names, size_t size) {
        uint64_t held = read_capabilities();
        int n = 0;

        if (held & UINT64_C(1) << CAP_SYS_ADMIN)
                held = UINT64_MAX;
        name_capabilities(~held, ret_names, size);
        for (size_t i = 0; i < N_WANTED; i++)
                n += wanted[i].is_vital && !(held & UINT64_C(1) << wanted[i].number);
        return n;
}

void privilege_held(char *ret_names, size_t size) {
        name_capabilities(read_capabilities(), ret_names, size);
}

static int find_user(const char *passwd_path, const char *user, uid_t *ret_uid, gid_t *ret_gid) {
        FILE *file = fopen(passwd_path, "re");
        struct passwd *entry;
        int r = -ENOENT;

        if (!file)
                return -errno;
        while (r < 0 && (entry = fgetpwent(file)))
                if (strcmp(entry->pw_name, user) == 0) {
                        *ret_uid = entry->pw_uid;
                        *ret_gid = entry->pw_gid;
                        r = 0;
                }
        fclose(file);
        return r;
}

/* Gives up all capabilities but those in wanted[] that are in held. In the ambient set they stay with programs that
 * this process executes. */
static int keep_wanted(uint64_t held) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

        for (size_t i = 0; i < N_WANTED; i++) {
                uint32_t bit = UINT32_C(1) << wanted[i].number % 32;
                struct __user_cap_data_struct *word = &data[wanted[i].number / 32];

                if (!(held & UINT64_C(1) << wanted[i].number))
                        continue;
                word->effective |= bit;
                word->permitted |= bit;
                word->inheritable |= bit;
        }
        if (syscall(SYS_capset, &header, data) < 0)
                return -errno;
        for (size_t i = 0; i < N_WANTED; i++)
                if (held & UINT64_C(1) << wanted[i].number &&
                    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, wanted[i].number, 0, 0) < 0)
                        return -errno;
        return 0;
}

int privilege_become(const char *passwd_path, const char *user) {
        uint64_t held = read_capabilities();
        uid_t uid = 0;
        gid_t gid = 0;
        int r = find_user(passwd_path, user, &uid, &gid);

        if (r < 0)
                return r;
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
            setresuid(uid, uid, uid) < 0)
                return -errno;
        r = keep_wanted(held);
        /* As after execve(): else the files in its own /proc directory would be root's. */
        if (r >= 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0))
                r = -errno;
        return r;
}

int privilege_group(const char *group_path, const char *name, gid_t *ret_gid) {
        FILE *file = fopen(group_path, "re");
        struct group *group;
        int r = -ENOENT;

        if (!file)
                return -errno;
        while (r < 0 && (group = fgetgrent(file)))
                if (strcmp(group->gr_name, name) == 0) {
                        *ret_gid = group->gr_gid;
                        r = 0;
                }
        fclose(file);
        return r;
}
