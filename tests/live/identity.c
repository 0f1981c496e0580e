/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names and users as ps shows them, though no exec told of the change: prctl(), /proc/self/comm, setuid(). Of a process
 * that moves data at the next publication, of an idle one within ten seconds.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "libclient/socktally.h"
#include "tests/live/scenarios.h"

enum { MOVED = 1, SEEN, CHANGED };

#define OTHER_USER 1003
#define OTHER_NAME "lv-renamed"
#define PATIENCE_NS UINT64_C(10000000000)

static uint64_t boottime_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static void *rename_thread(void *unused) {
        prctl(PR_SET_NAME, "lv-a-thread");
        return unused;
}

static void change(struct player *player) {
        int kind = player->scene->argument, fd;
        pthread_t thread;

        if (kind & IDENTITY_NAME) {
                memset(player->comm, 0, sizeof(player->comm));
                strncpy(player->comm, OTHER_NAME, sizeof(player->comm) - 1);
        }
        if (kind & IDENTITY_NAME && kind & IDENTITY_IDLE) { /* the other way to rename a process */
                fd = NEED(player, open("/proc/self/comm", O_WRONLY | O_CLOEXEC));
                NEED(player, write(fd, OTHER_NAME, sizeof(OTHER_NAME) - 1));
                close(fd);
        } else if (kind & IDENTITY_NAME) {
                NEED(player, prctl(PR_SET_NAME, OTHER_NAME));
        }
        if (pthread_create(&thread, NULL, rename_thread, NULL) != 0 || pthread_join(thread, NULL) != 0)
                scene_fail(player->scene, "no thread");
        if (kind & IDENTITY_USER)
                NEED(player, setuid(OTHER_USER));
}

static void changer(struct player *player) {
        uint64_t port;
        int udp = udp_bound(player, FLAVOUR_V4, &port), other = udp_connected(player, FLAVOUR_V4, port);

        send_all(player, other, 100);
        recv_exactly(player, udp, 100);
        event_raise(player->scene, MOVED);
        event_wait(player->scene, SEEN, 1);
        change(player);
        if (!(player->scene->argument & IDENTITY_IDLE)) {
                send_all(player, other, 11);
                recv_exactly(player, udp, 11);
        }
        event_raise(player->scene, CHANGED);
}

static struct socktally *open_reader(struct scene *scene) {
        char path[PATH_MAX];
        struct socktally_options options = { .size = sizeof(options), .view = SOCKTALLY_VIEW_FULL,
                                             .socket_path = path };
        struct socktally *reader;
        int r;

        snprintf(path, sizeof(path), "%s/readers", scene->bill.runtime_directory);
        r = socktally_open(&reader, &options);
        if (r < 0)
                scene_fail(scene, "cannot read from the daemon: %s", strerror(-r));
        return reader;
}

/* What the snapshot says of the player. */
static bool is_known_as(const struct socktally *reader, const struct player *player, uint64_t uid, char *ret_words,
                        size_t size) {
        struct socktally_column comm_column, uid_column;
        struct socktally_row row;
        const char *comm = "";
        uint64_t seen = UINT64_MAX;

        if (socktally_column(reader, SOCKTALLY_TABLE_PROCESSES, "comm", &comm_column) < 0 ||
            socktally_column(reader, SOCKTALLY_TABLE_PROCESSES, "uid", &uid_column) < 0)
                scene_fail(player->scene, "the process table has no comm or no uid");
        if (socktally_find_process(reader, (uint32_t) player->pid, 0, &row) == SOCKTALLY_VALUE) {
                socktally_text(&row, &comm_column, &comm);
                socktally_value(&row, &uid_column, &seen);
        }
        snprintf(ret_words, size, "\"%s\" of user %lld", comm, (long long) seen);
        return strcmp(comm, player->comm) == 0 && seen == uid;
}

/* The first publication that is late enough may have met the process just before; the next one has not. An idle one
 * may take longer. */
static void expect_change(struct scene *scene, struct socktally *reader, const struct player *player) {
        struct socktally_info info = { .size = sizeof(info) };
        uint64_t changed_ns = boottime_ns(), uid = scene->argument & IDENTITY_USER ? OTHER_USER : geteuid();
        unsigned int n_after = 0;
        char words[100];

        for (;;) {
                int r = socktally_wait(reader, PATIENCE_NS / 1000);

                if ((r < 0 && r != -EINTR) || socktally_get_info(reader, &info) < 0)
                        scene_fail(scene, "waiting for a publication: %s", strerror(-r));
                if (is_known_as(reader, player, uid, words, sizeof(words)))
                        return;
                n_after += info.time_ns > changed_ns;
                if (scene->argument & IDENTITY_IDLE ? boottime_ns() - changed_ns > PATIENCE_NS : n_after >= 2)
                        scene_fail(scene, "is \"%s\" of user %llu, the daemon says %s", player->comm,
                                   (unsigned long long) uid, words);
        }
}

void identity_changes(struct scene *scene, int unused) {
        struct player *player = player_start(scene, "lv-identity", changer);
        struct socktally *reader = NULL;

        event_wait(scene, MOVED, 1);
        scene_compare(scene);
        if (scene->bill.runtime_directory)
                reader = open_reader(scene);
        event_raise(scene, SEEN);
        event_wait(scene, CHANGED, 1);
        if (reader)
                expect_change(scene, reader, player);
        socktally_close(reader);
}
