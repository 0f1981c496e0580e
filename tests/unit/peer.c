/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Speaks the handshake by hand, so that a test can also say what the library never would. Nothing here waits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "libclient/frame.h"
#include "tests/unit/peer.h"

int peer_dial(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        strcpy(address.sun_path, path);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
        return fd;
}

void peer_say(int fd, uint32_t type, uint32_t view) {
        struct handshake_message message = {
                .magic = HANDSHAKE_MAGIC,
                .type = type,
                .view = view,
                .major_min = 1,
                .major_max = LAYOUT_MAJOR,
        };

        assert_int_equal(send(fd, &message, sizeof message, MSG_NOSIGNAL), sizeof message);
}

int peer_hear(int fd, struct handshake_message *message, int *attached) {
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov = { message, sizeof *message };
        struct msghdr packet = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof control,
        };
        ssize_t n = recvmsg(fd, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        *attached = -1;
        if (n <= 0)
                return n < 0 && errno == EAGAIN ? -EAGAIN : 0;
        assert_int_equal(n, sizeof *message);
        assert_int_equal(message->magic, HANDSHAKE_MAGIC);
        if (CMSG_FIRSTHDR(&packet))
                memcpy(attached, CMSG_DATA(CMSG_FIRSTHDR(&packet)), sizeof *attached);
        return 1;
}
