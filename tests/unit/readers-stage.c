/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Its public view and its full view are two empty files, told apart by their numbers. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/frame.h"
#include "libclient/socktally.h"
#include "tests/unit/peer.h"
#include "tests/unit/readers-stage.h"

static void on_arrived(void *userdata) {
        struct stage *stage = userdata;

        stage->n_arrived++;
}

static int get_view(void *userdata, enum publish_view view) {
        struct stage *stage = userdata;

        return stage->views[view];
}

int readers_setup(void **state) {
        struct stage *stage = calloc(1, sizeof *stage);

        tree_setup((void **) &stage->tree);
        assert_int_equal(chmod(stage->tree->path, 0755), 0);
        assert_true(sd_event_new(&stage->event) >= 0);
        stage->views[PUBLISH_PUBLIC] = memfd_create("public", MFD_CLOEXEC);
        stage->views[PUBLISH_FULL] = memfd_create("full", MFD_CLOEXEC);
        *state = stage;
        return 0;
}

int readers_teardown(void **state) {
        struct stage *stage = *state;

        readers_free(stage->readers);
        sd_event_unref(stage->event);
        close(stage->views[0]);
        close(stage->views[1]);
        tree_teardown((void **) &stage->tree);
        free(stage);
        return 0;
}

void stage_open(struct stage *stage, uint32_t max, uint32_t max_per_uid, uint64_t timeout_usec) {
        struct readers_config config = {
                .gid = GROUP,
                .max = max,
                .max_per_uid = max_per_uid,
                .timeout_usec = timeout_usec,
                .arrived = on_arrived,
                .view_fd = get_view,
                .userdata = stage,
        };

        assert_int_equal(readers_listen(tree_path(stage->tree, "readers"), &config.listen_fd), 0);
        assert_int_equal(readers_new(&stage->readers, stage->event, &config), 0);
}

void settle(struct stage *stage) {
        while (sd_event_run(stage->event, 0) > 0)
                continue;
}

int dial(struct stage *stage) {
        return peer_dial(tree_path(stage->tree, "readers"));
}

int dial_as_stranger(struct stage *stage, gid_t group) {
        int fd;

        assert_int_equal(setgroups(group ? 1 : 0, &group), 0);
        assert_int_equal(setegid(STRANGER), 0);
        assert_int_equal(seteuid(STRANGER), 0);
        fd = dial(stage);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setegid(0), 0);
        return fd;
}

static bool is_view(struct stage *stage, int fd, enum publish_view view) {
        struct stat a, b;

        return fstat(fd, &a) == 0 && fstat(stage->views[view], &b) == 0 && a.st_ino == b.st_ino;
}

void expect_view(struct stage *stage, int fd, enum handshake_type type, enum publish_view view) {
        struct handshake_message message;
        int attached;

        settle(stage);
        assert_int_equal(peer_hear(fd, &message, &attached), 1);
        assert_int_equal(message.type, type);
        assert_int_equal(message.error, 0);
        assert_int_equal(message.major, LAYOUT_MAJOR);
        assert_int_equal(message.view, view == PUBLISH_FULL ? SOCKTALLY_VIEW_FULL : SOCKTALLY_VIEW_PUBLIC);
        assert_true(is_view(stage, attached, view));
        close(attached);
}

void expect_nothing(struct stage *stage, int fd) {
        struct handshake_message message;
        int attached;

        settle(stage);
        assert_int_equal(peer_hear(fd, &message, &attached), -EAGAIN);
}

void expect_end(struct stage *stage, int fd) {
        struct handshake_message message;
        int attached;

        settle(stage);
        assert_int_equal(peer_hear(fd, &message, &attached), 0);
        close(fd);
}

void expect_refusal(struct stage *stage, int fd, int error) {
        struct handshake_message message;
        int attached;

        peer_say(fd, HANDSHAKE_SUBSCRIBE, 0); /* nobody will read it, and the refusal comes first all the same */
        settle(stage);
        assert_int_equal(peer_hear(fd, &message, &attached), 1);
        assert_int_equal(message.type, HANDSHAKE_GRANT);
        assert_int_equal(message.error, error);
        assert_int_equal(attached, -1);
        expect_end(stage, fd);
}

int granted(struct stage *stage, uint32_t wanted, enum publish_view view) {
        int fd = dial(stage);

        peer_say(fd, HANDSHAKE_HELLO, wanted);
        expect_view(stage, fd, HANDSHAKE_GRANT, view);
        return fd;
}
