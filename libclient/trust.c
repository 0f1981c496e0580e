/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a segment's file before it is mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

static bool is_known_user(uid_t uid) {
        return uid == 0 || uid == geteuid() || is_daemon_user(uid);
}

static bool read_numbers(const char *path, unsigned int ret_numbers[static 3], int n) {
        FILE *file = fopen(path, "re");
        int found = file ? fscanf(file, "%u %u %u", &ret_numbers[0], &ret_numbers[1], &ret_numbers[2]) : 0;

        if (file)
                fclose(file);
        return found >= n;
}

/* In a user namespace of its own a process sees all users of the machine that are not mapped into it, root among them,
 * as one (user_namespaces(7), "unmapped user and group IDs"). */
static bool is_outside_of_namespace(uid_t uid) {
        unsigned int overflow[3], map[3];

        return read_numbers("/proc/sys/kernel/overflowuid", overflow, 1) && uid == overflow[0] &&
               read_numbers("/proc/self/uid_map", map, 3) && map[2] != UINT32_MAX;
}

/* The kernel notes who called listen(): systemd, or the daemon itself. Where that cannot be told from inside a user
 * namespace, the socket's place answers for it: it was put there by root, or by ourselves. */
bool stly_trust_peer(int fd) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
               (is_known_user(peer.uid) || is_outside_of_namespace(peer.uid));
}

static int refuse(char *reason, int error, const char *text) {
        if (reason)
                snprintf(reason, ATTACH_REASON_SIZE, "%s", text);
        return error;
}

int stly_trust_file(int fd, unsigned int flags, uint64_t *ret_size, dev_t *ret_device, ino_t *ret_inode, char *reason) {
        struct stat st;
        int seals;

        if (fstat(fd, &st) < 0)
                return refuse(reason, -errno, "cannot look at it");
        if (!S_ISREG(st.st_mode))
                return refuse(reason, -EPROTO, "it is not a regular file");
        /* A file on tmpfs has seals too, but never these. A sealed memfd is safe whoever made it. */
        seals = fcntl(fd, F_GET_SEALS);
        if (!(flags & ATTACH_ANY_OWNER) && (seals < 0 || (seals & REQUIRED_SEALS) != REQUIRED_SEALS)) {
                if (st.st_nlink == 0 && seals >= 0 && !(seals & F_SEAL_SEAL))
                        return refuse(reason, -EACCES, "it is a memfd that is not sealed against changes of its size");
                if (st.st_mode & (S_IWGRP | S_IWOTH))
                        return refuse(reason, -EACCES, "others than its owner may write it");
                if (!(flags & ATTACH_SENT) && !is_known_user(st.st_uid))
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
