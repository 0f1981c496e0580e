/* SPDX-License-Identifier: MIT */
/*
 * The reader's end of the readers' socket. The daemon is trusted no further than a segment is: a message that is too
 * short, has a wrong magic or brings descriptors that it should not ends the connection, and every descriptor that came
 * is closed unless it is handed on.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/connect.h"
#include "libclient/frame.h"
#include "libclient/handshake.h"
#include "libclient/trust.h"

#define MAX_DESCRIPTORS 4 /* that one message may bring before the kernel drops the rest */

void stly_connection_close(struct connection *connection) {
        if (connection->state != CONNECTION_NONE)
                close(connection->fd);
        *connection = (struct connection){ .state = CONNECTION_NONE, .fd = -1 };
}

static int send_message(int fd, const struct handshake_message *message) {
        ssize_t n = send(fd, message, sizeof(*message), MSG_DONTWAIT | MSG_NOSIGNAL);

        return n < 0 ? -errno : 0;
}

int stly_connection_begin(struct connection *connection, const char *path, enum socktally_view view, uint64_t now) {
        const struct handshake_message hello = {
                .magic = HANDSHAKE_MAGIC,
                .type = HANDSHAKE_HELLO,
                .view = view,
                .major_min = LAYOUT_MAJOR,
                .major_max = LAYOUT_MAJOR,
        };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, r;

        stly_connection_close(connection);
        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                r = -errno;
        else
                r = send_message(fd, &hello);
        if (r == -EPIPE || r == -ECONNRESET)
                r = 0; /* refused before it was asked: the answer is there to be read */
        if (r < 0) {
                close(fd);
                return r;
        }
        *connection = (struct connection){
                .state = CONNECTION_ASKED,
                .fd = fd,
                .deadline_ns = now + CONNECTION_PATIENCE_NS,
                .is_trusted = stly_trust_peer(fd),
        };
        return 0;
}

/* Hands out the one descriptor that a message brought; -1 if it brought none, or more than one. */
static int take_descriptor(struct msghdr *header) {
        int fds[MAX_DESCRIPTORS], n = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
                size_t size = c->cmsg_len - CMSG_LEN(0);

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i + sizeof(int) <= size && n < MAX_DESCRIPTORS; i += sizeof(int))
                        memcpy(&fds[n++], CMSG_DATA(c) + i, sizeof(int));
        }
        if (n == 1)
                return fds[0];
        while (n > 0)
                close(fds[--n]);
        return -1;
}

/* One packet with what it brought. 1: there is a message; 0: there is none. */
static int read_message(int fd, struct handshake_message *message, int *ret_fd) {
        union {
                char space[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec data = { .iov_base = message, .iov_len = sizeof(*message) };
        struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1 };
        ssize_t n;

        header.msg_control = control.space;
        header.msg_controllen = sizeof(control.space);
        n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == ECONNRESET) {
                /* A daemon that answers without reading, and closes, resets the connection; the kernel reports that
                 * once and then gives out what was sent before (__skb_try_recv_datagram). */
                header.msg_controllen = sizeof(control.space);
                n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        }
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -ECONNRESET;
        *ret_fd = take_descriptor(&header);
        if (n == 0 && *ret_fd < 0)
                return -ECONNRESET;
        if (n < (ssize_t) sizeof(*message) || message->magic != HANDSHAKE_MAGIC) {
                if (*ret_fd >= 0)
                        close(*ret_fd);
                return -EPROTO;
        }
        return 1;
}

/* Only the errors that handshake.h allows are passed on to the caller, as any other would look like the kernel's. */
static int refusal(int32_t error) {
        switch (error) {
        case EACCES:
        case EPROTONOSUPPORT:
        case EAGAIN:
        case EUSERS: return -error;
        default: return -EPROTO;
        }
}

int stly_connection_receive(struct connection *connection, int *ret_fd) {
        struct handshake_message message;
        int fd = -1, r;

        r = read_message(connection->fd, &message, &fd);
        if (r <= 0)
                return r < 0 ? r : CONNECTION_NOTHING;
        if (message.type == HANDSHAKE_GRANT && message.error != 0) {
                r = refusal(message.error);
        } else if (message.type == HANDSHAKE_GRANT || message.type == HANDSHAKE_SEGMENT) {
                if (fd < 0)
                        return -EPROTO;
                connection->state = CONNECTION_GRANTED;
                connection->deadline_ns = 0;
                *ret_fd = fd;
                return CONNECTION_SEGMENT;
        } else
                r = CONNECTION_PUBLISHED; /* and what later versions may add */
        if (fd >= 0)
                close(fd);
        return r;
}

int stly_connection_await(struct connection *connection, int *ret_fd) {
        for (;;) {
                struct pollfd pollfd = { .fd = connection->fd, .events = POLLIN };
                uint64_t now = clock_now();
                int r;

                if (now >= connection->deadline_ns)
                        return -ETIMEDOUT;
                r = poll(&pollfd, 1, (int) ((connection->deadline_ns - now) / 1000000 + 1));
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r <= 0)
                        continue;
                r = stly_connection_receive(connection, ret_fd);
                if (r < 0 || r == CONNECTION_SEGMENT)
                        return r < 0 ? r : 0;
        }
}

int stly_connection_subscribe(struct connection *connection) {
        const struct handshake_message subscribe = { .magic = HANDSHAKE_MAGIC, .type = HANDSHAKE_SUBSCRIBE };
        int r;

        if (connection->state != CONNECTION_GRANTED || connection->is_subscribed)
                return 0;
        r = send_message(connection->fd, &subscribe);
        connection->is_subscribed = r >= 0;
        return r;
}
