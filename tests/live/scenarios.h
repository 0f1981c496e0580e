/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_SCENARIOS_H
#define SOCKTALLY_LIVE_SCENARIOS_H
/*
 * Every scenario's function, by file, and the table that gives each its sentence. A function is a small play: it
 * starts players, may check halfway, and returns; scene_play() does the comparison at the end. To add one: write it,
 * declare it here, give it a line in table.c.
 */
#include "tests/live/compare.h"
#include "tests/live/moves.h"
#include "tests/live/scene.h"

typedef void scenario_function(struct scene *scene, int argument);

extern const struct scenario scenarios[];
extern const size_t n_scenarios;

/* tcp.c: how the last of three connections ends, and whether the daemon is asked in between */
enum reuse { REUSE, REUSE_TO_THE_END, REUSE_LOOK };
scenario_function tcp_talk, tcp_bulk, tcp_cycles, tcp_half_close, tcp_unread, tcp_full_buffer,
        tcp_reset_by_linger, tcp_disconnect_and_reuse, tcp_both_shut_down, tcp_vectors, tcp_peek, tcp_truncate;

/* udp.c */
enum truncation { TRUNCATE_RECV, TRUNCATE_RECVMSG, TRUNCATE_EMPTY };
scenario_function udp_connected_talk, udp_unconnected_talk, udp_empty_datagrams, udp_short_buffers,
        udp_truncate, udp_peek, udp_corked, udp_batches, udp_short_batches, udp_segments, udp_flood,
        udp_other_peers, udp_broadcast;

/* scope.c: which addresses */
enum encounter_name {
        SCOPE_LOOPBACK, SCOPE_LOOPBACK_OTHER, SCOPE_LOOPBACK_V6, SCOPE_LOOPBACK_MAPPED, SCOPE_OWN, SCOPE_OWN_FROM_OTHER,
        SCOPE_OWN_V6, SCOPE_TEN, SCOPE_172, SCOPE_172_BEYOND, SCOPE_192, SCOPE_LINK_LOCAL, SCOPE_SHARED, SCOPE_PUBLIC,
        SCOPE_PUBLIC_MAPPED, SCOPE_PRIVATE_MAPPED, SCOPE_LINK_LOCAL_V6, SCOPE_UNIQUE_LOCAL, SCOPE_PUBLIC_V6,
};
scenario_function scope_encounter, scope_groups, scope_turns, scope_unknown;

/* many.c */
scenario_function many_threads_one_tcp, many_threads_one_udp, many_threads_own_sockets, many_sockets,
        many_churn, many_endings, many_processes;

/* share.c */
enum passing { PASSED_UNUSED, PASSED_USED, PASSED_LATE };
scenario_function share_tcp, share_tcp_both_ways, share_udp, share_passed, share_accept_in_parent,
        share_listener, share_parent_exits, share_dropped;

/* pages.c */
scenario_function pages_sendfile, pages_splice_out, pages_splice_in, pages_splice_udp, pages_zerocopy_send,
        pages_zerocopy_receive, pages_beyond_4_gib;

/* fail.c */
scenario_function fail_tcp, fail_udp, fail_storm, fail_error_queue, fail_urgent, fail_unix, fail_reset;

/* process.c */
/* What process_exec's player runs after exec. Returns an exit status. */
int exec_again(int fd, int control);
scenario_function process_brief, process_burst, process_exec, process_leader_ends;

/* connect.c */
scenario_function connect_refused, connect_slowly, connect_given_up, connect_timed_out, connect_interrupted,
        connect_passed, connect_prefork, connect_not_accepted, connect_over_before_accept;

/* identity.c: bits, what changes and when */
enum identity_change { IDENTITY_NAME = 1, IDENTITY_USER = 2, IDENTITY_IDLE = 4 };
scenario_function identity_changes;

/* early.c: where the sockets are that nobody holds when the daemon starts */
enum travel { TRAVEL_HERE, TRAVEL_FROM_HOST, TRAVEL_FROM_CONTAINER };
scenario_function early_sockets, early_shared, early_under_way, early_travellers;

/* idle.c: bits */
enum idleness { IDLE_UDP = 1, IDLE_USED = 2 };
scenario_function idle_holders, idle_hoard;

/* place.c */
scenario_function place_network_tcp, place_network_udp, place_twins, place_pid_namespace, place_cgroups;

/* other.c: ping's kind is 1 for IPv6, plus 2 for a raw socket */
scenario_function other_ping, other_raw, other_protocol, other_packet;

/* mptcp.c: bits, which ends speak it */
enum mptcp_end { MPTCP_SERVER = 1, MPTCP_CLIENT = 2 };
scenario_function mptcp_talk;

/* handshake.c: does the sender disconnect, and does the daemon count before? */
enum lossy { LOSSY_HELD, LOSSY_LOOK, LOSSY_DISCONNECT };
scenario_function handshake_lost_data, handshake_lost_syn, handshake_fast_open, handshake_self_connect,
        handshake_change_family;

/* descriptor.c: a long call waits that many milliseconds for its reader */
scenario_function descriptor_dup, descriptor_first_calls, descriptor_long_call, descriptor_heirs,
        descriptor_common_table, descriptor_killed, descriptor_interrupted, descriptor_reuse_port;

/* kernel.c */
scenario_function kernel_sockets;

/* ring.c */
enum ring_kind { RING_PLAIN, RING_WORKERS, RING_REGISTERED, RING_WAITING, RING_INSIDE };
scenario_function ring_talk, ring_inside;

/* rival.c */
scenario_function rival_churn;

/* limits.c */
scenario_function limits_overflow, limits_rowless;

#endif
