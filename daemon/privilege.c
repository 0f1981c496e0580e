/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this process may do, and who may read what it publishes. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
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

static bool has_capability(const struct __user_cap_data_struct data[], unsigned number) {
        return data[number / 32].effective & UINT32_C(1) << number % 32;
}

int privilege_missing(char *ret_names, size_t size) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
        size_t used = 0;
        int n = 0;

        ret_names[0] = '\0';
        if (syscall(SYS_capget, &header, data) < 0 || has_capability(data, CAP_SYS_ADMIN))
                return 0;
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
                if (has_capability(data, wanted[i].number))
                        continue;
                n += wanted[i].is_vital;
                if (used < size)
                        used += (size_t) snprintf(ret_names + used, size - used, "%s%s", used ? " " : "",
                                                  wanted[i].name);
        }
        return n;
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
