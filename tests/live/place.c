/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a process is must not matter: network namespaces, where the same addresses and ports exist again, PID
 * namespaces, where it has another number, and cgroups, between which it moves.
 */
#include <fcntl.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/live/scenarios.h"

enum { READY = 1, CHECKED };
enum { TCP_PORT = 4711, UDP_PORT = 4712 };

void place_network_tcp(struct scene *scene, int flavour) {
        scene_own_network(scene);
        tcp_talk(scene, flavour);
}

void place_network_udp(struct scene *scene, int flavour) {
        scene_own_network(scene);
        udp_unconnected_talk(scene, flavour);
}

static int socket_at(struct player *player, int type, uint16_t port) {
        struct address address;
        int fd = NEED(player, socket(AF_INET, type | SOCK_CLOEXEC, 0));

        address_of(&address, FLAVOUR_V4, port);
        set_option(player, fd, SOL_SOCKET, SO_REUSEADDR, 1);
        NEED(player, bind(fd, (struct sockaddr *) &address.storage, address.size));
        return fd;
}

/* Talks to itself on fixed ports in a network of its own; how much depends on which twin it is. */
static void twin(struct player *player) {
        size_t unit = (size_t) (player - player->scene->players + 1) * 100;
        int listener, tcp, peer, udp, other;

        scene_own_network(player->scene);
        listener = socket_at(player, SOCK_STREAM, TCP_PORT);
        NEED(player, listen(listener, 10));
        tcp = tcp_dial(player, FLAVOUR_V4, TCP_PORT);
        peer = tcp_answer(player, listener);
        udp = socket_at(player, SOCK_DGRAM, UDP_PORT);
        other = udp_connected(player, FLAVOUR_V4, UDP_PORT);
        event_raise(player->scene, READY);
        event_wait(player->scene, READY, 3);
        for (int i = 0; i < 20; i++) {
                send_all(player, tcp, 3 * unit);
                recv_exactly(player, peer, 3 * unit);
                send_all(player, other, unit);
                recv_exactly(player, udp, unit);
        }
}

void place_twins(struct scene *scene, int unused) {
        for (unsigned int i = 0; i < 3; i++)
                player_start_numbered(scene, "lv-twin", i, twin);
        scene_wait_done(scene);
        expect(&scene->players[2], tcp_rx_bytes, 20 * 900);
        expect(&scene->players[2], udp_rx_bytes, 20 * 300);
}

static void talk_alone(struct player *player, size_t unit) {
        uint64_t port;
        int udp = udp_bound(player, FLAVOUR_V4, &port), other = udp_connected(player, FLAVOUR_V4, port);

        send_all(player, other, unit);
        recv_exactly(player, udp, unit);
        close(udp);
        close(other);
}

static void inner(struct player *player) {
        if (getpid() != 1)
                scene_fail(player->scene, "no PID namespace of its own");
        talk_alone(player, 777);
}

static void outer(struct player *player) {
        if (unshare(CLONE_NEWPID) < 0)
                scene_skip(player->scene, "no PID namespace: %s", strerror(errno));
        player_wait_done(player_start(player->scene, "lv-inner", inner));
}

void place_pid_namespace(struct scene *scene, int unused) {
        player_start(scene, "lv-outer", outer);
}

/* Where cgroup v2 is mounted; a private mount if it is not. */
static void find_cgroups(struct scene *scene, char *path, size_t size) {
        FILE *mounts = setmntent("/proc/self/mounts", "r");
        struct mntent *entry = NULL;

        while (mounts && (entry = getmntent(mounts)) != NULL)
                if (strcmp(entry->mnt_type, "cgroup2") == 0)
                        break;
        if (entry)
                snprintf(path, size, "%s", entry->mnt_dir);
        if (mounts)
                endmntent(mounts);
        if (entry)
                return;
        snprintf(path, size, "%s", "/sys/fs/cgroup");
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("cgroup2", path, "cgroup2", 0, NULL) < 0)
                scene_skip(scene, "no cgroup v2 here: %s", strerror(errno));
}

static void make_cgroup(struct scene *scene, size_t number) {
        char root[64];

        find_cgroups(scene, root, sizeof(root));
        snprintf(scene->leftovers[number], sizeof(scene->leftovers[number]), "%s/socktally-live-%d-%zu", root, getpid(),
                 number);
        if (mkdir(scene->leftovers[number], 0755) < 0)
                scene_skip(scene, "cannot make a cgroup in %s: %s", root, strerror(errno));
}

static void enter_cgroup(struct player *player, size_t number) {
        char path[160];
        int fd;

        snprintf(path, sizeof(path), "%s/cgroup.procs", player->scene->leftovers[number]);
        fd = NEED(player, open(path, O_WRONLY | O_CLOEXEC));
        NEED(player, write(fd, "0", 1));
        close(fd);
}

static void mover(struct player *player) {
        struct scene *scene = player->scene;
        uint64_t udp_port, tcp_port;
        int udp, other, tcp, peer, listener;

        enter_cgroup(player, 0);
        udp = udp_bound(player, FLAVOUR_V4, &udp_port);
        other = udp_connected(player, FLAVOUR_V4, udp_port);
        listener = tcp_listener(player, FLAVOUR_V4, &tcp_port);
        tcp = tcp_dial(player, FLAVOUR_V4, tcp_port);
        peer = tcp_answer(player, listener);
        for (uint32_t round = 0; round < 3; round++) {
                send_all(player, other, 100);
                recv_exactly(player, udp, 100);
                send_all(player, tcp, 1000);
                recv_exactly(player, peer, 1000);
                talk_alone(player, 50);
                event_raise(scene, READY);
                event_wait(scene, CHECKED, round + 1);
                enter_cgroup(player, (round + 1) % 2);
        }
        tcp_hang_up(player, tcp);
}

/* Each round is checked in the cgroup in which it happened, and again after the next move. */
void place_cgroups(struct scene *scene, int unused) {
        struct player *player;

        make_cgroup(scene, 0);
        make_cgroup(scene, 1);
        player = player_start_brief(scene, "lv-mover", mover);
        for (uint32_t round = 0; round < 3; round++) {
                event_wait(scene, READY, round + 1);
                scene_compare(scene);
                event_raise(scene, CHECKED);
        }
        player_wait_exit(player);
        expect(player, udp_rx_bytes, 450);
        expect(player, tcp_rx_bytes, 3000);
}
