/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A descriptor is not a socket, and a socket is not a process: duplicates, tables of descriptors that two processes
 * have in common, calls that stay in the kernel for long while others look, processes killed in the middle of one.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/scenarios.h"
#include "tests/live/threads.h"

enum { INSIDE = LISTENING + 1, CHECKED, DONE, READ };
enum { SHARED_FD = PORT + 1 };

#define N_ROUNDS 100

static void duplicator(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4), twin = NEED(player, fcntl(fd, F_DUPFD_CLOEXEC, 0));

        send_all(player, fd, 1000);
        send_all(player, twin, 2000);
        NEED(player, close(fd));
        recv_exactly(player, twin, 300);
        event_raise(player->scene, INSIDE);
        event_wait(player->scene, CHECKED, 1);
        tcp_hang_up(player, twin);
}

static void duplicator_peer(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_exactly(player, fd, 3000);
        send_all(player, fd, 300);
        event_wait(player->scene, CHECKED, 1);
        recv_to_end(player, fd);
        tcp_hang_up(player, fd);
}

void descriptor_dup(struct scene *scene, int unused) {
        struct player *player;

        player_start(scene, "lv-dup-peer", duplicator_peer);
        player = player_start(scene, "lv-dup", duplicator);
        event_wait(scene, INSIDE, 1);
        scene_compare(scene);
        event_raise(scene, CHECKED);
        scene_wait_done(scene);
        expect(player, tcp_closes, 1);
}

static void first_send(const struct thread *thread) {
        send_all(thread->player, thread->fd, 10);
}

static void first_recv(const struct thread *thread) {
        recv_exactly(thread->player, thread->fd, 10);
}

/* Eight threads make the very first calls on a socket together, again and again. */
static void first_callers(struct player *player) {
        for (int i = 0; i < N_ROUNDS; i++) {
                uint64_t port;
                int fd = udp_bound(player, FLAVOUR_V4, &port), to = udp_connected(player, FLAVOUR_V4, port);

                threads_run(player, 8, to, first_send);
                threads_run(player, 8, fd, first_recv);
                close(fd);
                close(to);
        }
}

void descriptor_first_calls(struct scene *scene, int unused) {
        struct player *player = player_start(scene, "lv-first-calls", first_callers);

        scene_wait_done(scene);
        expect(player, udp_rx_calls, N_ROUNDS * 8);
}

static void long_child(struct player *player) {
        event_raise(player->scene, INSIDE);
        send_at_once(player, (int) player->scene->numbers[SHARED_FD]);
}

static void long_parent(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        send_all(player, fd, 1000);
        player->scene->numbers[SHARED_FD] = (uint64_t) fd;
        player_wait_done(player_start(player->scene, "lv-long-child", long_child));
        NEED(player, shutdown(fd, SHUT_WR));
}

static void slow_reader(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_exactly(player, fd, 1000);
        event_wait(player->scene, READ, 1);
        recv_to_end(player, fd);
}

/* The owner of the connection is idle while its child is in the middle of a call, for longer than a daemon may care to
 * wait; that call is the child's alone. */
void descriptor_long_call(struct scene *scene, int wait_msec) {
        struct player *parent;

        scene_shares_tcp(scene);
        player_start(scene, "lv-slow-reader", slow_reader);
        parent = player_start(scene, "lv-long-parent", long_parent);
        event_wait(scene, INSIDE, 1);
        poll(NULL, 0, wait_msec);
        event_raise(scene, READ);
        scene_wait_done(scene);
        expect(parent, tcp_tx_bytes, 1000);
}

static void heir_in_call(struct player *player) {
        player->open = 1; /* one of the heirs closes it */
        event_wait(player->scene, INSIDE, 1);
        send_at_once(player, (int) player->scene->numbers[SHARED_FD]);
        event_wait(player->scene, DONE, 1);
        NEED(player, shutdown((int) player->scene->numbers[SHARED_FD], SHUT_WR));
}

static void heir_at_leisure(struct player *player) {
        int fd = (int) player->scene->numbers[SHARED_FD];

        event_wait(player->scene, INSIDE, 1);
        recv_exactly(player, fd, 100);
        event_raise(player->scene, READ);
        send_all(player, fd, 3000);
        event_raise(player->scene, DONE);
}

static void testator(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        send_all(player, fd, 1000);
        player->scene->numbers[SHARED_FD] = (uint64_t) fd;
        player_start(player->scene, "lv-heir-in-call", heir_in_call);
        player_start(player->scene, "lv-heir-other", heir_at_leisure);
        player->open = 0;
}

static void heirs_peer(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        recv_exactly(player, fd, 1000);
        wait_readable(player, fd);
        send_all(player, fd, 100);
        event_wait(player->scene, READ, 1);
        recv_to_end(player, fd);
}

/* The owner of the connection is gone, one child is in the middle of a call, and the other makes the next that ends. */
void descriptor_heirs(struct scene *scene, int unused) {
        struct player *owner;

        scene_shares_tcp(scene);
        player_start(scene, "lv-heirs-peer", heirs_peer);
        owner = player_start_brief(scene, "lv-testator", testator);
        player_wait_exit(owner);
        event_raise(scene, INSIDE);
        scene_wait_done(scene);
        expect(owner, tcp_tx_bytes, 1000);
}

/* Two processes with one table of descriptors: the file has one reference, and two users all the same. */
static void table_child(struct player *player) {
        event_wait(player->scene, INSIDE, 1);
        for (int i = 0; i < 50; i++)
                send_all(player, (int) player->scene->numbers[SHARED_FD], 700);
        send_at_once(player, (int) player->scene->numbers[SHARED_FD]);
}

static void table_parent(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);
        struct player *child;

        send_all(player, fd, 1000);
        player->scene->numbers[SHARED_FD] = (uint64_t) fd;
        child = player_start_sharing(player->scene, "lv-table-child", table_child);
        event_raise(player->scene, INSIDE);
        for (int i = 0; i < 50; i++)
                send_all(player, fd, 900);
        player_wait_done(child);
        NEED(player, shutdown(fd, SHUT_WR));
}

void descriptor_common_table(struct scene *scene, int wait_msec) {
        struct player *parent;

        scene_shares_tcp(scene);
        player_start(scene, "lv-slow-reader", slow_reader);
        parent = player_start(scene, "lv-table-parent", table_parent);
        event_wait(scene, INSIDE, 1);
        poll(NULL, 0, wait_msec);
        event_raise(scene, READ);
        scene_wait_done(scene);
        expect(parent, tcp_tx_bytes, 1000 + 50 * 900);
}

/* Killed while it waits in send: what had been written by then is its own, and arrives. */
static void doomed(struct player *player) {
        static char bytes[LONG_CALL];
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        event_raise(player->scene, INSIDE);
        send(fd, bytes, sizeof(bytes), 0);
        scene_fail(player->scene, "the call should not have returned");
}

static void survivor(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        event_wait(player->scene, READ, 1);
        recv_to_end(player, fd);
}

void descriptor_killed(struct scene *scene, int unused) {
        struct player *peer = player_start(scene, "lv-survivor", survivor), *victim;

        victim = player_start(scene, "lv-doomed", doomed);
        event_wait(scene, INSIDE, 1);
        poll(NULL, 0, 300);
        kill(victim->pid, SIGKILL);
        waitpid(victim->pid, NULL, 0);
        victim->is_done = 1;
        event_raise(scene, READ);
        scene_wait_done(scene);
        victim->moved[SOCKTALLY_METRIC_tcp_tx_bytes] = peer->moved[SOCKTALLY_METRIC_tcp_rx_bytes];
        victim->moved[SOCKTALLY_METRIC_tcp_tx_bytes_host] = victim->moved[SOCKTALLY_METRIC_tcp_tx_bytes];
        victim->moved[SOCKTALLY_METRIC_tcp_closes] = 1;
        victim->unsure |= METRIC_BIT(tcp_tx_calls);
        if (peer->moved[SOCKTALLY_METRIC_tcp_rx_bytes] == 0)
                scene_fail(scene, "nothing arrived");
}

static void no_action(int signal_number) {
}

/* A call that a signal ends has moved nothing and is made again, by the kernel or by whoever made it. */
static void interrupted(struct player *player) {
        struct sigaction action = { .sa_handler = no_action, .sa_flags = player->scene->argument ? SA_RESTART : 0 };
        int fd = tcp_dial_one(player, FLAVOUR_V4);
        uint64_t port;
        int udp = udp_bound(player, FLAVOUR_V4, &port);
        struct address self;
        char byte;

        NEED(player, sigaction(SIGUSR1, &action, NULL));
        address_of(&self, FLAVOUR_V4, (uint16_t) port);
        player->scene->numbers[PORT] = port;
        event_raise(player->scene, INSIDE);
        if (player->scene->argument)
                got(player, fd, recv(fd, &byte, 1, 0));
        else if (got(player, udp, recv(udp, &byte, 1, 0)) >= 0 || errno != EINTR)
                scene_fail(player->scene, "recv was not interrupted");
        NEED(player, sent(player, udp, sendto(udp, &byte, 0, 0, (struct sockaddr *) &self.storage, self.size)));
        event_raise(player->scene, DONE);
}

static void interrupted_peer(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        event_wait(player->scene, READ, 1);
        send_all(player, fd, 1);
}

/* There is no event for "waits inside recv": the state in /proc is asked until it is "S". */
static void wait_asleep(struct scene *scene, pid_t pid) {
        char path[40], line[200], state = 'R';

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        for (int i = 0; i < 5 || state != 'S'; i++) {
                FILE *file = fopen(path, "re");

                if (!file || !fgets(line, sizeof(line), file) || sscanf(strrchr(line, ')') + 1, " %c", &state) != 1)
                        scene_fail(scene, "cannot read %s: %s", path, strerror(errno));
                fclose(file);
                poll(NULL, 0, 10);
        }
}

void descriptor_interrupted(struct scene *scene, int with_restart) {
        struct player *player;

        player_start(scene, "lv-int-peer", interrupted_peer);
        player = player_start(scene, "lv-interrupted", interrupted);
        event_wait(scene, INSIDE, 1);
        wait_asleep(scene, player->pid);
        kill(player->pid, SIGUSR1);
        wait_asleep(scene, player->pid);
        event_raise(scene, READ);
        scene_wait_done(scene);
        expect(player, tcp_rx_calls, with_restart);
        expect(player, udp_rx_calls, 0);
        expect(player, udp_tx_calls, 1);
        expect(player, udp_rx_errors, 0);
        expect(player, tcp_rx_errors, 0);
}

/* Several processes with a socket each on one port: the kernel spreads the datagrams, each counts its own. */
static void port_member(struct player *player) {
        struct address address;
        int fd = NEED(player, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        char buffer[200];

        set_option(player, fd, SOL_SOCKET, SO_REUSEPORT, 1);
        address_of(&address, FLAVOUR_V4, (uint16_t) player->scene->numbers[PORT]);
        NEED(player, bind(fd, (struct sockaddr *) &address.storage, address.size));
        event_raise(player->scene, LISTENING);
        event_wait(player->scene, READ, 1);
        while (got(player, fd, recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) >= 0)
                continue;
}

static void group_sender(struct player *player) {
        event_wait(player->scene, LISTENING, 4);
        for (size_t i = 0; i < 100; i++) {
                int fd = udp_connected(player, FLAVOUR_V4, player->scene->numbers[PORT]);

                send_all(player, fd, 1 + i);
                close(fd);
        }
        event_raise(player->scene, READ);
}

void descriptor_reuse_port(struct scene *scene, int unused) {
        struct player *sender;
        uint64_t total = 0;

        scene_own_network(scene);
        scene->numbers[PORT] = 4713;
        for (unsigned int i = 0; i < 4; i++)
                player_start_numbered(scene, "lv-reuseport", i, port_member);
        sender = player_start(scene, "lv-reuse-send", group_sender);
        scene_wait_done(scene);
        expect(sender, udp_tx_bytes, 5050);
        for (unsigned int i = 0; i < 4; i++)
                total += scene->players[i].moved[SOCKTALLY_METRIC_udp_rx_bytes];
        if (total != 5050)
                scene_fail(scene, "%llu of 5050 bytes arrived", (unsigned long long) total);
}
