/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_LIVE_SCENARIOS_H
#define SOCKTALLY_LIVE_SCENARIOS_H
/*
 * Every scenario's function, by file, and the table that gives each its sentence. A function is a small play: it starts
 * players, may check halfway, and returns; scene_play() does the comparison at the end. To add one: write it, declare it
 * here, give it a line in table.c.
 */
#include "tests/live/moves.h"
#include "tests/live/scene.h"

extern const struct scenario scenarios[];
extern const size_t n_scenarios;

/* tcp.c */
void tcp_talk(struct scene *scene, int flavour);
void tcp_bulk(struct scene *scene, int megabytes);
void tcp_cycles(struct scene *scene, int cycles);
void tcp_half_close(struct scene *scene, int unused);
void tcp_unread(struct scene *scene, int unused);
void tcp_full_buffer(struct scene *scene, int unused);
void tcp_reset_by_linger(struct scene *scene, int unused);
void tcp_disconnect_and_reuse(struct scene *scene, int unused);
void tcp_vectors(struct scene *scene, int unused);
void tcp_peek(struct scene *scene, int unused);
void tcp_truncate(struct scene *scene, int unused);

/* udp.c */
void udp_connected_talk(struct scene *scene, int flavour);
void udp_unconnected_talk(struct scene *scene, int flavour);
void udp_empty_datagrams(struct scene *scene, int unused);
void udp_short_buffers(struct scene *scene, int unused);
enum truncation { TRUNCATE_RECV, TRUNCATE_RECVMSG, TRUNCATE_EMPTY };
void udp_truncate(struct scene *scene, int how);
void udp_peek(struct scene *scene, int unused);
void udp_corked(struct scene *scene, int unused);
void udp_batches(struct scene *scene, int unused);
void udp_segments(struct scene *scene, int with_gro);
void udp_flood(struct scene *scene, int unused);
void udp_other_peers(struct scene *scene, int unused);

/* many.c */
void many_threads_one_tcp(struct scene *scene, int unused);
void many_threads_one_udp(struct scene *scene, int unused);
void many_threads_own_sockets(struct scene *scene, int unused);
void many_sockets(struct scene *scene, int unused);
void many_churn(struct scene *scene, int unused);
void many_processes(struct scene *scene, int seconds);

/* share.c */
void share_tcp(struct scene *scene, int processes);
void share_tcp_both_ways(struct scene *scene, int processes);
void share_udp(struct scene *scene, int processes);
void share_passed(struct scene *scene, int after_use);
void share_accept_in_parent(struct scene *scene, int unused);
void share_listener(struct scene *scene, int unused);
void share_parent_exits(struct scene *scene, int unused);

/* pages.c */
void pages_sendfile(struct scene *scene, int unused);
void pages_splice_out(struct scene *scene, int with_vmsplice);
void pages_splice_in(struct scene *scene, int unused);
void pages_splice_udp(struct scene *scene, int unused);
void pages_zerocopy_send(struct scene *scene, int unused);
void pages_zerocopy_receive(struct scene *scene, int unused);
void pages_beyond_4_gib(struct scene *scene, int unused);

/* fail.c */
void fail_tcp(struct scene *scene, int unused);
void fail_udp(struct scene *scene, int unused);
void fail_storm(struct scene *scene, int unused);
void fail_error_queue(struct scene *scene, int unused);
void fail_urgent(struct scene *scene, int how);
void fail_unix(struct scene *scene, int unused);
void fail_reset(struct scene *scene, int unused);

/* process.c */
void process_brief(struct scene *scene, int unused);
void process_early_sockets(struct scene *scene, int with_fin);
void process_exec(struct scene *scene, int unused);
/* What process_exec's player runs after exec. Returns an exit status. */
int exec_again(int fd, int control);

/* place.c */
void place_network_tcp(struct scene *scene, int flavour);
void place_network_udp(struct scene *scene, int flavour);
void place_twins(struct scene *scene, int unused);
void place_pid_namespace(struct scene *scene, int unused);
void place_cgroups(struct scene *scene, int unused);

/* other.c: ping's kind is 1 for IPv6, plus 2 for a raw socket */
void other_ping(struct scene *scene, int kind);
void other_raw(struct scene *scene, int unused);
void other_protocol(struct scene *scene, int protocol);
void other_mptcp(struct scene *scene, int unused);
void other_packet(struct scene *scene, int unused);

/* handshake.c */
void handshake_lost_data(struct scene *scene, int unused);
void handshake_lost_syn(struct scene *scene, int unused);
void handshake_fast_open(struct scene *scene, int unused);
void handshake_self_connect(struct scene *scene, int unused);
void handshake_change_family(struct scene *scene, int unused);

/* descriptor.c: a long call waits that many milliseconds for its reader */
void descriptor_dup(struct scene *scene, int unused);
void descriptor_first_calls(struct scene *scene, int unused);
void descriptor_long_call(struct scene *scene, int wait_msec);
void descriptor_common_table(struct scene *scene, int wait_msec);
void descriptor_killed(struct scene *scene, int unused);
void descriptor_interrupted(struct scene *scene, int with_restart);
void descriptor_reuse_port(struct scene *scene, int unused);

/* ring.c */
void ring_talk(struct scene *scene, int with_workers);

/* limits.c */
void limits_overflow(struct scene *scene, int of_sockets);

#endif
