/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers hellos between two publications. The daemon's own server is in daemon/publish/readers.c and needs its event
 * loop; the storm wants a writer that does nothing but publish.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libclient/frame.h"
#include "libclient/handshake.h"
#include "libclient/socktally.h"
#include "tests/unit/storm-server.h"

int storm_listen(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
                return -errno;
        strcpy(address.sun_path, path);
        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 || chmod(path, 0666) < 0 ||
            listen(fd, STORM_CONNECTIONS) < 0)
                return -errno;
        return fd;
}

static bool grant(int fd, int segment_descriptor) {
        struct handshake_message message = { .magic = HANDSHAKE_MAGIC, .type = HANDSHAKE_GRANT,
                                             .view = SOCKTALLY_VIEW_PUBLIC, .major = LAYOUT_MAJOR };
        union {
                char space[CMSG_SPACE(sizeof(int))];
                struct cmsghdr header;
        } control = { 0 };
        struct iovec data = { &message, sizeof(message) };
        struct msghdr packet = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof(control) };

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &segment_descriptor, sizeof(int));
        return sendmsg(fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* False: the connection is over. */
static bool answer(int fd, const struct segment *segment) {
        struct handshake_message hello;
        ssize_t n = recv(fd, &hello, sizeof(hello), MSG_DONTWAIT);

        if (n < 0)
                return errno == EAGAIN;
        return n == sizeof(hello) && hello.magic == HANDSHAKE_MAGIC && hello.type == HANDSHAKE_HELLO &&
               grant(fd, segment_fd(segment));
}

void storm_serve(struct storm_server *server, const struct segment *segment) {
        while (server->n < STORM_CONNECTIONS) {
                int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0)
                        break;
                server->fds[server->n++] = fd;
        }
        for (int i = 0; i < server->n; i++)
                if (!answer(server->fds[i], segment)) {
                        close(server->fds[i]);
                        server->fds[i--] = server->fds[--server->n];
                }
}
