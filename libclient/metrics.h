/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_METRICS_H
#define SOCKTALLY_METRICS_H
/*
 * Every counter that Socktally keeps, once. The kernel's rows, the segment's columns, the JSON keys and the manual's
 * table are all made from this list. Append only: the first argument is the permanent field id, and the order is the
 * order in memory.
 *
 *   X(id, name, kind, unit, module, mode, help)
 *
 * kind: COUNTER only grows; GAUGE is a current value. mode: the least load mode in which it is known.
 *
 * And every module, which can be counted or left alone, as X(NUMBER, name) in the order of their numbers. Metrics of a
 * module that is not there are not counted.
 */
#define SOCKTALLY_MODULES(X)                                                                                           \
        X(TCP, tcp)                                                                                                    \
        X(UDP, udp)                                                                                                    \
        X(CONNECT, connect)

/* Where the peer of a socket is. Bytes are told apart by it: those of the four scopes add up to the counter that they
 * are of, in each row. */
#define SOCKTALLY_SCOPES(X) X(unknown) X(host) X(private) X(internet)

/* The counters that are told apart. */
#define SOCKTALLY_SCOPED(X)                                                                                            \
        X(tcp_tx_bytes) X(tcp_rx_bytes) X(udp_tx_bytes) X(udp_rx_bytes) X(other_tx_bytes) X(other_rx_bytes)

#define SOCKTALLY_SCOPED_METRICS(X, id, of, module)                                                                    \
        X(id, of##_unknown, COUNTER, "bytes", module, PASSIVE, "of " #of ": no hook knows the peer")                   \
        X(id + 1, of##_host, COUNTER, "bytes", module, PASSIVE, "of " #of ": the peer is this host")                   \
        X(id + 2, of##_private, COUNTER, "bytes", module, PASSIVE, "of " #of ": private and link-local networks")      \
        X(id + 3, of##_internet, COUNTER, "bytes", module, PASSIVE, "of " #of ": the peer is anywhere else")

#define SOCKTALLY_METRICS(X)                                                                                           \
        X(1, tcp_tx_bytes, COUNTER, "bytes", tcp, PASSIVE, "TCP payload written by the process")                       \
        X(2, tcp_rx_bytes, COUNTER, "bytes", tcp, PASSIVE, "TCP payload read by the process")                          \
        X(3, tcp_tx_calls, COUNTER, "calls", tcp, ENTRY, "calls that send on a TCP socket")                            \
        X(4, tcp_rx_calls, COUNTER, "calls", tcp, ENTRY, "calls that receive on a TCP socket")                         \
        X(5, tcp_tx_errors, COUNTER, "calls", tcp, RETURN, "sending calls on TCP sockets that failed")                 \
        X(6, tcp_rx_errors, COUNTER, "calls", tcp, RETURN, "receiving calls on TCP sockets that failed")               \
        X(7, tcp_closes, COUNTER, "connections", tcp, PASSIVE, "established TCP connections that the process closed")  \
        X(8, tcp_retransmits, COUNTER, "segments", tcp, PASSIVE, "TCP segments sent again")                            \
        X(9, tcp_connects_v4, COUNTER, "connections", connect, PASSIVE, "outbound TCP connections over IPv4")          \
        X(10, tcp_connects_v6, COUNTER, "connections", connect, PASSIVE, "outbound TCP connections over IPv6")         \
        X(11, tcp_accepts_v4, COUNTER, "connections", connect, PASSIVE, "accepted TCP connections over IPv4")          \
        X(12, tcp_accepts_v6, COUNTER, "connections", connect, PASSIVE, "accepted TCP connections over IPv6")          \
        X(13, tcp_connect_failures, COUNTER, "connections", connect, PASSIVE, "outbound TCP connections that failed")  \
        X(14, tcp_resets_sent, COUNTER, "segments", quality, PASSIVE, "TCP resets sent")                               \
        X(15, tcp_resets_received, COUNTER, "segments", quality, PASSIVE, "TCP resets received")                       \
        X(16, tcp_rtt_us, GAUGE, "microseconds", quality, PASSIVE, "smoothed round trip of the busiest connection")    \
        X(17, udp_tx_bytes, COUNTER, "bytes", udp, PASSIVE, "UDP payload sent by the process")                         \
        X(18, udp_rx_bytes, COUNTER, "bytes", udp, PASSIVE, "UDP payload received by the process")                     \
        X(19, udp_tx_calls, COUNTER, "calls", udp, PASSIVE, "calls that send on a UDP socket")                         \
        X(20, udp_rx_calls, COUNTER, "calls", udp, PASSIVE, "calls that receive on a UDP socket")                      \
        X(21, udp_tx_errors, COUNTER, "calls", udp, RETURN, "sending calls on UDP sockets that failed")                \
        X(22, udp_rx_errors, COUNTER, "calls", udp, RETURN, "receiving calls on UDP sockets that failed")              \
        X(23, udp_rx_drops, COUNTER, "datagrams", udp, PASSIVE, "datagrams the kernel dropped at a UDP socket")        \
        X(24, other_tx_bytes, COUNTER, "bytes", udp, PASSIVE, "payload sent on raw, ICMP and other inet sockets")      \
        X(25, other_rx_bytes, COUNTER, "bytes", udp, PASSIVE, "payload received on raw, ICMP and other inet sockets")  \
        X(26, tcp_connect_refused, COUNTER, "connections", connect, PASSIVE, "of these failures: refused by the peer") \
        X(27, tcp_connect_timed_out, COUNTER, "connections", connect, PASSIVE, "of these failures: no answer in time") \
        X(28, tcp_connect_unreachable, COUNTER, "connections", connect, PASSIVE, "of these failures: no way there")    \
        X(29, tcp_connect_reset, COUNTER, "connections", connect, PASSIVE, "of these failures: reset by the peer")     \
        X(30, tcp_connect_other, COUNTER, "connections", connect, PASSIVE, "of these failures: given up, or other")    \
        X(31, tcp_connect_us, GAUGE, "microseconds", connect, PASSIVE, "time to connect of the latest one")            \
        X(32, tcp_connect_le_1ms, COUNTER, "connections", connect, PASSIVE, "time to connect up to 1 ms")              \
        X(33, tcp_connect_le_4ms, COUNTER, "connections", connect, PASSIVE, "time to connect over 1 to 4 ms")          \
        X(34, tcp_connect_le_16ms, COUNTER, "connections", connect, PASSIVE, "time to connect over 4 to 16 ms")        \
        X(35, tcp_connect_le_64ms, COUNTER, "connections", connect, PASSIVE, "time to connect over 16 to 64 ms")       \
        X(36, tcp_connect_le_256ms, COUNTER, "connections", connect, PASSIVE, "time to connect over 64 to 256 ms")     \
        X(37, tcp_connect_le_1s, COUNTER, "connections", connect, PASSIVE, "time to connect over 256 ms to 1 s")       \
        X(38, tcp_connect_le_4s, COUNTER, "connections", connect, PASSIVE, "time to connect over 1 to 4 s")            \
        X(39, tcp_connect_over_4s, COUNTER, "connections", connect, PASSIVE, "time to connect over 4 s")               \
        SOCKTALLY_SCOPED_METRICS(X, 40, tcp_tx_bytes, tcp)                                                             \
        SOCKTALLY_SCOPED_METRICS(X, 44, tcp_rx_bytes, tcp)                                                             \
        SOCKTALLY_SCOPED_METRICS(X, 48, udp_tx_bytes, udp)                                                             \
        SOCKTALLY_SCOPED_METRICS(X, 52, udp_rx_bytes, udp)                                                             \
        SOCKTALLY_SCOPED_METRICS(X, 56, other_tx_bytes, udp)                                                           \
        SOCKTALLY_SCOPED_METRICS(X, 60, other_rx_bytes, udp)

enum socktally_metric {
#define X(id, name, kind, unit, module, mode, help) SOCKTALLY_METRIC_##name,
        SOCKTALLY_METRICS(X)
#undef X
        SOCKTALLY_N_METRICS
};

#endif
