/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules, from the player's side: a call counts once per message that reached the protocol, failed ones included;
 * its bytes are what it returned; a failure counts unless it only says "not now". AF_UNIX is not counted at all,
 * MPTCP counts as TCP, and what is neither TCP nor UDP keeps bytes only.
 */
#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/live/moves.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#define NO_METRIC SOCKTALLY_N_METRICS
#define CHUNK 65536

struct ledger_page {
        unsigned int tx_bytes, rx_bytes, tx_calls, rx_calls, tx_errors, rx_errors;
};

static const struct ledger_page tcp_page = {
        SOCKTALLY_METRIC_tcp_tx_bytes, SOCKTALLY_METRIC_tcp_rx_bytes,  SOCKTALLY_METRIC_tcp_tx_calls,
        SOCKTALLY_METRIC_tcp_rx_calls, SOCKTALLY_METRIC_tcp_tx_errors, SOCKTALLY_METRIC_tcp_rx_errors,
};
static const struct ledger_page udp_page = {
        SOCKTALLY_METRIC_udp_tx_bytes, SOCKTALLY_METRIC_udp_rx_bytes,  SOCKTALLY_METRIC_udp_tx_calls,
        SOCKTALLY_METRIC_udp_rx_calls, SOCKTALLY_METRIC_udp_tx_errors, SOCKTALLY_METRIC_udp_rx_errors,
};
static const struct ledger_page other_page = {
        SOCKTALLY_METRIC_other_tx_bytes, SOCKTALLY_METRIC_other_rx_bytes, NO_METRIC, NO_METRIC, NO_METRIC, NO_METRIC,
};
static const struct ledger_page uncounted_page = {
        NO_METRIC, NO_METRIC, NO_METRIC, NO_METRIC, NO_METRIC, NO_METRIC,
};

static const char zeros[CHUNK];

static const struct ledger_page *page_of(int fd) {
        int domain = 0, protocol = 0;
        socklen_t size = sizeof(int);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || (domain != AF_INET && domain != AF_INET6))
                return &uncounted_page;
        getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
        switch (protocol) {
        case IPPROTO_TCP:
        case IPPROTO_MPTCP:
                return &tcp_page;
        case IPPROTO_UDP:
                return &udp_page;
        default:
                return &other_page;
        }
}

static void add(struct player *player, unsigned int metric, uint64_t value) {
        if (metric != NO_METRIC)
                __atomic_add_fetch(&player->moved[metric], value, __ATOMIC_RELAXED);
}

static unsigned int in_scope(unsigned int metric, enum scope scope) {
        static const unsigned int first[SOCKTALLY_N_METRICS] = {
#define X(name) [SOCKTALLY_METRIC_##name] = SOCKTALLY_METRIC_##name##_unknown,
                SOCKTALLY_SCOPED(X)
#undef X
        };

        return first[metric] + scope;
}

/* Where the socket's peer is, as the process itself can know. */
static enum scope scope_of(const struct player *player, int fd, bool is_tcp) {
        struct sockaddr_storage peer = { 0 };
        const struct sockaddr_in *v4 = (const struct sockaddr_in *) &peer;
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) &peer;
        socklen_t size = sizeof(peer);

        if (player->scope)
                return player->scope;
        if (is_tcp)
                return SCOPE_HOST;
        if (getpeername(fd, (struct sockaddr *) &peer, &size) < 0)
                return SCOPE_UNKNOWN;
        if (peer.ss_family == AF_INET)
                return v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK) ? SCOPE_HOST : SCOPE_UNKNOWN;
        if (IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) || IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
                return SCOPE_HOST;
        return SCOPE_UNKNOWN;
}

static void add_bytes(struct player *player, int fd, unsigned int metric, uint64_t bytes) {
        if (metric == NO_METRIC || bytes == 0)
                return;
        add(player, metric, bytes);
        add(player, in_scope(metric, scope_of(player, fd, metric <= SOCKTALLY_METRIC_tcp_rx_bytes)), bytes);
}

/* What found nothing to do is no call. */
static bool is_call(ssize_t result, int error) {
        return result >= 0 || (error != EAGAIN && error != EINTR);
}

ssize_t sent(struct player *player, int fd, ssize_t result) {
        int error = errno;
        const struct ledger_page *page = page_of(fd);

        add(player, page->tx_calls, is_call(result, error));
        add_bytes(player, fd, page->tx_bytes, result > 0 ? (uint64_t) result : 0);
        add(player, page->tx_errors, result < 0 && is_call(result, error));
        errno = error;
        return result;
}

ssize_t got_at_most(struct player *player, int fd, ssize_t result, size_t size) {
        int error = errno;
        const struct ledger_page *page = page_of(fd);
        uint64_t bytes = result > 0 ? (uint64_t) result : 0;

        add(player, page->rx_calls, is_call(result, error));
        add_bytes(player, fd, page->rx_bytes, bytes < size ? bytes : size);
        add(player, page->rx_errors, result < 0 && is_call(result, error));
        errno = error;
        return result;
}

ssize_t got(struct player *player, int fd, ssize_t result) {
        return got_at_most(player, fd, result, SIZE_MAX);
}

void moved_uncalled(struct player *player, int fd, size_t tx_bytes, size_t rx_bytes) {
        const struct ledger_page *page = page_of(fd);

        add_bytes(player, fd, page->tx_bytes, tx_bytes);
        add_bytes(player, fd, page->rx_bytes, rx_bytes);
        if (tx_bytes > 0 && page->tx_calls != NO_METRIC)
                __atomic_or_fetch(&player->unsure, UINT64_C(1) << page->tx_calls, __ATOMIC_RELAXED);
        if (rx_bytes > 0 && page->rx_calls != NO_METRIC)
                __atomic_or_fetch(&player->unsure, UINT64_C(1) << page->rx_calls, __ATOMIC_RELAXED);
}

/* An IPv6 socket whose peer has a mapped address speaks IPv4. */
static bool is_over_ipv6(int fd) {
        struct sockaddr_in6 peer = { 0 };
        socklen_t size = sizeof(peer);

        return getpeername(fd, (struct sockaddr *) &peer, &size) == 0 && peer.sin6_family == AF_INET6 &&
               !IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr);
}

void connected(struct player *player, int fd) {
        add(player, is_over_ipv6(fd) ? SOCKTALLY_METRIC_tcp_connects_v6 : SOCKTALLY_METRIC_tcp_connects_v4, 1);
}

void accepted(struct player *player, int fd) {
        add(player, is_over_ipv6(fd) ? SOCKTALLY_METRIC_tcp_accepts_v6 : SOCKTALLY_METRIC_tcp_accepts_v4, 1);
}

void not_connected(struct player *player, enum socktally_metric reason) {
        add(player, SOCKTALLY_METRIC_tcp_connect_failures, 1);
        add(player, reason, 1);
}

int flavour_family(enum flavour flavour) {
        return flavour == FLAVOUR_V4 ? AF_INET : AF_INET6;
}

void address_of(struct address *address, enum flavour flavour, uint16_t port) {
        struct sockaddr_in *v4 = (struct sockaddr_in *) &address->storage;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) &address->storage;

        memset(address, 0, sizeof(*address));
        if (flavour == FLAVOUR_V4) {
                v4->sin_family = AF_INET;
                v4->sin_port = htons(port);
                v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                address->size = sizeof(*v4);
                return;
        }
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        inet_pton(AF_INET6, flavour == FLAVOUR_V6 ? "::1" : "::ffff:127.0.0.1", &v6->sin6_addr);
        address->size = sizeof(*v6);
}

uint64_t port_of(struct player *player, int fd) {
        struct address address = { .size = sizeof(address.storage) };

        NEED(player, getsockname(fd, (struct sockaddr *) &address.storage, &address.size));
        return ntohs(((struct sockaddr_in *) &address.storage)->sin_port);
}

static int open_socket(struct player *player, enum flavour flavour, int type) {
        int fd = socket(flavour_family(flavour), type | SOCK_CLOEXEC, 0);

        if (fd < 0 && errno == EAFNOSUPPORT)
                scene_skip(player->scene, "no IPv6 here");
        return NEED(player, fd);
}

static int bound_socket(struct player *player, enum flavour flavour, int type, uint64_t *ret_port) {
        struct address address;
        int fd = open_socket(player, flavour, type);

        address_of(&address, flavour, 0);
        if (bind(fd, (struct sockaddr *) &address.storage, address.size) < 0 && errno == EADDRNOTAVAIL)
                scene_skip(player->scene, "the loopback has no IPv6 address here");
        *ret_port = port_of(player, fd);
        return fd;
}

int tcp_listener(struct player *player, enum flavour flavour, uint64_t *ret_port) {
        int fd = bound_socket(player, flavour, SOCK_STREAM, ret_port);

        NEED(player, listen(fd, 4096));
        return fd;
}

int tcp_dial(struct player *player, enum flavour flavour, uint64_t port) {
        struct address address;
        int fd = open_socket(player, flavour, SOCK_STREAM);

        address_of(&address, flavour, (uint16_t) port);
        NEED(player, connect(fd, (struct sockaddr *) &address.storage, address.size));
        connected(player, fd);
        __atomic_add_fetch(&player->open, 1, __ATOMIC_RELAXED);
        return fd;
}

int tcp_answer(struct player *player, int listener) {
        int fd = NEED(player, accept4(listener, NULL, NULL, SOCK_CLOEXEC));

        accepted(player, fd);
        __atomic_add_fetch(&player->open, 1, __ATOMIC_RELAXED);
        return fd;
}

int tcp_serve_one(struct player *player, enum flavour flavour) {
        int listener = tcp_listener(player, flavour, &player->scene->numbers[PORT]), fd;

        event_raise(player->scene, LISTENING);
        fd = tcp_answer(player, listener);
        close(listener);
        return fd;
}

int tcp_dial_one(struct player *player, enum flavour flavour) {
        event_wait(player->scene, LISTENING, 1);
        return tcp_dial(player, flavour, player->scene->numbers[PORT]);
}

void tcp_hang_up(struct player *player, int fd) {
        NEED(player, close(fd));
        __atomic_sub_fetch(&player->open, 1, __ATOMIC_RELAXED);
        add(player, SOCKTALLY_METRIC_tcp_closes, 1);
}

int udp_bound(struct player *player, enum flavour flavour, uint64_t *ret_port) {
        return bound_socket(player, flavour, SOCK_DGRAM, ret_port);
}

int udp_connected(struct player *player, enum flavour flavour, uint64_t port) {
        struct address address;
        int fd = open_socket(player, flavour, SOCK_DGRAM);

        address_of(&address, flavour, (uint16_t) port);
        NEED(player, connect(fd, (struct sockaddr *) &address.storage, address.size));
        return fd;
}

void set_option(struct player *player, int fd, int level, int option, int value) {
        if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
                scene_fail(player->scene, "%s: socket option %d of level %d: %s", player->comm, option, level,
                           strerror(errno));
}

void send_to(struct player *player, int fd, size_t size, const struct address *address) {
        const struct sockaddr *name = (const struct sockaddr *) &address->storage;

        if (sent(player, fd, sendto(fd, zeros, size, 0, name, address->size)) < 0)
                scene_fail(player->scene, "%s: sendto: %s", player->comm, strerror(errno));
}

void send_all(struct player *player, int fd, size_t size) {
        while (size > 0)
                size -= (size_t) NEED(player, sent(player, fd, send(fd, zeros, size < CHUNK ? size : CHUNK, 0)));
}

void send_at_once(struct player *player, int fd) {
        static char bytes[LONG_CALL];

        if (NEED(player, sent(player, fd, send(fd, bytes, sizeof(bytes), 0))) != LONG_CALL)
                scene_fail(player->scene, "the long call was cut short");
}

void recv_exactly(struct player *player, int fd, size_t size) {
        char bytes[CHUNK];

        while (size > 0) {
                ssize_t n = NEED(player, got(player, fd, recv(fd, bytes, size < CHUNK ? size : CHUNK, 0)));

                if (n == 0)
                        scene_fail(player->scene, "%s: end of file, %zu bytes early", player->comm, size);
                size -= (size_t) n;
        }
}

size_t recv_to_end(struct player *player, int fd) {
        char bytes[CHUNK];
        size_t total = 0;

        for (;;) {
                ssize_t n = NEED(player, got(player, fd, recv(fd, bytes, sizeof(bytes), 0)));

                if (n == 0)
                        return total;
                total += (size_t) n;
        }
}

uint32_t drops_of(struct player *player, int fd) {
        uint32_t facts[SK_MEMINFO_VARS];
        socklen_t size = sizeof(facts);

        NEED(player, getsockopt(fd, SOL_SOCKET, SO_MEMINFO, facts, &size));
        return facts[SK_MEMINFO_DROPS];
}

void pass_descriptor(struct player *player, int channel, int fd) {
        char byte = 0;
        struct iovec part = { &byte, 1 };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                  .msg_controllen = sizeof(control.space) };

        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        NEED(player, sendmsg(channel, &message, 0));
}

int take_descriptor(struct player *player, int channel) {
        char byte;
        int fd;
        struct iovec part = { &byte, 1 };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                  .msg_controllen = sizeof(control.space) };

        NEED(player, recvmsg(channel, &message, 0));
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
        return fd;
}

static void wait_poll(struct player *player, int fd, short events) {
        struct pollfd poller = { .fd = fd, .events = events };

        NEED(player, poll(&poller, 1, -1));
}

void wait_readable(struct player *player, int fd) {
        wait_poll(player, fd, POLLIN);
}

void wait_error(struct player *player, int fd) {
        wait_poll(player, fd, 0);
}

void wait_fin(struct player *player, int fd) {
        wait_poll(player, fd, POLLRDHUP);
}

/* There is no event for an acknowledgement: the queue is asked again and again, a millisecond apart. */
void wait_acknowledged(struct player *player, int fd) {
        for (;;) {
                struct tcp_info info = { 0 };
                socklen_t size = sizeof(info);

                NEED(player, getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
                if (info.tcpi_unacked == 0)
                        return;
                poll(NULL, 0, 1);
        }
}
