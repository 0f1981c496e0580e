/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_MOVES_H
#define SOCKTALLY_LIVE_MOVES_H
/*
 * How players make traffic and keep their own books. Every call that sends or receives is written as
 * sent(player, fd, send(...)) or got(player, fd, recv(...)): the wrapper adds the result to the player's numbers by the
 * rules that the daemon promises, and hands it on with errno untouched. Calls with MSG_PEEK and MSG_ERRQUEUE are not
 * traffic and go without a wrapper.
 */
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "tests/live/scene.h"

/* How the loopback is addressed. MAPPED: IPv4 through an IPv6 socket. */
enum flavour { FLAVOUR_V4, FLAVOUR_V6, FLAVOUR_MAPPED };

/* Where two players meet: the server's port, and the event that it is there. A scenario's own events and numbers
 * follow. */
enum { LISTENING = 0 };
enum { PORT = 0 };

#define LONG_CALL (8 << 20)

struct address {
        struct sockaddr_storage storage;
        socklen_t size;
};

ssize_t sent(struct player *player, int fd, ssize_t result);
ssize_t got(struct player *player, int fd, ssize_t result);
/* For MSG_TRUNC on datagrams, where the result is more than what was copied. */
ssize_t got_at_most(struct player *player, int fd, ssize_t result, size_t size);
/* A byte count without a call to go with it (splice, io_uring): the number of calls is the kernel's affair. */
void moved_uncalled(struct player *player, int fd, size_t tx_bytes, size_t rx_bytes);

/* connect() has made the connection; accept() has returned it. */
void connected(struct player *player, int fd);
void accepted(struct player *player, int fd);
/* connect() has failed; reason: the metric that says why. */
void not_connected(struct player *player, enum socktally_metric reason);

void address_of(struct address *address, enum flavour flavour, uint16_t port);
int flavour_family(enum flavour flavour);

/* All of these fail the scene on error. Ports are in host order. */
int tcp_listener(struct player *player, enum flavour flavour, uint64_t *ret_port);
int tcp_dial(struct player *player, enum flavour flavour, uint64_t port);
int tcp_answer(struct player *player, int listener);
/* The usual beginning: listens on a fresh PORT, says LISTENING and accepts one connection; waits for that and
 * connects. */
int tcp_serve_one(struct player *player, enum flavour flavour);
int tcp_dial_one(struct player *player, enum flavour flavour);
/* Closes the last descriptor of a connection that was established. */
void tcp_hang_up(struct player *player, int fd);
int udp_bound(struct player *player, enum flavour flavour, uint64_t *ret_port);
int udp_connected(struct player *player, enum flavour flavour, uint64_t port);
uint64_t port_of(struct player *player, int fd);
void set_option(struct player *player, int fd, int level, int option, int value);

/* One datagram of zeros, at most 64 KiB, to this address. */
void send_to(struct player *player, int fd, size_t size, const struct address *address);
/* In calls of at most 64 KiB; blocking descriptors. */
void send_all(struct player *player, int fd, size_t size);
/* LONG_CALL bytes in one call, much more than both buffers hold: it lasts until the peer has read most of them. */
void send_at_once(struct player *player, int fd);
void recv_exactly(struct player *player, int fd, size_t size);
/* Until end of file; returns what came. */
size_t recv_to_end(struct player *player, int fd);

/* Datagrams that found the socket's receive buffer full, since it was made. */
uint32_t drops_of(struct player *player, int fd);

/* Over a unix socket. While the descriptor is on its way no process holds it. */
void pass_descriptor(struct player *player, int channel, int fd);
int take_descriptor(struct player *player, int channel);

/* Waits until the socket has something to read; until there is something on its error queue. Moves nothing. */
void wait_readable(struct player *player, int fd);
void wait_error(struct player *player, int fd);
/* Waits until everything sent was acknowledged by the peer. */
void wait_acknowledged(struct player *player, int fd);
/* Waits until the other side's FIN has arrived. */
void wait_fin(struct player *player, int fd);

#endif
