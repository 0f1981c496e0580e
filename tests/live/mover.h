/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_MOVER_H
#define SOCKTALLY_LIVE_MOVER_H
/*
 * One process that moves data to itself: its sockets, and its books, an array with a number for each metric. What the
 * machine refuses ends the whole process group with a line "Bail out!".
 */
#include <stddef.h>
#include <stdint.h>

#include "libclient/metrics.h"

#define PROTOCOL_EXPERIMENT 253 /* counted as "other"; nobody else on the machine is likely to use it */

_Noreturn void bail_out(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* result, which must not be negative. */
int need(int result, const char *what);

/* A network namespace of this process's own, with its loopback up. */
void own_network(void);
/* A socket that sends to itself. */
int self_socket(int type, int protocol);
/* Connects a TCP socket. Returns the other end. */
int tcp_connect(int fd);
/* Both ends of a connection. */
void tcp_pair(int ret_fds[2]);

/* One call that sends, and as many as it takes to receive that. */
void move_stream(uint64_t *moved, const int fds[2], size_t size);
/* tx and rx: metrics. A raw socket over IPv4 receives the header too. */
void move_datagram(uint64_t *moved, int fd, size_t size, unsigned tx, unsigned rx);

#endif
