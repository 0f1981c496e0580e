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
void udp_truncate(struct scene *scene, int unused);
void udp_peek(struct scene *scene, int unused);
void udp_corked(struct scene *scene, int unused);
void udp_batches(struct scene *scene, int unused);
void udp_segments(struct scene *scene, int with_gro);

#endif
