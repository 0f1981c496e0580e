/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets of the kernel itself. A file system that is mounted over the network connects from inside the kernel: the
 * process that calls mount(2) lends it the context to connect and to send, a kernel thread receives, and neither pays.
 * The server is a player, which keeps the books of both ends: what it received the kernel sent, and the reverse.
 *
 * The kernel's row must be right while the connection lives, and still be when it is gone. Nobody else may use sockets
 * of the kernel meanwhile: needs CIFS loaded, as in tests/guest, and is skipped elsewhere.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "libclient/socktally.h"
#include "tests/live/scenarios.h"
#include "tests/live/watch.h"

enum { ASKED = LISTENING + 1, COMPARED };

#define N_ALIVE 10
#define PATIENCE_NS UINT64_C(10000000000) /* CIFS waits twice as long for an answer before it closes the connection */

/* Takes the question with which a connection begins, and says nothing to it but that it is still there. */
static void smb_server(struct player *player) {
        static const unsigned char alive[4] = { 0x85 }; /* RFC 1002, 4.3.7: a message without a body */
        int fd = tcp_serve_one(player, FLAVOUR_V4);
        uint32_t size;

        NEED(player, got(player, fd, recv(fd, &size, sizeof(size), MSG_WAITALL)));
        recv_exactly(player, fd, ntohl(size) & 0xffffff);
        for (int i = 0; i < N_ALIVE; i++)
                NEED(player, sent(player, fd, send(fd, alive, sizeof(alive), 0)));
        wait_acknowledged(player, fd);
        event_raise(player->scene, ASKED);
        event_wait(player->scene, COMPARED, 1);
        tcp_hang_up(player, fd);
}

/* Waits inside mount(2) for an answer, until the server hangs up. */
static void mounter(struct player *player) {
        char options[128];

        event_wait(player->scene, LISTENING, 1);
        snprintf(options, sizeof(options), "ip=127.0.0.1,port=%u,username=u,password=p,vers=3.0",
                 (unsigned int) player->scene->numbers[PORT]);
        if (mount("//127.0.0.1/share", "/tmp", "cifs", 0, options) == 0 || event_has(player->scene, ASKED))
                return;
        if (errno == ENODEV)
                scene_skip(player->scene, "this kernel has no CIFS");
        scene_fail(player->scene, "CIFS did not ask the server anything: %s", strerror(errno));
}

static uint64_t boottime_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static void kernel_row(struct scene *scene, struct watch *watch, struct sighting *ret_seen) {
        if (watch_until(watch, boottime_ns()) < 0)
                scene_fail(scene, "%s", watch_problem(watch));
        watch_special(watch, SOCKTALLY_ROW_KERNEL, ret_seen);
}

/* The server knows what arrived in the kernel, but not when the kernel thread has read it. */
static void compare_row(struct scene *scene, struct watch *watch, const struct player *server,
                        const struct sighting *before) {
        uint64_t deadline = boottime_ns() + PATIENCE_NS, tx, rx;
        uint64_t rx_of_server = server->moved[SOCKTALLY_METRIC_tcp_rx_bytes];
        uint64_t tx_of_server = server->moved[SOCKTALLY_METRIC_tcp_tx_bytes];
        struct sighting now;

        do {
                kernel_row(scene, watch, &now);
                tx = now.counters[SOCKTALLY_METRIC_tcp_tx_bytes] - before->counters[SOCKTALLY_METRIC_tcp_tx_bytes];
                rx = now.counters[SOCKTALLY_METRIC_tcp_rx_bytes] - before->counters[SOCKTALLY_METRIC_tcp_rx_bytes];
                if (tx == rx_of_server && rx == tx_of_server)
                        return;
        } while (boottime_ns() < deadline);
        scene_fail(scene, "the kernel sent %llu and received %llu bytes, its row holds %llu and %llu",
                   (unsigned long long) rx_of_server, (unsigned long long) tx_of_server, (unsigned long long) tx,
                   (unsigned long long) rx);
}

void kernel_sockets(struct scene *scene, int unused) {
        struct player *server, *client;
        struct sighting before;
        struct watch *watch;

        if (!scene->bill.runtime_directory)
                scene_skip(scene, "needs a daemon");
        if (access("/sys/module/cifs", F_OK) < 0)
                scene_skip(scene, "CIFS is not loaded here");
        scene_take_turns(scene, true);
        if (watch_open(&watch, scene->bill.runtime_directory) < 0)
                scene_fail(scene, "cannot read from the daemon: %s", strerror(errno));
        kernel_row(scene, watch, &before);
        server = player_start(scene, "lv-smb-server", smb_server);
        client = player_start(scene, "lv-smb-mounter", mounter);
        event_wait(scene, ASKED, 1);
        compare_row(scene, watch, server, &before);
        event_raise(scene, COMPARED);
        player_wait_done(server);
        player_wait_done(client);
        expect(server, tcp_tx_bytes, 4 * N_ALIVE);
        if (server->moved[SOCKTALLY_METRIC_tcp_rx_bytes] <= sizeof(uint32_t))
                scene_fail(scene, "CIFS asked nothing");
        compare_row(scene, watch, server, &before);
        watch_close(watch);
}
