/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One process that moves data to itself: what it needs of sockets, and how it keeps its books.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/live/mover.h"

static const struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f };

void bail_out(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        fputs("Bail out! ", stdout);
        vfprintf(stdout, format, arguments);
        putchar('\n');
        va_end(arguments);
        fflush(stdout);
        kill(0, SIGTERM); /* whoever it is that cannot go on, all end */
        exit(EXIT_FAILURE);
}

int need(int result, const char *what) {
        if (result < 0)
                bail_out("%s: %s", what, strerror(errno));
        return result;
}

void own_network(void) {
        struct ifreq request = { .ifr_name = "lo" };
        int fd;

        need(unshare(CLONE_NEWNET), "unshare");
        fd = need(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
        need(ioctl(fd, SIOCGIFFLAGS, &request), "loopback");
        request.ifr_flags |= IFF_UP;
        need(ioctl(fd, SIOCSIFFLAGS, &request), "loopback");
        close(fd);
}

int self_socket(int type, int protocol) {
        struct sockaddr_in address = loopback;
        socklen_t size = sizeof address;
        int fd = need(socket(AF_INET, type | SOCK_CLOEXEC, protocol), "socket");

        need(bind(fd, (struct sockaddr *) &address, size), "bind");
        need(getsockname(fd, (struct sockaddr *) &address, &size), "getsockname");
        need(connect(fd, (struct sockaddr *) &address, size), "connect");
        return fd;
}

int tcp_connect(int fd) {
        struct sockaddr_in address = loopback;
        socklen_t size = sizeof address;
        int listener = need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"), accepted;

        need(bind(listener, (struct sockaddr *) &address, size), "bind");
        need(listen(listener, 1), "listen");
        need(getsockname(listener, (struct sockaddr *) &address, &size), "getsockname");
        need(connect(fd, (struct sockaddr *) &address, size), "connect");
        accepted = need(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
        close(listener);
        return accepted;
}

void tcp_pair(int ret_fds[2]) {
        ret_fds[0] = need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        ret_fds[1] = tcp_connect(ret_fds[0]);
}

void move_stream(uint64_t *moved, const int fds[2], size_t size) {
        static char bytes[16384];
        ssize_t n;

        n = need((int) send(fds[0], bytes, size, 0), "send");
        moved[SOCKTALLY_METRIC_tcp_tx_bytes] += (size_t) n;
        for (ssize_t left = n; left > 0; left -= n) {
                n = need((int) recv(fds[1], bytes, sizeof bytes, 0), "recv");
                moved[SOCKTALLY_METRIC_tcp_rx_bytes] += (size_t) n;
        }
}

void move_datagram(uint64_t *moved, int fd, size_t size, unsigned tx, unsigned rx) {
        char bytes[2048] = "";

        moved[tx] += (size_t) need((int) send(fd, bytes, size, 0), "send");
        moved[rx] += (size_t) need((int) recv(fd, bytes, sizeof bytes, 0), "recv");
}
