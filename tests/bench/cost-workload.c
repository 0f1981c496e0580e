// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What one socket operation costs, in nanoseconds of CLOCK_MONOTONIC.
 *
 *     cost-workload [--ipv6] [--rounds=N] [OPERATION]...
 *
 * Prints one line for each operation: its name, the typical cost and the mean cost of one round, and how many rounds
 * there were in all, warm-up included. Without an OPERATION it does all of them:
 *
 *     udp      one 64-byte datagram sent and received over loopback, the sender connected
 *     udp-to   the same, the sender not connected: the address is given with each datagram
 *     tcp      64 bytes sent and received over an established connection
 *     unix     the same over an AF_UNIX socket pair, of which nothing is counted
 *     connect  connect, accept and close of both ends, no data
 *
 * Written for a guest whose clock counts instructions (tests/guest/run-guest --icount), where the figures come out the
 * same in every run. Rounds are timed in batches shorter than a timer tick, and the typical cost is the median batch:
 * batches that a tick fell into do not count. The mean takes in everything, also what the kernel does later for work
 * that was handed to it (freeing closed sockets), so it is the figure to compare for connect.
 *
 * One process does both ends, so that no context switch is in the figure.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
        MESSAGE_SIZE = 64,
        BATCH = 8,           /* rounds timed together: ~100,000 instructions, a tick comes every 4,000,000 */
        WARM_UP_BATCHES = 32,
};

/* Both ends of what is measured; listener is -1 where there is none. */
struct workload {
        struct sockaddr_storage address;
        socklen_t address_size;
        int near, far, listener;
};

static void fail(const char *what) {
        fprintf(stderr, "cost-workload: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int new_socket(const struct workload *w, int type) {
        int fd = socket(w->address.ss_family, type | SOCK_CLOEXEC, 0);

        if (fd < 0)
                fail("socket");
        return fd;
}

/* Binds to a free port and keeps the address that it became. */
static void bind_loopback(struct workload *w, int fd) {
        if (bind(fd, (struct sockaddr *)&w->address, w->address_size) < 0)
                fail("bind to loopback");
        if (getsockname(fd, (struct sockaddr *)&w->address, &w->address_size) < 0)
                fail("getsockname");
}

static void connect_to(const struct workload *w, int fd) {
        if (connect(fd, (const struct sockaddr *)&w->address, w->address_size) < 0)
                fail("connect over loopback");
}

static struct workload new_workload(bool ipv6) {
        struct workload w = { .near = -1, .far = -1, .listener = -1 };

        if (ipv6) {
                struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&w.address;

                in6->sin6_family = AF_INET6;
                in6->sin6_addr = in6addr_loopback;
                w.address_size = sizeof *in6;
        } else {
                struct sockaddr_in *in = (struct sockaddr_in *)&w.address;

                in->sin_family = AF_INET;
                in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                w.address_size = sizeof *in;
        }
        return w;
}

static void open_listener(struct workload *w) {
        w->listener = new_socket(w, SOCK_STREAM);
        bind_loopback(w, w->listener);
        if (listen(w->listener, 16) < 0)
                fail("listen");
}

static void open_udp_to(struct workload *w) {
        w->far = new_socket(w, SOCK_DGRAM);
        bind_loopback(w, w->far);
        w->near = new_socket(w, SOCK_DGRAM);
}

static void open_udp(struct workload *w) {
        open_udp_to(w);
        connect_to(w, w->near);
}

static void open_tcp(struct workload *w) {
        int one = 1;

        open_listener(w);
        w->near = new_socket(w, SOCK_STREAM);
        connect_to(w, w->near);
        w->far = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
        if (w->far < 0)
                fail("accept");
        if (setsockopt(w->near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
                fail("setsockopt TCP_NODELAY");
}

static void open_unix(struct workload *w) {
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                fail("socketpair");
        w->near = fds[0];
        w->far = fds[1];
}

static void close_workload(struct workload *w) {
        int fds[] = { w->near, w->far, w->listener };

        for (size_t i = 0; i < 3; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
}

static void send_and_receive(struct workload *w) {
        char message[MESSAGE_SIZE] = "";

        if (sendto(w->near, message, sizeof message, 0, NULL, 0) != sizeof message)
                fail("sendto");
        if (recvfrom(w->far, message, sizeof message, 0, NULL, NULL) != sizeof message)
                fail("recvfrom");
}

static void send_to_and_receive(struct workload *w) {
        const struct sockaddr *to = (const struct sockaddr *)&w->address;
        char message[MESSAGE_SIZE] = "";

        if (sendto(w->near, message, sizeof message, 0, to, w->address_size) != sizeof message)
                fail("sendto");
        if (recvfrom(w->far, message, sizeof message, 0, NULL, NULL) != sizeof message)
                fail("recvfrom");
}

static void connect_and_close(struct workload *w) {
        int near = new_socket(w, SOCK_STREAM), far;

        connect_to(w, near);
        far = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
        if (far < 0)
                fail("accept");
        close(near);
        close(far);
}

static int compare(const void *a, const void *b) {
        uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

        return (left > right) - (left < right);
}

static void measure(const char *name, struct workload *w, void (*round)(struct workload *), unsigned int rounds) {
        unsigned int n_batches = (rounds + BATCH - 1) / BATCH;
        uint64_t *cost = calloc(n_batches, sizeof *cost);
        uint64_t begin, previous = 0;

        if (!cost)
                fail("calloc");
        for (unsigned int i = 0; i < WARM_UP_BATCHES * BATCH; i++)
                round(w);
        begin = now_ns();
        for (unsigned int i = 0; i < n_batches; i++) {
                uint64_t start = now_ns();

                for (unsigned int j = 0; j < BATCH; j++)
                        round(w);
                previous = now_ns();
                cost[i] = previous - start;
        }
        qsort(cost, n_batches, sizeof *cost, compare);
        printf("%s %.1f %.1f %u\n", name, (double)cost[n_batches / 2] / BATCH,
               (double)(previous - begin) / n_batches / BATCH, (n_batches + WARM_UP_BATCHES) * BATCH);
        free(cost);
}

static const struct operation {
        const char *name;
        void (*open)(struct workload *w);
        void (*round)(struct workload *w);
} operations[] = {
        { "udp-to", open_udp_to, send_to_and_receive },
        { "udp", open_udp, send_and_receive },
        { "tcp", open_tcp, send_and_receive },
        { "unix", open_unix, send_and_receive },
        { "connect", open_listener, connect_and_close },
};

static bool is_wanted(const char *name, char *wanted[]) {
        if (!*wanted)
                return true;
        while (*wanted && strcmp(*wanted, name) != 0)
                wanted++;
        return *wanted;
}

static void measure_all(bool ipv6, unsigned int rounds, char *wanted[]) {
        for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
                const struct operation *operation = &operations[i];
                struct workload w = new_workload(ipv6);

                if (!is_wanted(operation->name, wanted))
                        continue;
                operation->open(&w);
                measure(operation->name, &w, operation->round, rounds);
                close_workload(&w);
        }
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "ipv6", no_argument, NULL, '6' },
                { "rounds", required_argument, NULL, 'n' },
                { 0 },
        };
        unsigned long rounds = 2000;
        bool ipv6 = false;
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (option == '6') {
                        ipv6 = true;
                } else if (option == 'n' && (rounds = strtoul(optarg, NULL, 10)) > 0) {
                        continue;
                } else {
                        fprintf(stderr, "usage: cost-workload [--ipv6] [--rounds=N] [OPERATION]...\n");
                        return 2;
                }
        }
        measure_all(ipv6, (unsigned int)rounds, argv + optind);
        return 0;
}
