/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All scenarios in the order they run.
 */
#include "tests/live/scenarios.h"

const struct scenario scenarios[] = {
        { "TCP requests and responses over IPv4", tcp_talk, FLAVOUR_V4 },
        { "TCP requests and responses over IPv6", tcp_talk, FLAVOUR_V6 },
        { "TCP requests and responses over IPv4 through IPv6 sockets count once", tcp_talk, FLAVOUR_MAPPED },
        { "connected UDP over IPv4", udp_connected_talk, FLAVOUR_V4 },
        { "connected UDP over IPv6", udp_connected_talk, FLAVOUR_V6 },
        { "connected UDP over IPv4 through IPv6 sockets counts once", udp_connected_talk, FLAVOUR_MAPPED },
        { "unconnected UDP over IPv4", udp_unconnected_talk, FLAVOUR_V4 },
        { "unconnected UDP over IPv6", udp_unconnected_talk, FLAVOUR_V6 },
        { "unconnected UDP over IPv4 through IPv6 sockets counts once", udp_unconnected_talk, FLAVOUR_MAPPED },
        { "a transfer of 128 MB over one connection", tcp_bulk, 128 },
        { "500 connections, one after the other, are closed on both sides", tcp_cycles, 500 },
        { "a half-closed connection goes on in the other direction", tcp_half_close, 0 },
        { "bytes that nobody read do not count as read, whoever says FIN", tcp_unread, 0 },
        { "bytes in a full send buffer count as written", tcp_full_buffer, 0 },
        { "a connection cut by SO_LINGER 0 keeps its counts", tcp_reset_by_linger, 0 },
        { "a socket that connects again after AF_UNSPEC goes on counting", tcp_disconnect_and_reuse, 0 },
        { "writev, readv, write and read count as one call each", tcp_vectors, 0 },
        { "MSG_PEEK on TCP is not traffic", tcp_peek, 0 },
        { "TCP bytes discarded with MSG_TRUNC count as read", tcp_truncate, 0 },
        { "datagrams of zero bytes are calls without bytes", udp_empty_datagrams, 0 },
        { "a datagram cut by a short buffer counts with what was copied", udp_short_buffers, 0 },
        { "MSG_TRUNC on UDP counts what was copied, not what was returned", udp_truncate, 0 },
        { "MSG_PEEK on UDP is not traffic", udp_peek, 0 },
        { "corked UDP counts each call that adds to the datagram", udp_corked, 0 },
        { "sendmmsg and recvmmsg count each message", udp_batches, 0 },
        { "UDP segmentation: one call sends many datagrams", udp_segments, 0 },
        { "UDP segmentation and coalescing: one call on each side", udp_segments, 1 },
};

const size_t n_scenarios = sizeof(scenarios) / sizeof(*scenarios);
