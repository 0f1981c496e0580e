/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One tree can be mounted in several places; a line of the file is "... MOUNT ... - cgroup2 ...", see proc(5). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/identity/mount.h"

#define PATH_SIZE 1024

/* A backslash and three octal digits. */
static bool is_escape(const char *p) {
        return p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3];
}

/* Octal escapes for blanks, see proc(5). */
static void unescape(char *text) {
        char *to = text;

        for (const char *p = text; *p; to++)
                if (is_escape(p)) {
                        *to = (char) ((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
                        p += 4;
                } else
                        *to = *p++;
        *to = '\0';
}

/* systemd's own places win over other mounts of the same tree. */
static int mount_rank(const char *mount) {
        if (strcmp(mount, "/sys/fs/cgroup") == 0)
                return 3;
        return strcmp(mount, "/sys/fs/cgroup/unified") == 0 ? 2 : 1;
}

int mount_find_cgroups(const char *mountinfo_path, char *ret_mount, size_t size) {
        FILE *file = fopen(mountinfo_path, "re");
        char *line = NULL;
        size_t allocated = 0;
        int best = 0;

        if (!file)
                return -errno;
        while (getline(&line, &allocated, file) >= 0) {
                char mount[PATH_SIZE];
                const char *type = strstr(line, " - ");

                if (!type || strncmp(type, " - cgroup2 ", 11) != 0 ||
                    sscanf(line, "%*u %*u %*s %*s %1023s", mount) != 1)
                        continue;
                unescape(mount);
                if (mount_rank(mount) > best && strlen(mount) < size) {
                        best = mount_rank(mount);
                        strcpy(ret_mount, mount);
                }
        }
        free(line);
        fclose(file);
        return best ? 0 : -ENOENT;
}
