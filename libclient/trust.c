/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a segment's file before it is mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libclient/attach.h"
#include "libclient/trust.h"

#define DAEMON_USER "socktally"
#define REQUIRED_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

/* The uid of the daemon's user, from /etc/passwd, where sysusers puts it. Not getpwnam(): that may load modules, ask
 * the network and block. */
static bool is_daemon_user(uid_t uid) {
        char line[1024];
        FILE *file = fopen("/etc/passwd", "re");
        bool is_found = false;

        if (!file)
                return false;
        while (!is_found && fgets(line, sizeof(line), file)) {
                const char *password = line + strlen(DAEMON_USER) + 1, *number;

                if (strncmp(line, DAEMON_USER ":", strlen(DAEMON_USER) + 1) != 0)
                        continue;
                number = strchr(password, ':');
                is_found = number && strtoul(number + 1, NULL, 10) == uid;
        }
        fclose(file);
        return is_found;
}

static int refuse(char *reason, int error, const char *text) {
        if (reason)
                snprintf(reason, ATTACH_REASON_SIZE, "%s", text);
        return error;
}

int stly_trust_file(int fd, bool is_any_owner, uint64_t *ret_size, dev_t *ret_device, ino_t *ret_inode, char *reason) {
        struct stat st;
        int seals;

        if (fstat(fd, &st) < 0)
                return refuse(reason, -errno, "cannot look at it");
        if (!S_ISREG(st.st_mode))
                return refuse(reason, -EPROTO, "it is not a regular file");
        /* A file on tmpfs has seals too, but never these. A sealed memfd is safe whoever made it; who that was
         * cannot be seen from inside a user namespace, where root is nobody. */
        seals = fcntl(fd, F_GET_SEALS);
        if (!is_any_owner && (seals < 0 || (seals & REQUIRED_SEALS) != REQUIRED_SEALS)) {
                if (st.st_nlink == 0 && seals >= 0 && !(seals & F_SEAL_SEAL))
                        return refuse(reason, -EACCES, "it is a memfd that is not sealed against changes of its size");
                if (st.st_mode & (S_IWGRP | S_IWOTH))
                        return refuse(reason, -EACCES, "others than its owner may write it");
                if (st.st_uid != 0 && st.st_uid != geteuid() && !is_daemon_user(st.st_uid))
                        return refuse(reason, -EACCES, "its owner is neither root nor user " DAEMON_USER " nor you");
        }
        /* Loading from a hole allocates memory, and where there is none it is SIGBUS. */
        if (seals >= 0 && (uint64_t) st.st_blocks * 512 < (uint64_t) st.st_size)
                return refuse(reason, -EPROTO, "it has holes");
        *ret_size = (uint64_t) st.st_size;
        *ret_device = st.st_dev;
        *ret_inode = st.st_ino;
        return 0;
}
