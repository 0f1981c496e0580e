/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic over loopback whose bytes are known to whoever starts it. "tcp" and "udp" send to themselves, so a process
 * shows the same number in both directions, and end; "demo" runs a few small processes at different speeds until it is
 * killed or its parent dies, for somebody to watch.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Small enough for a socket buffer: what was sent can be received before more is sent, without a second thread. */
#define PIECE 16384

static char buffer[65536];

static void die(const char *what) {
        fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* A bound socket of this type on loopback, at a port that the kernel chooses. */
static int bound_socket(int type, struct sockaddr_in *ret_address) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t length = sizeof(address);
        int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &length) < 0)
                die("cannot bind a socket on 127.0.0.1");
        *ret_address = address;
        return fd;
}

static int connected_socket(int type, const struct sockaddr_in *address) {
        int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *) address, sizeof(*address)) < 0)
                die("cannot connect to 127.0.0.1");
        return fd;
}

static void send_all(int fd, size_t bytes) {
        for (size_t done = 0; done < bytes;) {
                ssize_t n = send(fd, buffer, bytes - done, MSG_NOSIGNAL);

                if (n <= 0)
                        die("send");
                done += n;
        }
}

static void receive_all(int fd, size_t bytes) {
        for (size_t done = 0; done < bytes;) {
                ssize_t n = recv(fd, buffer, bytes - done, 0);

                if (n <= 0)
                        die("receive");
                done += n;
        }
}

static void send_tcp_to_self(size_t bytes) {
        struct sockaddr_in address;
        int listener = bound_socket(SOCK_STREAM, &address), client, server;

        if (listen(listener, 1) < 0)
                die("listen");
        client = connected_socket(SOCK_STREAM, &address);
        server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (server < 0)
                die("accept");
        for (size_t done = 0; done < bytes; done += PIECE) {
                size_t piece = bytes - done < PIECE ? bytes - done : PIECE;

                send_all(client, piece);
                receive_all(server, piece);
        }
        close(client);
        close(server);
        close(listener);
}

static void send_udp_to_self(size_t datagrams, size_t bytes) {
        struct sockaddr_in address;
        int server = bound_socket(SOCK_DGRAM, &address), client = connected_socket(SOCK_DGRAM, &address);

        for (size_t i = 0; i < datagrams; i++) {
                send_all(client, bytes);
                receive_all(server, bytes);
        }
        close(client);
        close(server);
}

static void pause_msec(long msec) {
        nanosleep(&(struct timespec){ .tv_sec = msec / 1000, .tv_nsec = msec % 1000 * 1000000 }, NULL);
}

/* Starts a process of this name, which goes when its parent goes. Returns true in the new one. */
static int spawn(const char *name) {
        pid_t pid = fork();

        if (pid < 0)
                die("fork");
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGTERM);
                prctl(PR_SET_NAME, name);
        }
        return pid == 0;
}

static void demo_tcp(void) {
        struct sockaddr_in address;
        int listener = bound_socket(SOCK_STREAM, &address), fd;

        if (listen(listener, 1) < 0)
                die("listen");
        if (spawn("demo-download")) {
                for (fd = connected_socket(SOCK_STREAM, &address);;)
                        receive_all(fd, PIECE);
        }
        if (spawn("demo-server")) {
                for (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);; pause_msec(20))
                        send_all(fd, PIECE);
        }
        close(listener);
}

static void demo_udp(void) {
        struct sockaddr_in address;
        int server = bound_socket(SOCK_DGRAM, &address), fd;

        if (spawn("demo-call")) {
                for (fd = connected_socket(SOCK_DGRAM, &address);; pause_msec(20))
                        send_all(fd, 172);
        }
        if (spawn("demo-answer"))
                while (recv(server, buffer, sizeof(buffer), 0) >= 0)
                        ;
        close(server);
}

static void demo(void) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        demo_tcp();
        demo_udp();
        while (wait(NULL) > 0)
                ;
}

int main(int argc, char **argv) {
        if (argc == 3 && strcmp(argv[1], "tcp") == 0)
                send_tcp_to_self(strtoull(argv[2], NULL, 10));
        else if (argc == 4 && strcmp(argv[1], "udp") == 0)
                send_udp_to_self(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
        else if (argc == 2 && strcmp(argv[1], "demo") == 0)
                demo();
        else {
                fputs("Usage: traffic tcp BYTES | udp DATAGRAMS BYTES | demo\n", stderr);
                return 2;
        }
        return 0;
}
